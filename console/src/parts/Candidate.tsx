// A pair of machines that may be one: what it is, what speaks for and against it, both side by side.
import { IconAlertTriangle, IconCopy, IconEqual, IconEqualNot } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Candidate, DeviceShort } from "../api/types";
import { say, word } from "../i18n/say";
import { MachineLink, Presence, protocolName } from "./Machine";
import { ScrollX } from "./ScrollX";
import { Time } from "./Time";

/** '+50' or '−100': the sign is said, also to those who hear it. */
export function Points({ value }: { value: number }) {
  const text = value > 0 ? `+${value}` : value < 0 ? `−${-value}` : "0";
  return <span className={value > 0 ? "points for" : value < 0 ? "points against" : "points"}>{text}</span>;
}

export function CandidateKindMark({ kind }: { kind: Candidate["kind"] }) {
  const { t } = useTranslation();
  return (
    <span className={`state ${kind === "clone" ? "st-expired" : "st-started"}`}>
      {kind === "clone" ? <IconAlertTriangle size={15} aria-hidden /> : <IconCopy size={15} aria-hidden />}
      {t(`duplicate.kind_${kind}`)}
    </span>
  );
}

export function useCandidateReason() {
  const { t, i18n } = useTranslation();
  return (c: Candidate): string => say(t, i18n.language, "identity_reason", c.reason);
}

/** Where the points come from: what both have, and what each has for itself. */
export function EvidenceTable({ candidate }: { candidate: Candidate }) {
  const { t } = useTranslation();
  const sum = candidate.evidence.reduce((all, e) => all + e.points, 0);
  return (
    <ScrollX label={t("duplicate.evidence")}>
      <table className="data auto evidence">
        <caption className="hidden-label">{t("duplicate.evidence")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("duplicate.evidence")}</th>
            <th scope="col">{t("duplicate.value")}</th>
            <th scope="col">
              <span className="says">{t("duplicate.says")}</span>
            </th>
            <th scope="col" className="num">
              {t("duplicate.points")}
            </th>
          </tr>
        </thead>
        <tbody>
          {candidate.evidence.map((e) => (
            <tr key={e.kind + e.value}>
              <td>{word(t, "evidence", e.kind)}</td>
              <td className="mono">{e.value}</td>
              <td>
                <span className={`state ${e.shared ? "st-ok" : e.points < 0 ? "st-error" : "st-prepared"}`}>
                  {e.shared ? <IconEqual size={15} aria-hidden /> : <IconEqualNot size={15} aria-hidden />}
                  <span className="says">
                    {t(e.shared ? "duplicate.shared" : e.points < 0 ? "duplicate.contradicts" : "duplicate.differs")}
                  </span>
                </span>
              </td>
              <td className="num">
                <Points value={e.points} />
              </td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={3}>
              {t("duplicate.sum")}
            </th>
            <td className="num">
              <strong>{sum === candidate.points ? <Points value={sum} /> : candidate.points}</strong>
            </td>
          </tr>
        </tfoot>
      </table>
    </ScrollX>
  );
}

type Line = { label: string; of: (d: DeviceShort) => ReactNode; text?: (d: DeviceShort) => string };

/** Both machines, line by line; what can be compared says whether it is the same. */
export function SideBySide({ devices }: { devices: DeviceShort[] }) {
  const { t } = useTranslation();
  const plain = (key: "os" | "serial" | "uuid") => ({
    of: (d: DeviceShort) => d[key] || <span className="soft">–</span>,
    text: (d: DeviceShort) => (d[key] ?? "").toLowerCase(),
  });
  const macs = (d: DeviceShort) => [...d.macs].sort().join(", ");
  const lines: Line[] = [
    { label: t("device.presence"), of: (d) => <Presence agent={d.agent} /> },
    { label: t("device.agent"), of: (d) => (d.agent ? `${protocolName(d.agent.protocol)} ${d.agent.version ?? ""}` : "–") },
    { label: t("device.os"), ...plain("os") },
    { label: t("device.serial"), ...plain("serial") },
    { label: t("device.uuid"), ...plain("uuid") },
    { label: t("device.mac"), of: (d) => macs(d) || <span className="soft">–</span>, text: (d) => macs(d).toLowerCase() },
    { label: t("device.first_seen"), of: (d) => <Time at={d.first_seen} /> },
    { label: t("device.last_inventory"), of: (d) => <Time at={d.last_inventory} empty={t("device.never")} /> },
    { label: t("device.verified"), of: (d) => (d.verified ? t("common.yes") : t("common.no")), text: (d) => String(d.verified) },
  ];
  const mono = new Set([t("device.serial"), t("device.uuid"), t("device.mac")]);
  return (
    <ScrollX label={t("duplicate.side_by_side")}>
      <table className="data auto pair">
        <caption className="hidden-label">{t("duplicate.side_by_side")}</caption>
        <thead>
          <tr>
            <td className="corner" />
            {devices.map((d) => (
              <th key={d.id} scope="col">
                <MachineLink device={d} />
              </th>
            ))}
            <th scope="col">
              <span className="hidden-label">{t("duplicate.same_or_not")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.label}>
              <th scope="row">{line.label}</th>
              {devices.map((d) => (
                <td key={d.id} className={mono.has(line.label) ? "mono" : undefined}>
                  {line.of(d)}
                </td>
              ))}
              <td>
                <Sameness texts={line.text ? devices.map(line.text) : []} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

function Sameness({ texts }: { texts: string[] }) {
  const { t } = useTranslation();
  const [a, b] = texts;
  if (!a || !b) return null;
  const same = a === b;
  return (
    <span className={`state ${same ? "st-ok" : "st-expired"}`}>
      {same ? <IconEqual size={15} aria-hidden /> : <IconEqualNot size={15} aria-hidden />}
      <span className="soft says">{t(same ? "duplicate.same" : "duplicate.other")}</span>
    </span>
  );
}
