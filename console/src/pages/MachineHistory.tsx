// The history of a machine, newest first: one line for each section of an inventory, its rows on request.
import { Button } from "@mantine/core";
import { IconChevronRight } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useId, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { DeviceDetail, HistoryEntry } from "../api/types";
import { word } from "../i18n/say";
import { type Difference, type Pair, paired, SINGLE, titleOf } from "../lib/diff";
import { useAddress } from "../lib/listview";
import { toggled, values } from "../lib/search";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { useLabel } from "../parts/inventoryWords";
import { protocolName } from "../parts/Machine";
import { DiffCounts, RowDiff, SIGNS } from "../parts/RowDiff";
import { Time } from "../parts/Time";

const PAGE = 100;
const LINE = 57;

export function History({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const { section, agent, kind, since, until } = search;
  const filter = { section, agent, kind, since, until };
  const list = useList<HistoryEntry>("history", `/devices/${encodeURIComponent(d.id)}/history`, { limit: PAGE, ...filter });
  const opened = useMemo(() => new Set(values(search.open)), [search.open]);
  const box = useRef<HTMLDivElement>(null);
  const { items, query } = list;
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    getItemKey: (i) => items[i]?.id ?? i,
    estimateSize: () => LINE,
    overscan: 8,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && last >= items.length - 20) fetchNextPage();
  }, [last, items.length, hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (query.isError && items.length === 0) return <Fault error={query.error} retry={() => query.refetch()} />;
  if (query.isLoading) return <Lines />;
  if (items.length === 0 && !hasNextPage) {
    const filtered = Object.values(filter).some(Boolean);
    if (!filtered) return <Empty title={t("machine.no_change")} why={t("machine.no_change_why")} />;
    return (
      <Empty title={t("change.none_match")} why={t("machines.none_match_why")}>
        <Button onClick={() => change(Object.fromEntries(Object.keys(filter).map((k) => [k, undefined])))}>{t("filter.clear_all")}</Button>
      </Empty>
    );
  }
  const names = new Map(d.agents.map((a) => [a.id, protocolName(a.protocol)]));
  return (
    <section className="card history" ref={box} aria-label={t("change.history")}>
      <ol style={{ height: rows.getTotalSize() }}>
        {shown.map((item) => {
          const entry = items[item.index];
          if (!entry) return null;
          return (
            <li key={item.key} ref={rows.measureElement} data-index={item.index} style={{ transform: `translateY(${item.start}px)` }}>
              <Entry
                entry={entry}
                agent={d.agents.length > 1 ? names.get(entry.agent ?? "") : undefined}
                isOpen={opened.has(entry.id)}
                toggle={() => change({ open: toggled(search.open, entry.id) })}
              />
            </li>
          );
        })}
      </ol>
      {isFetchingNextPage && <Lines count={2} />}
    </section>
  );
}

type EntryProps = { entry: HistoryEntry; agent: string | undefined; isOpen: boolean; toggle: () => void };

function Entry({ entry, agent, isOpen, toggle }: EntryProps) {
  const { t } = useTranslation();
  const id = useId();
  const label = useLabel();
  const diff = useMemo(() => paired(entry.section, entry.added, entry.removed), [entry]);
  const bare = entry.added.length === 0 && entry.removed.length === 0;
  const rest = entry.added_count + entry.removed_count - entry.added.length - entry.removed.length;
  const joined = diff.changed.length;
  return (
    <>
      <button
        type="button"
        className="history-line"
        aria-expanded={bare ? undefined : isOpen}
        aria-controls={id}
        onClick={toggle}
        disabled={bare}
      >
        <IconChevronRight size={15} aria-hidden className="turn" style={{ visibility: bare ? "hidden" : undefined }} />
        <span className="soft when">
          <Time at={entry.at} />
        </span>
        <span className="cut section">
          <strong>{word(t, "section", entry.section)}</strong>
          {agent && <span className="soft"> · {agent}</span>}
        </span>
        <span className="soft kind">
          {entry.kind === "first" ? t("machine.first", { count: entry.added_count }) : t(`machine.${entry.kind}`)}
        </span>
        <DiffCounts
          added={entry.kind === "first" ? 0 : entry.added_count - joined}
          removed={entry.removed_count - joined}
          changed={joined}
        />
        <span className="cut soft sample">{entry.kind !== "first" && sample(entry.section, diff, label)}</span>
      </button>
      {isOpen && !bare && (
        <div id={id} className="history-rows">
          <RowDiff section={entry.section} diff={diff} first={100} />
          {rest > 0 && entry.kind !== "first" && <p className="soft">{t("machine.and_rows", { count: rest })}</p>}
        </div>
      )}
    </>
  );
}

const SAMPLED = 4;

/** What changed, by name: '≠ firefox · + libnss3'; of a section with one row its fields. */
function sample(section: string, diff: Difference, label: (field: string) => string): string {
  const names = (p: Pair) => (SINGLE.has(section) ? p.fields.map(label) : [titleOf(section, p.after)]);
  const all = [
    ...diff.changed.flatMap(names).map((name) => `${SIGNS.changed} ${name}`),
    ...diff.removed.map((r) => `${SIGNS.removed} ${titleOf(section, r)}`),
    ...diff.added.map((r) => `${SIGNS.added} ${titleOf(section, r)}`),
  ];
  return all.slice(0, SAMPLED).join(" · ") + (all.length > SAMPLED ? " …" : "");
}
