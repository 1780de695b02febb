// The words for states and how counts become bars and totals. No React here.
import type { Counts, RunSummary, State } from "../api/types";

/** The order of a state bar, of totals and of filters: what is well at the left, what failed at the right end. */
export const STATES: readonly State[] = ["ok", "running", "started", "prepared", "unknown", "expired", "cancelled", "skipped", "error"];

/** States that change no more. */
export const FINAL: readonly State[] = ["ok", "error", "unknown", "cancelled", "expired", "skipped"];
export const OPEN: readonly State[] = ["running", "started", "prepared"];

export const isFinal = (state: State): boolean => FINAL.includes(state);

/** The sum over all states; a state the server left out counts nothing. */
export function total(counts: Partial<Counts>): number {
  return STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
}

export type Segment = { state: State; count: number; percent: number };

/** The filled states in bar order. A filled state is at least `least` percent wide so that one failure among 100,000 is seen. */
export function segments(counts: Partial<Counts>, least = 1.2): Segment[] {
  const sum = total(counts);
  if (sum === 0) return [];
  const filled = STATES.filter((state) => (counts[state] ?? 0) > 0);
  const raw = filled.map((state) => Math.max(least, ((counts[state] ?? 0) / sum) * 100));
  const width = raw.reduce((a, b) => a + b, 0);
  return filled.map((state, i) => ({ state, count: counts[state] ?? 0, percent: ((raw[i] ?? 0) / width) * 100 }));
}

/** What of a run's targets is in no state yet (while it is being prepared): targeted − the sum of all states, never below 0. */
export function remainder(run: Pick<RunSummary, "counts" | "targeted">): number {
  return Math.max(0, run.targeted - total(run.counts));
}

export type Tone = "ok" | "busy" | "idle" | "error" | "unknown" | "late" | "off";

/** The one word a run is known by: its verdict once it ended, otherwise its state. */
export function runWord(run: Pick<RunSummary, "state" | "verdict">): { word: string; tone: Tone } {
  if (run.state === "finished" && run.verdict) {
    const tone: Record<string, Tone> = { ok: "ok", error: "error", cancelled: "off", partial: "unknown" };
    return { word: run.verdict, tone: tone[run.verdict] ?? "unknown" };
  }
  const tone: Record<string, Tone> = { running: "busy", halted: "error", paused: "late", finished: "off" };
  return { word: run.state, tone: tone[run.state] ?? "idle" };
}
