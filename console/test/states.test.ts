import { describe, expect, it } from "vitest";
import type { Counts } from "../src/api/types";
import { FINAL, OPEN, remainder, runWord, STATES, segments, total } from "../src/lib/states";

const counts = (some: Partial<Counts>): Counts => ({ ...(Object.fromEntries(STATES.map((s) => [s, 0])) as Counts), ...some });

describe("states", () => {
  it("stand in the order of the design: ok first, error last", () => {
    expect(STATES).toEqual(["ok", "running", "started", "prepared", "unknown", "expired", "cancelled", "skipped", "error"]);
  });

  it("are each either open or final", () => {
    expect([...OPEN, ...FINAL].sort()).toEqual([...STATES].sort());
  });

  it("sum up to the targets together with what is not prepared yet", () => {
    const run = { counts: counts({ ok: 300, error: 12, prepared: 50 }), targeted: 412 };
    expect(total(run.counts) + remainder(run)).toBe(412);
    expect(remainder({ counts: counts({ ok: 5 }), targeted: 3 })).toBe(0);
  });

  it("count a state that the server left out as none", () => {
    expect(total({ ok: 2 })).toBe(2);
  });

  it("fill the bar exactly and keep one failure among 100,000 visible", () => {
    const parts = segments(counts({ ok: 99_999, error: 1 }));
    expect(parts.map((p) => p.state)).toEqual(["ok", "error"]);
    expect(parts.reduce((sum, p) => sum + p.percent, 0)).toBeCloseTo(100, 6);
    expect(parts[1]?.percent).toBeGreaterThan(1);
    expect(segments(counts({}))).toEqual([]);
  });

  it("name a finished run by its verdict and an open one by its state", () => {
    expect(runWord({ state: "finished", verdict: "partial" }).word).toBe("partial");
    expect(runWord({ state: "running", verdict: null })).toEqual({ word: "running", tone: "busy" });
    expect(runWord({ state: "finished", verdict: null }).word).toBe("finished");
  });
});
