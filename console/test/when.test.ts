import i18next from "i18next";
import { beforeAll, describe, expect, it } from "vitest";
import type { Schedule } from "../src/api/types";
import en from "../src/i18n/en.json";
import { begun, cronOf, kindOf, offsetOf, scheduleWords, simple, whenWords } from "../src/lib/when";

const i18n = i18next.createInstance();
const t = () => i18n.getFixedT("en");

describe("schedules", () => {
  beforeAll(async () => {
    await i18n.init({ lng: "en", resources: { en: { translation: en } }, interpolation: { escapeValue: false } });
  });

  it("are told apart by their form", () => {
    expect(kindOf(undefined)).toBe("hand");
    const forms: Schedule[] = [
      { now: true },
      { at: "2026-12-01T02:00:00Z" },
      { cron: "0 0 * * *" },
      { every: "1h" },
      { on: "device_enrolled" },
    ];
    expect(forms.map(kindOf)).toEqual(["now", "at", "cron", "every", "on"]);
  });

  it("keep what two forms have when another is chosen", () => {
    const before: Schedule = { cron: "0 2 * * *", zone: "device", misfire: "run_once" };
    expect(begun("every", before, "")).toEqual({ every: "1h", misfire: "run_once" });
    expect(begun("cron", before, "")).toEqual({ cron: "0 0 * * *", zone: "device", misfire: "run_once" });
    expect(begun("hand", before, "")).toBeUndefined();
  });

  it("have simple expressions that are written back as they were meant", () => {
    expect(simple("30 2 * * *")).toEqual({ every: "day", time: "02:30" });
    expect(simple("0 9 * * 1-5")).toEqual({ every: "week", days: ["mon", "tue", "wed", "thu", "fri"], time: "09:00" });
    expect(simple("0 9 * * SAT,7")).toEqual({ every: "week", days: ["sat", "sun"], time: "09:00" });
    expect(simple("15 4 1 * *")).toEqual({ every: "month", day: 1, time: "04:15" });
    expect(simple("5 * * * *")).toEqual({ every: "hour", minute: 5 });
    for (const own of ["*/5 * * * *", "0 2 * 6 *", "0 2 1 * 1", "0 25 * * *", "0 0 L * *", "@daily", "0 9 * * TUE#2"])
      expect(simple(own)).toBeNull();
    for (const cron of ["30 2 * * *", "15 4 1 * *", "5 * * * *", "0 9 * * 1,3,7"]) {
      const it = simple(cron);
      expect(it && cronOf(it)).toBe(cron);
    }
  });

  it("are said in words with their window", () => {
    const nightly = { schedule: { cron: "0 0 * * *", zone: "device" }, window: { not_after: "06:00", at_end: "stop" as const } };
    expect(whenWords(t(), "en", nightly)).toBe("Every day at 00:00, by each machine’s own clock, never after 06:00, stopped at the end.");
    expect(scheduleWords(t(), "en", { cron: "0 9 * * 1,5" })).toBe("On Monday and Friday at 09:00, by the organization’s clock");
    expect(scheduleWords(t(), "en", { on: { task_ended: "nightly", verdict: "error" } })).toBe(
      "After each run of “nightly” that ended: error",
    );
    expect(whenWords(t(), "en", {})).toBe("When a person starts it.");
  });

  it("show the offset of the wall", () => {
    expect(["2026-12-01T00:00:00+01:00", "2026-12-01T00:00:00Z", "2026-12-01T00:00"].map(offsetOf)).toEqual(["+01:00", "Z", ""]);
  });
});
