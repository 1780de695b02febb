import { describe, expect, it } from "vitest";
import { putOffs, until } from "../src/lib/putoff";

const names = (now: Date) => putOffs(now).map((c) => c.name);

describe("putting off", () => {
  it("offers an hour, this evening and tomorrow morning of the reader's day", () => {
    const now = new Date(2026, 10, 30, 14, 20);
    const [hour, tonight, tomorrow] = putOffs(now).map((c) => c.until);
    expect(hour?.getTime()).toBe(now.getTime() + 3_600_000);
    expect(tonight).toEqual(new Date(2026, 10, 30, 22));
    expect(tomorrow).toEqual(new Date(2026, 11, 1, 8));
  });

  it("offers no evening that has begun", () => {
    expect(names(new Date(2026, 10, 30, 21, 59))).toContain("tonight");
    expect(names(new Date(2026, 10, 30, 22))).toEqual(["hour", "tomorrow"]);
  });

  it("takes a date and time that is ahead and nothing else", () => {
    const now = new Date(2026, 10, 30, 14, 20);
    expect(until("2026-11-30T14:21", now)).toEqual(new Date(2026, 10, 30, 14, 21));
    for (const text of ["", "2026-11-30", "2026-11-30T14:20", "2026-13-01T10:00", "tomorrow"]) expect(until(text, now), text).toBeNull();
  });
});
