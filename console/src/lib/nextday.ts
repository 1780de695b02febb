// Where a start and its window lie on a line of time, in shares of it. Pure.
import type { CalendarEntry } from "../api/types";
import { begins } from "./calendar";

export type Bar = { tick: number; band: { from: number; to: number } | null };

/** `from` and `to` are the line's ends, milliseconds. A window without an end goes on beyond the line; none at all is no band. */
export function bar(entry: CalendarEntry, from: number, to: number): Bar {
  const share = (at: number) => Math.min(1, Math.max(0, (at - from) / (to - from)));
  const tick = share(begins(entry));
  if (!entry.opens && !entry.closes) return { tick, band: null };
  return { tick, band: { from: tick, to: entry.closes ? share(Date.parse(entry.closes)) : 1 } };
}
