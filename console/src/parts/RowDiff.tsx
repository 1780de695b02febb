// Rows that changed, went and came, before and after side by side. Each is marked by a sign and a word as well as by its colour.
import { Button } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Row } from "../api/types";
import { word } from "../i18n/say";
import { besides, type Difference, markedParts, type Pair, SINGLE, titleOf } from "../lib/diff";
import { number } from "../lib/format";
import { useLabel, useValue } from "./inventoryWords";

type Mark = "changed" | "removed" | "added";
export const SIGNS: Record<Mark, string> = { changed: "≠", removed: "−", added: "+" };
const MARKS = ["changed", "removed", "added"] as const;

type Line = { mark: Mark; before: Row | null; after: Row | null; fields: string[] };

function linesOf(section: string, d: Difference): Line[] {
  const pair = (p: Pair): Line => ({ mark: "changed", ...p });
  const gone = (before: Row): Line => ({ mark: "removed", before, after: null, fields: besides(section, before) });
  const come = (after: Row): Line => ({ mark: "added", before: null, after, fields: besides(section, after) });
  return [...d.changed.map(pair), ...d.removed.map(gone), ...d.added.map(come)];
}

const MORE = 500;

/** `first` rows are shown at once, the others on request. */
export function RowDiff({ section, diff, first = 50 }: { section: string; diff: Difference; first?: number }) {
  const { t } = useTranslation();
  const [most, setMost] = useState(first);
  const all = linesOf(section, diff);
  const rest = all.length - most;
  return (
    <>
      <ul className="rowdiff">
        <li className="rowdiff-head" aria-hidden>
          <span />
          <span>{t("diff.before")}</span>
          <span>{t("diff.after")}</span>
        </li>
        {all.slice(0, most).map((line, i) => (
          <DiffLine key={i} section={section} line={line} />
        ))}
      </ul>
      {rest > 0 && (
        <div className="rowdiff-more">
          <Button onClick={() => setMost(most + MORE)}>{t("diff.more", { count: Math.min(rest, MORE) })}</Button>
        </div>
      )}
    </>
  );
}

function DiffLine({ section, line }: { section: string; line: Line }) {
  const { t } = useTranslation();
  const row = line.after ?? line.before ?? {};
  return (
    <li className={line.mark}>
      <span className="what">
        <span className="sign" aria-hidden>
          {SIGNS[line.mark]}
        </span>
        <span>
          <strong>{SINGLE.has(section) ? word(t, "section", section) : titleOf(section, row)}</strong>{" "}
          <span className="soft">{t(`diff.${line.mark}`)}</span>
        </span>
      </span>
      <Side section={section} line={line} side="before" />
      <Side section={section} line={line} side="after" />
    </li>
  );
}

/** One side's fields; what differs within a text is struck through here and underlined there. */
function Side({ section, line, side }: { section: string; line: Line; side: "before" | "after" }) {
  const { t } = useTranslation();
  const value = useValue(section);
  const label = useLabel();
  const row = line[side];
  const said = t(side === "before" ? "diff.before" : "diff.after");
  if (row === null) {
    return (
      <span className={`side ${side} none`}>
        <span className="hidden-label">{said}:</span> {t("diff.absent")}
      </span>
    );
  }
  return (
    <span className={`side ${side}`}>
      <span className="hidden-label">{said}:</span>
      {line.fields.length === 0 && t("diff.present")}
      {line.fields.map((field) => (
        <span key={field} className="field">
          <span className="soft">{label(field)}</span>{" "}
          {line.mark === "changed" ? <Changed line={line} field={field} side={side} value={value} /> : value(field, row[field])}
        </span>
      ))}
    </span>
  );
}

type ChangedProps = { line: Line; field: string; side: "before" | "after"; value: (field: string, value: unknown) => string };

function Changed({ line, field, side, value }: ChangedProps) {
  const parts = markedParts(value(field, line.before?.[field]), value(field, line.after?.[field]));
  const Tag = side === "before" ? "del" : "ins";
  if (parts[side] === "" && parts.head === "" && parts.tail === "") return <span className="soft">–</span>;
  return (
    <span className="value">
      {parts.head}
      {parts[side] !== "" && <Tag>{parts[side]}</Tag>}
      {parts.tail}
    </span>
  );
}

/** '≠ 2  − 1  + 12', with the words for those who hear them. */
export function DiffCounts({ added, removed, changed }: Record<Mark, number>) {
  const { t, i18n } = useTranslation();
  const counts: Record<Mark, number> = { added, removed, changed };
  return (
    <span className="diff-counts">
      {MARKS.filter((m) => counts[m] > 0).map((m) => (
        <span key={m} className={m}>
          <span aria-hidden>
            {SIGNS[m]}
            {number(counts[m], i18n.language)}
          </span>
          <span className="hidden-label">{t(`diff.count_${m}`, { count: counts[m] })}</span>
        </span>
      ))}
    </span>
  );
}
