import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { AuditEntry } from "../api/types";
import { word } from "../i18n/say";
import { useAddress } from "../lib/listview";
import { Empty } from "../parts/Feedback";
import { WordFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { SettingsTabs } from "./areas";

const actorOf = (e: AuditEntry): string => (typeof e.actor === "string" ? e.actor : (e.actor?.name ?? e.actor?.id ?? "–"));

const text = (value: unknown): string =>
  value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);

/** The fields that differ between before and after. */
function differences(before: unknown, after: unknown): [string, unknown, unknown][] {
  const a = typeof before === "object" && before !== null ? (before as Record<string, unknown>) : {};
  const b = typeof after === "object" && after !== null ? (after as Record<string, unknown>) : {};
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k])).map((k) => [k, a[k], b[k]]);
}

const MOST = 4;

function Change({ entry }: { entry: AuditEntry }) {
  const all = differences(entry.before, entry.after);
  if (all.length === 0) return <span className="soft">–</span>;
  return (
    <span className="mono">
      {all.slice(0, MOST).map(([key, a, b]) => (
        <span key={key} style={{ display: "block" }}>
          <span className="soft">{key}:</span> {text(a)} → {text(b)}
        </span>
      ))}
      {all.length > MOST && <span className="soft">+{all.length - MOST}</span>}
    </span>
  );
}

export function Audit() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const list = useList<AuditEntry>("audit", "/audit", { actor: search.actor, verb: search.verb });
  return (
    <div className="page">
      <PageHead crumbs={[{ label: t("nav.settings"), to: "/settings" }]} title={t("nav.audit")} facts={t("audit.how")} />
      <SettingsTabs now="audit" />
      <search className="filters" aria-label={t("filter.bar")}>
        <WordFilter label={t("audit.actor")} value={search.actor} onChange={(actor) => change({ actor })} />
        <WordFilter label={t("audit.verb")} value={search.verb} onChange={(verb) => change({ verb })} />
      </search>
      <SimpleTable
        label={t("nav.audit")}
        list={list}
        rowKey={(e) => e.id}
        empty={<Empty title={t("audit.none")} />}
        columns={[
          { head: t("audit.at"), width: 120, cell: (e) => <Time at={e.at} /> },
          { head: t("audit.actor"), width: 150, cell: (e) => <strong>{actorOf(e)}</strong> },
          { head: t("audit.verb"), width: 170, cell: (e) => <span className="mono">{e.verb}</span> },
          {
            head: t("audit.object"),
            cell: (e) =>
              e.object ? (
                <>
                  <span className="soft">{word(t, "object", e.object.kind)}</span> {e.object.name ?? e.object.id}
                </>
              ) : (
                "–"
              ),
          },
          { head: t("audit.change"), cell: (e) => <Change entry={e} /> },
          { head: t("common.request"), width: 130, cell: (e) => <span className="mono soft">{e.request_id ?? "–"}</span> },
        ]}
      />
    </div>
  );
}
