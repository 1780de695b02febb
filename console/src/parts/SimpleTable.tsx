// Short lists (people, tokens) as a plain table.
import { useMediaQuery } from "@mantine/hooks";
import type { ReactNode } from "react";
import type { ListQuery } from "../api/queries";
import { Fault, Lines } from "./Feedback";
import { LoadMore } from "./LoadMore";

/** `quiet`: the head is only said, not shown, as for a column of buttons. */
export type SimpleColumn<R> = { head: string; cell: (row: R) => ReactNode; right?: boolean; width?: number; quiet?: boolean };

type Props<R> = { label: string; list: ListQuery<R>; columns: SimpleColumn<R>[]; rowKey: (row: R) => string; empty: ReactNode };

export function SimpleTable<R>({ label, list, columns, rowKey, empty }: Props<R>) {
  const isNarrow = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false }) ?? false;
  if (list.query.isError) return <Fault error={list.query.error} retry={() => list.query.refetch()} />;
  if (list.query.isLoading) return <Lines />;
  if (list.items.length === 0) return <div className="card">{empty}</div>;
  if (isNarrow) return <Records label={label} list={list} columns={columns} rowKey={rowKey} />;
  return (
    <div className="card">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section style={{ overflowX: "auto" }} tabIndex={0} aria-label={label}>
        <table className="data auto" aria-label={label}>
          <thead>
            <tr>
              {columns.map((c) => (
                <th key={c.head} scope="col" className={c.right ? "num" : undefined} style={{ width: c.width }}>
                  {c.quiet ? <span className="hidden-label">{c.head}</span> : c.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {list.items.map((row) => (
              <tr key={rowKey(row)}>
                {columns.map((c) => (
                  <td key={c.head} className={c.right ? "num" : undefined}>
                    {c.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <LoadMore list={list} />
    </div>
  );
}

/** The same on a phone: one under the other, the first column and the buttons on top. */
function Records<R>({ label, list, columns, rowKey }: Omit<Props<R>, "empty">) {
  const [first, ...rest] = columns;
  return (
    <div className="card">
      <ul className="records" aria-label={label}>
        {list.items.map((row) => (
          <li key={rowKey(row)}>
            <div className="a">
              <span>{first?.cell(row)}</span>
              {rest
                .filter((c) => c.quiet)
                .map((c) => (
                  <span key={c.head}>{c.cell(row)}</span>
                ))}
            </div>
            <dl>
              {rest
                .filter((c) => !c.quiet)
                .map((c) => (
                  <div key={c.head}>
                    <dt>{c.head}</dt>
                    <dd>{c.cell(row)}</dd>
                  </div>
                ))}
            </dl>
          </li>
        ))}
      </ul>
      <LoadMore list={list} />
    </div>
  );
}
