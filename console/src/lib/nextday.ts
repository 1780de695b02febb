// Where a start and its window lie on a line of time, in shares of it. Pure.
import type { CalendarEntry } from "../api/types";
import { begins } from "./calendar";

export type Bar = { tick: number; band: { from: number; to: number } | null };

/** `from` and `to` are the line's ends, milliseconds. What has no end has no band. */
export function bar(entry: CalendarEntry, from: number, to: number): Bar {
  const share = (at: number) => Math.min(1, Math.max(0, (at - from) / (to - from)));
  const tick = share(begins(entry));
  return { tick, band: entry.closes ? { from: tick, to: share(Date.parse(entry.closes)) } : null };
}
