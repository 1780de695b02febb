// Which columns a table shows and in which order. Plain functions; where the choice is kept is listview.ts's affair.
import { values } from "./search";

export type Arrangeable = { id: string; extra?: boolean };

/** The list's own columns: all that need not be chosen first. */
export const ownOrder = (all: readonly Arrangeable[]): string[] => all.filter((c) => !c.extra).map((c) => c.id);

/** The ids of a chosen text ('name,os,ips') in its order. Unknown and double ones fall away; the first column always leads. */
export function arranged(all: readonly Arrangeable[], text: string | null | undefined): string[] {
  const known = new Set(all.map((c) => c.id));
  const chosen = [...new Set(values(text ?? ""))].filter((id) => known.has(id));
  if (chosen.length === 0) return ownOrder(all);
  const first = all[0]?.id;
  return first === undefined ? [] : [first, ...chosen.filter((id) => id !== first)];
}

/** Shown becomes hidden; hidden comes in after the nearest shown column that stands before it in the list's own order. */
export function flipped(all: readonly Arrangeable[], shown: readonly string[], id: string): string[] {
  if (shown.includes(id)) return all[0]?.id === id ? [...shown] : shown.filter((x) => x !== id);
  const own = all.map((c) => c.id);
  const before = own.slice(0, own.indexOf(id)).findLast((x) => shown.includes(x));
  const at = before === undefined ? shown.length : shown.indexOf(before) + 1;
  return shown.toSpliced(at, 0, id);
}

/** One column by `by` places; the first column keeps its place. */
export function moved(shown: readonly string[], id: string, by: number): string[] {
  const from = shown.indexOf(id);
  const to = Math.min(shown.length - 1, Math.max(1, from + by));
  if (from < 1 || from === to) return [...shown];
  return shown.toSpliced(from, 1).toSpliced(to, 0, id);
}

/** One column to the place of another. */
export function movedTo(shown: readonly string[], id: string, place: string): string[] {
  return moved(shown, id, shown.indexOf(place) - shown.indexOf(id));
}

/** Columns of the CSV for the shown ones: `always` first, then what each column names, each once. */
export function csvColumns(columns: readonly { csv?: readonly string[] }[], always: readonly string[] = []): string[] {
  return [...new Set([...always, ...columns.flatMap((c) => c.csv ?? [])])];
}
