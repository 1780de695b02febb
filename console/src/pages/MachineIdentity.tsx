// By what a machine is known, which agents speak for it, and what its reports said that was odd.
import { Fragment } from "react";
import { useTranslation } from "react-i18next";
import type { DeviceDetail } from "../api/types";
import { word } from "../i18n/say";
import { AgentFacts } from "../parts/AgentFacts";
import { Time } from "../parts/Time";

export function Identity({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  return (
    <div className="grid even">
      <section className="card">
        <h2>{t("identity.evidence")}</h2>
        <dl className="facts-list body">
          {d.evidence.map((e) => (
            <Fragment key={e.kind + e.value}>
              <dt>{word(t, "evidence", e.kind)}</dt>
              <dd className="mono">{e.value}</dd>
            </Fragment>
          ))}
        </dl>
        {d.evidence.length === 0 && <p className="body soft">{t("identity.no_evidence")}</p>}
      </section>
      <section className="card">
        <h2>{t("nav.agents")}</h2>
        {d.agents.length === 0 && <p className="body soft">{t("identity.no_agent")}</p>}
        <ul className="lines">
          {d.agents.map((a) => (
            <li key={a.id}>
              <AgentFacts agent={a} />
            </li>
          ))}
        </ul>
      </section>
      <section className="card">
        <h2>{t("identity.findings")}</h2>
        {d.finding_list.length === 0 && <p className="body soft">{t("identity.no_finding")}</p>}
        <ul className="lines">
          {d.finding_list.map((f) => (
            <li key={f.kind + f.detail + f.at}>
              <p className="row spread">
                <strong>{word(t, "finding", f.kind)}</strong>
                <span className="soft">
                  <Time at={f.at} />
                </span>
              </p>
              <p className="soft">{f.detail}</p>
            </li>
          ))}
        </ul>
      </section>
    </div>
  );
}
