// What changed on a machine, newest first: green + came, red − went.
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { HistoryEntry, Row } from "../api/types";
import { word } from "../i18n/say";
import { columnsOf, plainText } from "../lib/inventory";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { LoadMore } from "../parts/LoadMore";
import { Time } from "../parts/Time";

export function Changes({ id }: { id: string }) {
  const { t } = useTranslation();
  const list = useList<HistoryEntry>("device", `/devices/${encodeURIComponent(id)}/history`, { limit: 50 });
  if (list.query.isError) return <Fault error={list.query.error} retry={() => list.query.refetch()} />;
  if (list.query.isLoading) return <Lines />;
  if (list.items.length === 0) return <Empty title={t("machine.no_change")} why={t("machine.no_change_why")} />;
  return (
    <section className="card">
      <ol className="lines">
        {list.items.map((entry) => (
          <li key={entry.id} className="change">
            <Entry entry={entry} />
          </li>
        ))}
      </ol>
      <LoadMore list={list} />
    </section>
  );
}

function Entry({ entry }: { entry: HistoryEntry }) {
  const { t } = useTranslation();
  const rest = entry.added_count + entry.removed_count - entry.added.length - entry.removed.length;
  return (
    <>
      <span className="soft">
        <Time at={entry.at} />
      </span>
      <div className="stack" style={{ gap: 6, minWidth: 0 }}>
        <p>
          <strong>{word(t, "section", entry.section)}</strong>{" "}
          <span className="soft">
            {entry.kind === "first" ? t("machine.first", { count: entry.added_count }) : t(`machine.${entry.kind}`)}
            {entry.kind !== "first" && ` · +${entry.added_count} −${entry.removed_count}`}
          </span>
        </p>
        {(entry.added.length > 0 || entry.removed.length > 0) && (
          <ul className="diff">
            {entry.removed.map((row, i) => (
              <Difference key={`-${i}`} section={entry.section} row={row} sign="−" />
            ))}
            {entry.added.map((row, i) => (
              <Difference key={`+${i}`} section={entry.section} row={row} sign="+" />
            ))}
          </ul>
        )}
        {rest > 0 && entry.kind !== "first" && <p className="soft">{t("machine.and_rows", { count: rest })}</p>}
      </div>
    </>
  );
}

function Difference({ section, row, sign }: { section: string; row: Row; sign: "+" | "−" }) {
  const { t } = useTranslation();
  const keys = columnsOf(section, [row]);
  const said = keys.map((k) => plainText(row[k])).filter(Boolean);
  return (
    <li className={sign === "+" ? "add" : "del"}>
      <span aria-hidden>{sign} </span>
      <span className="hidden-label">{sign === "+" ? t("machine.added_row") : t("machine.removed_row")}</span>
      {said.join("  ")}
    </li>
  );
}
