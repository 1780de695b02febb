// What is known of one agent, and how it can be woken.
import { useTranslation } from "react-i18next";
import type { Agent } from "../api/types";
import { word } from "../i18n/say";
import { Presence, protocolName } from "./Machine";
import { Time } from "./Time";

export function AgentFacts({ agent }: { agent: Agent }) {
  const { t } = useTranslation();
  const last = agent.wake.last;
  const address = agent.address && (agent.port ? `${agent.address}:${agent.port}` : agent.address);
  return (
    <div className="stack" style={{ gap: 8 }}>
      <p className="row spread">
        <strong>
          {protocolName(agent.protocol)} {agent.version}
        </strong>
        <Presence agent={agent} />
      </p>
      <dl className="facts-list">
        <dt>{t("device.verified")}</dt>
        <dd>{agent.verified ? t("common.yes") : t("common.no")}</dd>
        {agent.quarantine && (
          <>
            <dt>{t("agent.quarantine")}</dt>
            <dd>
              <Time at={agent.quarantine.since} /> {t("agent.quarantine_by", { name: agent.quarantine.by })}
              {agent.quarantine.reason && <span className="soft"> · {agent.quarantine.reason}</span>}
            </dd>
          </>
        )}
        {agent.book_drifted && (
          <>
            <dt>{t("agent.drifted")}</dt>
            <dd>
              <Time at={agent.book_drifted} />
            </dd>
          </>
        )}
        <dt>{t("device.last_contact")}</dt>
        <dd>
          <Time at={agent.last_contact} empty={t("device.never")} />
        </dd>
        <dt>{t("agent.next_contact")}</dt>
        <dd>
          <Time at={agent.next_contact} />
        </dd>
        {address && (
          <>
            <dt>{t("agent.address")}</dt>
            <dd className="mono">{address}</dd>
          </>
        )}
        <dt>{t("agent.wake")}</dt>
        <dd>
          {t(`agent.wake_${agent.wake.way}`)}
          {last && (
            <span className="soft">
              {" · "}
              {word(t, "wake", last.outcome)}, <Time at={last.at} />
            </span>
          )}
        </dd>
        {agent.foreign_id && (
          <>
            <dt>DEVICEID</dt>
            <dd className="mono">{agent.foreign_id}</dd>
          </>
        )}
        {agent.agent_id && (
          <>
            <dt>{t("evidence.agent_id")}</dt>
            <dd className="mono">{agent.agent_id}</dd>
          </>
        )}
        {agent.modules.length > 0 && (
          <>
            <dt>{t("agent.modules")}</dt>
            <dd>{agent.modules.join(", ")}</dd>
          </>
        )}
      </dl>
    </div>
  );
}
