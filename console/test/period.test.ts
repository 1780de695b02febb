import { describe, expect, it } from "vitest";
import { fromField, instant, isPeriod, presetInstant, spelled, toField } from "../src/lib/period";

const NOW = Date.parse("2026-03-10T12:34:56.789Z");

describe("instants of the address", () => {
  it("are periods back from now or RFC 3339", () => {
    expect(instant("7d", NOW)).toBe(NOW - 7 * 86_400_000);
    expect(instant("12h", NOW)).toBe(NOW - 12 * 3_600_000);
    expect(instant("2026-03-01T00:00:00Z", NOW)).toBe(Date.parse("2026-03-01T00:00:00Z"));
  });

  it("are nothing when they mean nothing", () => {
    for (const text of [undefined, "", "soon", "d7", "7y"]) expect(instant(text, NOW)).toBeNull();
    expect(isPeriod("2026-03-01")).toBe(false);
  });

  it("are spelled with their number and unit", () => {
    expect(spelled("24h")).toEqual({ count: 24, unit: "hour" });
    expect(spelled("1w")).toEqual({ count: 1, unit: "week" });
    expect(spelled("2026-03-01")).toBeNull();
  });
});

describe("fields for date and time", () => {
  it("give back the instant they were filled with, to the minute", () => {
    const filled = toField(NOW);
    expect(filled).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d$/);
    expect(fromField(filled)).toBe("2026-03-10T12:34:00.000Z");
    for (const unfinished of ["", "2026-03-", "0202-03-10T12:34"]) expect(fromField(unfinished)).toBe("");
  });

  it("are preset to whole minutes, so that a link reads well", () => {
    expect(presetInstant("yesterday", NOW)).toBe("2026-03-09T12:34:00.000Z");
    expect(presetInstant("week", NOW)).toBe("2026-03-03T12:34:00.000Z");
    expect(presetInstant("month", NOW)).toBe("2026-02-08T12:34:00.000Z");
  });
});
