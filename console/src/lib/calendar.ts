// The days a calendar shows and what lies on each, in the reader's own zone. Pure; `now` is an argument.
import type { CalendarEntry } from "../api/types";

export type View = "week" | "month";
export type Day = { start: number; end: number; entries: CalendarEntry[]; inMonth: boolean };

const DAY_MS = 86_400_000;

/** `2026-12-01` as the beginning of that day here; today when it is none. */
export function dayOf(text: string | undefined, now: number): number {
  const found = text?.match(/^(\d{4})-(\d{2})-(\d{2})$/);
  const at = found ? new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3])) : new Date(now);
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}

export function textOf(day: number): string {
  const at = new Date(day);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** So many days on; a day is not always 24 hours long. */
export function moved(day: number, days: number): number {
  const at = new Date(day);
  return new Date(at.getFullYear(), at.getMonth(), at.getDate() + days).getTime();
}

const monday = (day: number) => moved(day, -((new Date(day).getDay() + 6) % 7));

/** The first day shown and the one after the last. */
export function span(view: View, day: number): [number, number] {
  if (view === "week") return [monday(day), moved(monday(day), 7)];
  const at = new Date(day);
  const first = monday(new Date(at.getFullYear(), at.getMonth(), 1).getTime());
  const last = new Date(at.getFullYear(), at.getMonth() + 1, 1).getTime();
  const weeks = Math.ceil((last - first) / (7 * DAY_MS) - 0.01);
  return [first, moved(first, weeks * 7)];
}

/** The day to show one view later or earlier. */
export function turned(view: View, day: number, by: 1 | -1): number {
  if (view === "week") return moved(day, 7 * by);
  const at = new Date(day);
  return new Date(at.getFullYear(), at.getMonth() + by, 1).getTime();
}

/** Each day with the entries that begin on it. */
export function days(view: View, day: number, entries: CalendarEntry[]): Day[] {
  const [from, to] = span(view, day);
  const month = new Date(day).getMonth();
  const all: Day[] = [];
  for (let start = from; start < to; start = moved(start, 1)) {
    const end = moved(start, 1);
    const on = entries.filter((e) => start <= begins(e) && begins(e) < end);
    all.push({ start, end, entries: on, inMonth: view === "week" || new Date(start).getMonth() === month });
  }
  return all;
}

/** When an entry begins: where its window opens, else its time. */
export function begins(entry: CalendarEntry): number {
  return Date.parse(entry.opens ?? entry.starts);
}

/** The part of a day that a window covers, in shares of the day; `null` when it has no end. */
export function band(entry: CalendarEntry, day: Day): { from: number; to: number } | null {
  if (!entry.opens || !entry.closes) return null;
  const share = (at: number) => Math.min(1, Math.max(0, (at - day.start) / (day.end - day.start)));
  return { from: share(Date.parse(entry.opens)), to: share(Date.parse(entry.closes)) };
}
