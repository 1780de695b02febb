import { describe, expect, it } from "vitest";
import type { CalendarEntry } from "../src/api/types";
import { band, dayOf, days, moved, span, textOf, turned } from "../src/lib/calendar";

const at = (text: string) => dayOf(text, 0);
const entry = (opens: string | null, closes: string | null, starts = opens ?? ""): CalendarEntry => ({
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
const iso = (day: string, hour: number) => new Date(dayOf(day, 0) + hour * 3_600_000).toISOString();

describe("the calendar", () => {
  it("shows whole weeks that begin on Monday", () => {
    // 2026-12-02 is a Wednesday.
    expect(span("week", at("2026-12-02")).map(textOf)).toEqual(["2026-11-30", "2026-12-07"]);
    expect(span("month", at("2026-12-02")).map(textOf)).toEqual(["2026-11-30", "2027-01-04"]);
    expect(span("month", at("2027-02-10")).map(textOf)).toEqual(["2027-02-01", "2027-03-01"]);
  });

  it("turns its pages", () => {
    expect(textOf(turned("week", at("2026-12-02"), 1))).toBe("2026-12-09");
    expect(textOf(turned("month", at("2026-12-31"), 1))).toBe("2027-01-01");
    expect(textOf(turned("month", at("2027-01-31"), -1))).toBe("2026-12-01");
    expect(textOf(moved(at("2026-12-31"), 1))).toBe("2027-01-01");
  });

  it("takes today where no day is named", () => {
    const now = new Date(2026, 10, 27, 15, 30).getTime();
    for (const text of [undefined, "", "tomorrow", "2026-13"]) expect(textOf(dayOf(text, now))).toBe("2026-11-27");
  });

  it("puts each entry on the day its window opens, with the part of the day it covers", () => {
    const all = [
      entry(iso("2026-12-02", 0), iso("2026-12-02", 6)),
      entry(iso("2026-12-02", 22), iso("2026-12-03", 4)),
      entry(null, null, iso("2026-12-04", 9)),
    ];
    const week = days("week", at("2026-12-02"), all);
    expect(week.map((d) => d.entries.length)).toEqual([0, 0, 2, 0, 1, 0, 0]);
    const [night, evening] = all;
    const day = week[2];
    if (!night || !evening || !day) throw new Error("there are three");
    expect(band(night, day)).toEqual({ from: 0, to: 0.25 });
    expect(band(evening, day)).toEqual({ from: 22 / 24, to: 1 });
    expect(band(entry(null, null, iso("2026-12-02", 9)), day)).toBeNull();
  });
});
