import { describe, expect, it } from "vitest";
import { clean, EMPTY, fromYaml, missing, targetKind, toYaml } from "../src/lib/taskdoc";

describe("a task's document", () => {
  it("is the same as a form and as YAML", () => {
    const doc = { ...EMPTY, name: "nightly", targets: { query: 'os_family == "linux"', exclude: { tags: ["kiosk"] } }, labels: ["a"] };
    const read = fromYaml(toYaml(doc));
    expect("doc" in read && read.doc).toEqual(doc);
  });

  it("keeps keys that the form does not know, so that the server can name them", () => {
    const read = fromYaml("name: x\ntragets: { all: true }\nsteps: []");
    expect("doc" in read && (read.doc as unknown as Record<string, unknown>).tragets).toEqual({ all: true });
  });

  it("says what is wrong with YAML that cannot be read", () => {
    expect(fromYaml("name: [")).toHaveProperty("fault");
    expect(fromYaml("just text")).toHaveProperty("fault");
  });

  it("leaves out what says nothing", () => {
    expect(clean({ ...EMPTY, name: "x", description: "", labels: [], targets: { all: true, exclude: { tags: [] } } })).toEqual({
      name: "x",
      targets: { all: true },
      delivery: "pull",
      priority: 5,
      retry: { attempts: 3, backoff: "30s", on: ["unknown"] },
      steps: [{ id: "inventory", action: { type: "inventory" }, timeout: "10m" }],
    });
  });

  it("selects nothing when nothing is chosen, and says so", () => {
    expect(missing(EMPTY)).toEqual(["name", "targets"]);
    expect(missing({ ...EMPTY, name: "x", targets: { devices: [] } })).toEqual(["targets"]);
    expect(missing({ ...EMPTY, name: "x", targets: { all: true } })).toEqual([]);
    expect(targetKind({ ...EMPTY, targets: { devices: [] } })).toBe("devices");
  });
});
