import { describe, expect, it } from "vitest";
import type { CalendarEntry } from "../src/api/types";
import { bar } from "../src/lib/nextday";

const from = Date.parse("2026-11-28T00:00:00Z");
const to = from + 86_400_000;
const entry = (starts: string, opens: string | null, closes: string | null): CalendarEntry => ({
  task: { id: "t", name: "nightly" },
  nominal: starts,
  starts,
  opens,
  closes,
  per_device: false,
  state: "coming",
  detail: null,
  run: null,
  targets: null,
});

describe("the next day", () => {
  it("has a tick where something starts and a band where it may", () => {
    const night = entry("2026-11-28T06:00:00Z", "2026-11-28T06:00:00Z", "2026-11-28T12:00:00Z");
    expect(bar(night, from, to)).toEqual({ tick: 0.25, band: { from: 0.25, to: 0.5 } });
  });
  it("has no band without an end", () => {
    expect(bar(entry("2026-11-28T18:00:00Z", null, null), from, to)).toEqual({ tick: 0.75, band: null });
    expect(bar(entry("2026-11-28T18:00:00Z", "2026-11-28T18:00:00Z", null), from, to).band).toBeNull();
  });
  it("stays on the line", () => {
    const long = entry("2026-11-28T18:00:00Z", "2026-11-28T18:00:00Z", "2026-11-30T18:00:00Z");
    expect(bar(long, from, to).band).toEqual({ from: 0.75, to: 1 });
    expect(bar(entry("2026-11-27T18:00:00Z", null, null), from, to).tick).toBe(0);
  });
});
