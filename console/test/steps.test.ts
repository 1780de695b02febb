import { describe, expect, it } from "vitest";
import type { TaskDoc } from "../src/api/types";
import { changed, errorChoice, freeId, helpedBy, laneOf, moved, without } from "../src/lib/steps";

const step = (id: string, type = "run_script") => ({ id, action: { type } });
const doc: TaskDoc = {
  name: "t",
  targets: {},
  steps: [{ ...step("install"), on_error: { run: "fix", max: 2 } }, step("fix"), step("tell", "send_email")],
};
const ids = (d: TaskDoc) => d.steps.map((s) => s.id).join();

describe("the steps of a task", () => {
  it("are moved, and no further than the ends", () => {
    expect(ids(moved(doc, 0, 2))).toBe("fix,tell,install");
    expect(ids(moved(doc, 2, -5))).toBe("tell,install,fix");
    expect(ids(moved(doc, 9, 0))).toBe("install,fix,tell");
  });

  it("take what names them along when they go or are renamed", () => {
    expect(helpedBy(doc, "fix").map((s) => s.id)).toEqual(["install"]);
    expect(without(doc, 1).steps[0]?.on_error).toBeUndefined();
    expect(without(doc, 2).steps[0]?.on_error).toEqual({ run: "fix", max: 2 });
    expect(changed(doc, 1, step("tidy")).steps[0]?.on_error).toEqual({ run: "tidy", max: 2 });
  });

  it("have ids of their own and a lane each", () => {
    expect(freeId(doc, "fix")).toBe("fix_2");
    expect(freeId(doc, "new")).toBe("new");
    expect(doc.steps.map(laneOf)).toEqual(["machines", "machines", "server"]);
  });

  it("say what follows their errors", () => {
    expect([undefined, "fail" as const, { run: "fix" }].map(errorChoice)).toEqual(["", "fail", "retry"]);
  });
});
