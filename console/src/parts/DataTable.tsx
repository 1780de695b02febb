// The one list of the console: a real table with virtual rows, ordered by the server, walked with j, k, x and Enter.
import { Checkbox, Tooltip } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { ListQuery } from "../api/queries";
import { number } from "../lib/format";
import { useKeys } from "../lib/keys";
import { nextSort, parseSort } from "../lib/search";
import { Fault } from "./Feedback";
import { Time } from "./Time";

export type Column<R> = {
  id: string;
  head: string;
  cell: (row: R) => ReactNode;
  /** Pixels, or the least of them for the column that takes what is left. */
  width: number;
  right?: boolean;
  /** The server's name for ordering by this column. */
  sort?: string;
  /** Takes what is left, instead of the first column. */
  grow?: boolean;
  /** Not shown until chosen. */
  extra?: boolean;
  /** What the API's CSV calls what stands here. */
  csv?: readonly string[];
};

export type Ticks = { ids: Set<string>; toggle: (id: string) => void; label: (name: string) => string };

type Props<R> = {
  label: string;
  list: ListQuery<R>;
  columns: Column<R>[];
  rowKey: (row: R) => string;
  /** How a row reads on a phone: two lines. The first must hold the row's link. */
  narrow: (row: R) => ReactNode;
  empty: ReactNode;
  sort?: string;
  onSort?: (sort: string | undefined) => void;
  ticks?: Ticks;
  rowName?: (row: R) => string;
  height?: string;
  /** The row that the keyboard went to. */
  onWalk?: (row: R) => void;
  /** A row that stands out: the one whose details are shown beside. */
  chosen?: string;
};

const ROW = 36;
const ROW_NARROW = 57;

export function DataTable<R>(props: Props<R>) {
  const { list, label, columns, empty } = props;
  const narrow = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false }) ?? false;
  const box = useRef<HTMLDivElement>(null);
  const { items, query } = list;
  const height = narrow ? ROW_NARROW : ROW;
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: () => height,
    overscan: 12,
    paddingStart: 0,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && last >= items.length - 40) fetchNextPage();
  }, [last, items.length, hasNextPage, isFetchingNextPage, fetchNextPage]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another row height makes all measures old
  useEffect(() => rows.measure(), [height, rows]);
  const active = useActive(props, (i) => rows.scrollToIndex(i), box);

  if (query.isError && items.length === 0) return <Fault error={query.error} retry={() => query.refetch()} />;
  const visible = narrow ? [] : columns;
  const span = narrow ? 1 : visible.length + (props.ticks ? 1 : 0);
  const before = shown[0]?.start ?? 0;
  const after = rows.getTotalSize() - (shown.at(-1)?.end ?? 0);
  const minWidth = leastWidth(visible, props.ticks !== undefined);
  return (
    <div className="table-box" style={{ height: props.height }}>
      {query.isError && <Fault error={query.error} retry={() => query.refetch()} />}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section className="table-scroll" ref={box} tabIndex={0} aria-label={label}>
        <table
          className={narrow ? "data two-line" : "data"}
          style={{ minWidth: narrow ? undefined : minWidth }}
          aria-label={label}
          aria-rowcount={(list.total ?? items.length) + 1}
          aria-busy={query.isFetching}
        >
          <Head {...props} columns={visible} isNarrow={narrow} />
          <tbody>
            {before > 0 && <Space height={before} span={span} />}
            {query.isLoading && <SkeletonRows span={span} />}
            {shown.map((item) => {
              const row = items[item.index];
              return row === undefined ? null : (
                <BodyRow
                  key={props.rowKey(row)}
                  {...props}
                  columns={visible}
                  row={row}
                  index={item.index}
                  isNarrow={narrow}
                  active={active}
                />
              );
            })}
            {after > 0 && <Space height={after} span={span} />}
            {isFetchingNextPage && <SkeletonRows span={span} count={2} />}
          </tbody>
        </table>
        {!query.isLoading && !query.hasNextPage && items.length === 0 && empty}
      </section>
      <Foot list={list} />
    </div>
  );
}

/** The row that the keyboard is on; moving puts the focus on the row's link, so that Enter opens it. */
function useActive<R>(props: Props<R>, scrollTo: (index: number) => void, box: React.RefObject<HTMLDivElement | null>): number {
  const { t } = useTranslation();
  const [walked, setWalked] = useState(-1);
  const { items } = props.list;
  const active = props.chosen === undefined ? walked : items.findIndex((row) => props.rowKey(row) === props.chosen);
  const count = items.length;
  const move = (by: number) => {
    const next = Math.min(count - 1, Math.max(0, active + by));
    if (count === 0) return;
    setWalked(next);
    scrollTo(next);
    const row = items[next];
    if (row !== undefined) props.onWalk?.(row);
    requestAnimationFrame(() => {
      const row = box.current?.querySelector(`tr[data-index="${next}"]`);
      row?.querySelector<HTMLElement>("a, button")?.focus({ preventScroll: true });
    });
  };
  const tick = () => {
    const row = items[active];
    if (row !== undefined) props.ticks?.toggle(props.rowKey(row));
  };
  useKeys([
    { keys: "j", label: t("keys.next_row"), run: () => move(1) },
    { keys: "k", label: t("keys.previous_row"), run: () => move(-1) },
    ...(props.ticks ? [{ keys: "x", label: t("keys.tick"), run: tick }] : []),
  ]);
  return active;
}

function Head<R>(props: Props<R> & { isNarrow: boolean }) {
  const { t } = useTranslation();
  const { columns, ticks, sort, onSort, isNarrow } = props;
  if (isNarrow) {
    return (
      <thead className="hidden-label">
        <tr>
          <th scope="col">{props.label}</th>
        </tr>
      </thead>
    );
  }
  const now = parseSort(sort);
  // Room to spare goes to the column that wants it, else to all by their widths.
  const growing = columns.findIndex((c) => c.grow);
  const all = leastWidth(columns, ticks !== undefined);
  const width = (c: Column<R>, i: number) => (growing < 0 ? `${(c.width / all) * 100}%` : i === growing ? undefined : c.width);
  return (
    <>
      <colgroup>
        {ticks && <col style={{ width: 36 }} />}
        {columns.map((c, i) => (
          <col key={c.id} style={{ width: width(c, i) }} />
        ))}
      </colgroup>
      <thead>
        <tr aria-rowindex={1}>
          {ticks && (
            <th className="tick" scope="col">
              <span className="hidden-label">{t("list.ticked")}</span>
            </th>
          )}
          {columns.map((c) => {
            const order = c.sort && now?.by === c.sort ? (now.down ? "descending" : "ascending") : undefined;
            return (
              <th key={c.id} scope="col" className={c.right ? "num" : undefined} aria-sort={order}>
                {c.sort && onSort ? (
                  <button type="button" onClick={() => onSort(nextSort(sort, c.sort as string))}>
                    {c.head}
                    {order === "ascending" && <IconArrowUp size={13} aria-hidden />}
                    {order === "descending" && <IconArrowDown size={13} aria-hidden />}
                  </button>
                ) : (
                  c.head
                )}
              </th>
            );
          })}
        </tr>
      </thead>
    </>
  );
}

/** What a table needs at least, px. */
const leastWidth = <R,>(columns: Column<R>[], hasTicks: boolean): number => columns.reduce((sum, c) => sum + c.width, hasTicks ? 40 : 0);

type RowProps<R> = Props<R> & { row: R; index: number; isNarrow: boolean; active: number };

function BodyRow<R>({ row, index, isNarrow, active, columns, ticks, rowKey, rowName, narrow }: RowProps<R>) {
  const key = rowKey(row);
  return (
    <tr data-index={index} data-active={index === active} aria-rowindex={index + 2}>
      {isNarrow ? (
        <td>{narrow(row)}</td>
      ) : (
        <>
          {ticks && (
            <td className="tick">
              <Checkbox checked={ticks.ids.has(key)} onChange={() => ticks.toggle(key)} aria-label={ticks.label(rowName?.(row) ?? key)} />
            </td>
          )}
          {columns.map((c) => (
            <td key={c.id} className={c.right ? "num" : undefined}>
              {c.cell(row)}
            </td>
          ))}
        </>
      )}
    </tr>
  );
}

function Space({ height, span }: { height: number; span: number }) {
  return (
    <tr className="space" aria-hidden>
      <td colSpan={span} style={{ height }} />
    </tr>
  );
}

function SkeletonRows({ span, count = 12 }: { span: number; count?: number }) {
  return Array.from({ length: count }, (_, i) => (
    <tr key={i} aria-hidden>
      {Array.from({ length: span }, (_, j) => (
        <td key={j}>
          <span className="ghost" style={{ width: `${45 + ((i * 13 + j * 29) % 40)}%` }} />
        </td>
      ))}
    </tr>
  ));
}

function Foot<R>({ list }: { list: ListQuery<R> }) {
  const { t, i18n } = useTranslation();
  const { query, items, total } = list;
  if (items.length === 0 && !query.isLoading) return null;
  const loaded = number(items.length, i18n.language);
  const read = query.dataUpdatedAt ? new Date(query.dataUpdatedAt).toISOString() : null;
  return (
    <div className="table-foot">
      <span>
        {query.isLoading && t("common.loading")}
        {!query.isLoading && total !== null && items.length < total && t("list.loaded_of", { loaded, count: total })}
        {!query.isLoading && total === null && query.hasNextPage && t("list.more", { loaded })}
        {!query.isLoading && (total === null ? !query.hasNextPage : items.length >= total) && t("list.all", { count: items.length })}
      </span>
      <span style={{ marginLeft: "auto" }} className="row">
        {t("list.read")} <Time at={read} />
        <Tooltip label={t("common.refresh")}>
          <button type="button" className="text-link plain" onClick={() => query.refetch()} disabled={query.isFetching}>
            {t("common.refresh")}
          </button>
        </Tooltip>
      </span>
    </div>
  );
}
