// What can be asked in SQL, and an answer as a table.
import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useViews } from "../api/queries";
import type { Answer } from "../api/types";
import { csv } from "../lib/csv";
import { save } from "../lib/save";

/** Rows that are drawn; a file has them all. */
const SHOWN = 500;

export function ViewsHelp() {
  const { t } = useTranslation();
  const views = useViews();
  if (!views.data) return null;
  return (
    <section className="card body-pad stack tight" aria-label={t("report.views")}>
      <p className="label">{t("report.views")}</p>
      {views.data.items.map((view) => (
        <details key={view.name}>
          <summary>
            <span className="mono">{view.name}</span> <span className="soft">{view.help}</span>
          </summary>
          <ul className="stack tight">
            {view.columns.map((column) => (
              <li key={column.name}>
                <span className="mono">{column.name}</span> <span className="soft">{column.help}</span>
              </li>
            ))}
          </ul>
        </details>
      ))}
      <details>
        <summary>{t("report.functions")}</summary>
        <p className="mono soft">{views.data.functions.join(", ")}</p>
      </details>
    </section>
  );
}

export function AnswerTable({ answer, name }: { answer: Answer; name: string }) {
  const { t } = useTranslation();
  const file = () => save(`${name}.csv`, new Blob([csv(answer.columns, answer.rows)], { type: "text/csv;charset=utf-8" }));
  return (
    <div className="card">
      <div className="row spread body-pad">
        <strong>
          {t("report.rows", { count: answer.rows.length })}
          {answer.more && ` ${t("report.more")}`}
        </strong>
        {answer.rows.length > 0 && (
          <Button size="compact-sm" onClick={file}>
            CSV
          </Button>
        )}
      </div>
      {answer.rows.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
        <section style={{ overflowX: "auto" }} tabIndex={0} aria-label={t("report.answer")}>
          <table className="data auto" aria-label={t("report.answer")}>
            <thead>
              <tr>
                {answer.columns.map((column, n) => (
                  <th key={n} scope="col" className={typeof answer.rows[0]?.[n] === "number" ? "num" : undefined}>
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {answer.rows.slice(0, SHOWN).map((row, n) => (
                <tr key={n}>
                  {row.map((cell, place) => (
                    <td key={place} className={typeof cell === "number" ? "num" : undefined}>
                      {cell === null ? "" : String(cell)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {answer.rows.length > SHOWN && <p className="soft body-pad">{t("report.shown", { count: SHOWN })}</p>}
    </div>
  );
}
