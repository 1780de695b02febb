// Every section of a machine's inventory as a table, and one search through all of them.
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { type ListQuery, useInventory } from "../api/queries";
import type { DeviceDetail, Row } from "../api/types";
import { word } from "../i18n/say";
import { number } from "../lib/format";
import { asRows, columnsOf, find, ordered, plainText } from "../lib/inventory";
import { useAddress } from "../lib/listview";
import { parseSort } from "../lib/search";
import { type Column, DataTable } from "../parts/DataTable";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { TextFilter } from "../parts/Filters";
import { useLabel, useValue } from "../parts/inventoryWords";
import { Time } from "../parts/Time";

export function InventoryTab({ d }: { d: DeviceDetail }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const sections = useMemo(
    () => d.sections.toSorted((a, b) => word(t, "section", a.name).localeCompare(word(t, "section", b.name), i18n.language)),
    [d.sections, t, i18n.language],
  );
  if (sections.length === 0) return <Empty title={t("machine.no_inventory")} why={t("machine.no_inventory_why")} />;
  const now = search.section ?? (sections.some((s) => s.name === "softwares") ? "softwares" : (sections[0]?.name ?? ""));
  return (
    <>
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("machine.search_sections")} value={search.q ?? ""} onChange={(q) => change({ q })} />
      </search>
      <div className="sections">
        <nav className="card" aria-label={t("machine.sections")}>
          {sections.map((s) => (
            <Link
              key={s.name}
              to="."
              search={{ tab: "inventory", section: s.name } as never}
              aria-current={!search.q && s.name === now ? "page" : undefined}
              activeOptions={{ exact: true }}
            >
              <span className="cut">{word(t, "section", s.name)}</span>
              <span>{number(s.count, i18n.language)}</span>
            </Link>
          ))}
        </nav>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
        <section className="content" tabIndex={0} aria-label={t("machine.tab_inventory")}>
          {search.q ? <Found id={d.id} text={search.q} /> : <Section key={now} d={d} name={now} />}
        </section>
      </div>
    </>
  );
}

function Section({ d, name }: { d: DeviceDetail; name: string }) {
  const { t } = useTranslation();
  const inventory = useInventory(d.id, name);
  const info = d.sections.find((s) => s.name === name);
  const content = inventory.data?.sections[name];
  if (inventory.isError) return <Fault error={inventory.error} retry={() => inventory.refetch()} />;
  if (inventory.isLoading || inventory.isPlaceholderData) return <Lines count={10} />;
  const rows = asRows(content);
  const facts = (
    <p className="facts">
      <strong>{word(t, "section", name)}</strong>
      {info && (
        <span>
          {t("machine.changed")} <Time at={info.changed_at} />
        </span>
      )}
    </p>
  );
  return (
    <>
      {facts}
      {Array.isArray(content) || rows.length !== 1 ? (
        <Rows name={name} rows={rows} query={inventory} />
      ) : (
        <Single name={name} row={rows[0] ?? {}} />
      )}
    </>
  );
}

/** A section that is one object reads better as a list of facts. */
function Single({ name, row }: { name: string; row: Row }) {
  const value = useValue(name);
  const label = useLabel();
  return (
    <section className="card">
      <table className="data auto">
        <tbody>
          {Object.entries(row).map(([field, v]) => (
            <tr key={field}>
              <th scope="row" style={{ width: 220, position: "static", borderBottomColor: "var(--line)" }}>
                {label(field)}
              </th>
              <td>{value(field, v)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

type RowsQuery = { isFetching: boolean; dataUpdatedAt: number; refetch: () => unknown };

function Rows({ name, rows, query }: { name: string; rows: Row[]; query: RowsQuery }) {
  const { t } = useTranslation();
  const value = useValue(name);
  const label = useLabel();
  const [sort, setSort] = useState<string | undefined>();
  const keys = useMemo(() => columnsOf(name, rows), [name, rows]);
  const shown = useMemo(() => {
    const by = parseSort(sort);
    return by ? ordered(rows, by.by, by.down) : rows;
  }, [rows, sort]);
  const columns: Column<Row>[] = keys.map((field, i) => ({
    id: field,
    head: label(field),
    width: i === 0 ? 240 : 140,
    sort: field,
    right: rows.some((r) => typeof r[field] === "number"),
    cell: (row) => (
      <span title={value(field, row[field])}>{i === 0 ? <strong>{value(field, row[field])}</strong> : value(field, row[field])}</span>
    ),
  }));
  const list: ListQuery<Row> = {
    items: shown,
    total: shown.length,
    query: {
      isError: false,
      error: null,
      isLoading: false,
      isFetching: query.isFetching,
      isFetchingNextPage: false,
      hasNextPage: false,
      dataUpdatedAt: query.dataUpdatedAt,
      refetch: query.refetch,
      fetchNextPage: () => undefined,
    },
  };
  const [first = "", ...rest] = keys;
  return (
    <DataTable
      label={word(t, "section", name)}
      list={list}
      columns={columns}
      rowKey={(row) => String(shown.indexOf(row))}
      narrow={(row) => (
        <div className="two">
          <div className="a">
            <strong className="cut">{value(first, row[first])}</strong>
          </div>
          <div className="b">
            {rest
              .map((field) => value(field, row[field]))
              .filter(Boolean)
              .join(" · ")}
          </div>
        </div>
      )}
      sort={sort}
      onSort={setSort}
      empty={<Empty title={t("machine.section_empty")} />}
    />
  );
}

function Found({ id, text }: { id: string; text: string }) {
  const { t } = useTranslation();
  const inventory = useInventory(id);
  const hits = useMemo(() => (inventory.data ? find(inventory.data, text) : []), [inventory.data, text]);
  if (inventory.isError) return <Fault error={inventory.error} retry={() => inventory.refetch()} />;
  if (inventory.isLoading) return <Lines count={10} />;
  if (hits.length === 0) return <Empty title={t("machine.nothing_found", { text })} />;
  return (
    <div className="stack">
      {hits.map((hit) => (
        <section key={hit.section} className="card">
          <h2>
            {word(t, "section", hit.section)} <span className="soft">{t("machine.rows", { count: hit.count })}</span>
          </h2>
          <ul className="lines">
            {hit.rows.map((row, i) => (
              <li key={i}>
                <Line section={hit.section} row={row} text={text} />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

/** The row's first columns and the fields in which the text stands, marked. */
function Line({ section, row, text }: { section: string; row: Row; text: string }) {
  const value = useValue(section);
  const label = useLabel();
  const keys = columnsOf(section, [row]);
  const hit = Object.keys(row).filter((k) => plainText(row[k]).toLocaleLowerCase().includes(text.toLocaleLowerCase()));
  const shown = [...new Set([...keys.slice(0, 2), ...hit])];
  return (
    <span className="row wrap" style={{ gap: "2px 14px" }}>
      {shown.map((field, i) => (
        <span key={field} className={i === 0 ? undefined : "soft"}>
          {i > 1 && `${label(field)}: `}
          <Marked text={value(field, row[field])} part={text} />
        </span>
      ))}
    </span>
  );
}

function Marked({ text, part }: { text: string; part: string }) {
  const at = text.toLocaleLowerCase().indexOf(part.toLocaleLowerCase());
  if (at < 0) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + part.length)}</mark>
      {text.slice(at + part.length)}
    </>
  );
}
