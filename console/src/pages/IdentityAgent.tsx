// One agent of a machine: what it is known by and what that is worth; whether it may obey.
import { Button } from "@mantine/core";
import { IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { agents } from "../api/client";
import { renewIdentity } from "../api/queries";
import type { KnownAgent } from "../api/types";
import { word } from "../i18n/say";
import { Confirm } from "../parts/Confirm";
import { shout } from "../parts/Feedback";
import { Presence, protocolName } from "../parts/Machine";
import { ScrollX } from "../parts/ScrollX";
import { Time } from "../parts/Time";

type Props = { known: KnownAgent; may: boolean; split?: () => void };

export function IdentityAgent({ known, may, split }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [revoking, setRevoking] = useState(false);
  const { agent, evidence } = known;
  const name = `${protocolName(agent.protocol)} ${agent.version ?? ""}`.trim();
  const verify = () =>
    agents
      .change(agent.id, { verified: !agent.verified })
      .then(() => renewIdentity(client))
      .catch((e) => shout(t, e));
  const revoke = async () => {
    await agents.revoke(agent.id);
    await renewIdentity(client);
  };
  return (
    <section className="card">
      <h2>
        <span>{name}</span>
        <Presence agent={agent} />
      </h2>
      <div className="body stack">
        <dl className="facts-list">
          <dt>{t("device.verified")}</dt>
          <dd>
            <span className={`state ${agent.verified ? "st-ok" : "st-expired"}`}>
              {agent.verified ? <IconShieldCheck size={15} aria-hidden /> : <IconShieldX size={15} aria-hidden />}
              {t(agent.verified ? "identity.may_obey" : "identity.may_report")}
            </span>
          </dd>
          <dt>{t("identity.first_contact")}</dt>
          <dd>
            <Time at={agent.first_contact} />
          </dd>
          <dt>{t("device.last_contact")}</dt>
          <dd>
            <Time at={agent.last_contact} empty={t("device.never")} />
          </dd>
          {agent.address && (
            <>
              <dt>{t("agent.address")}</dt>
              <dd className="mono">{agent.address}</dd>
            </>
          )}
        </dl>
        {evidence.length === 0 && <p className="soft">{t("identity.no_evidence")}</p>}
        {evidence.length > 0 && (
          <ScrollX label={`${name}: ${t("identity.evidence")}`}>
            <table className="data auto evidence">
              <caption className="hidden-label">{t("identity.evidence")}</caption>
              <thead>
                <tr>
                  <th scope="col">{t("identity.evidence")}</th>
                  <th scope="col">{t("duplicate.value")}</th>
                  <th scope="col" className="num">
                    {t("identity.worth")}
                  </th>
                </tr>
              </thead>
              <tbody>
                {evidence.map((e) => (
                  <tr key={e.kind + e.value}>
                    <td>{word(t, "evidence", e.kind)}</td>
                    <td className="mono">{e.value}</td>
                    <td className="num">{e.worth}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollX>
        )}
        {may && (
          <div className="row wrap">
            <Button onClick={verify}>{t(agent.verified ? "agent.unverify" : "agent.verify")}</Button>
            {split && <Button onClick={split}>{t("identity.split_one")}</Button>}
            <Button variant="outline" color="red" onClick={() => setRevoking(true)}>
              {t("identity.revoke")}
            </Button>
          </div>
        )}
      </div>
      {revoking && (
        <Confirm title={t("identity.revoke")} verb={t("identity.revoke")} danger act={revoke} onClose={() => setRevoking(false)}>
          <p>{t(agent.protocol === "muster" ? "identity.revoke_own" : "identity.revoke_foreign", { name })}</p>
        </Confirm>
      )}
    </section>
  );
}
