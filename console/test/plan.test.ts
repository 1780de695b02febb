import { describe, expect, it } from "vitest";
import type { PlanAdvice } from "../src/api/types";
import { helped } from "../src/lib/plan";
import { EMPTY } from "../src/lib/taskdoc";

const advice = (key: PlanAdvice["key"], params: PlanAdvice["params"] = {}) =>
  ({ key, params, text: "", course: {} }) as unknown as PlanAdvice;
const doc = { ...EMPTY, rollout: { waves: ["1%"], wait: "1h" } };

describe("what helps", () => {
  it("changes what is the document's and keeps the rest of it", () => {
    expect(helped(doc, advice("max_in_flight", { most: 640 }))).toEqual({ rollout: { waves: ["1%"], wait: "1h", max_in_flight: 640 } });
    expect(helped(doc, advice("push"))).toEqual({ delivery: "push" });
    expect(helped(doc, advice("no_wait"))?.rollout?.wait).toBeUndefined();
    expect(helped(doc, advice("in_flight", { most: 9 }))).toBeNull();
  });
  it("moves the end of a window, as a time of day or as an instant", () => {
    const window = (not_before: string | undefined, not_after: string | undefined) => ({ ...doc, window: { not_before, not_after } });
    const end = (begin: string | undefined, it: string | undefined, seconds: number) =>
      helped(window(begin, it), advice("longer_window", { seconds }))?.window?.not_after;
    expect(end("00:00", "06:00", 2_280)).toBe("06:38");
    expect(end("22:00", "23:30", 3_600)).toBe("00:30");
    expect(end(undefined, "06:00", 3_600)).toBe("07:00");
    expect(end("00:00", "23:00", 7_200)).toBeUndefined();
    expect(end(undefined, "2026-12-01T06:00:00Z", 300)).toBe("2026-12-01T06:05:00Z");
    expect(end(undefined, undefined, 300)).toBeUndefined();
  });
});
