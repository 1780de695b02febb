import { describe, expect, it } from "vitest";
import { type Touched, touch } from "../src/api/live";

describe("changes from the stream", () => {
  it("touch the lists of their kind and only the one thing they are about", () => {
    const touched: Touched = new Map();
    touch(touched, { kind: "device", id: "d1" });
    touch(touched, { kind: "device", id: "d2" });
    expect(touched.get("devices")).toBe("all");
    expect(touched.get("device")).toEqual(new Set(["d1", "d2"]));
  });

  it("touch everything of a kind when no id is told", () => {
    const touched: Touched = new Map();
    touch(touched, { kind: "device", id: "d1" });
    touch(touched, { kind: "device", id: null });
    touch(touched, { kind: "device", id: "d3" });
    expect(touched.get("device")).toBe("all");
  });

  it("touch the brake, and what waits because of it, with the settings", () => {
    const touched: Touched = new Map();
    touch(touched, { kind: "settings", id: "o1" });
    expect(["brake", "settings", "queue", "assignment"].map((key) => touched.get(key))).toEqual(["all", "all", "all", "all"]);
  });

  it("do not stumble over a kind of a newer server", () => {
    const touched: Touched = new Map();
    touch(touched, { kind: "relay" as never, id: "r1" });
    expect(touched.size).toBe(0);
  });
});
