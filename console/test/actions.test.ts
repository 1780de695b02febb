import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ActionType } from "../src/api/types";
import { begun, fieldsOf } from "../src/lib/actions";

const ACTIONS: ActionType[] = JSON.parse(readFileSync("../docs/actions.json", "utf8")).items;
const of = (type: string) => fieldsOf(ACTIONS.find((it) => it.type === type));
const kinds = (type: string) => Object.fromEntries(of(type).map((it) => [it.name, it.kind]));

describe("the form of an action", () => {
  it("has a field of the right kind for each parameter", () => {
    expect(kinds("run_script")).toEqual({
      script: "code",
      shell: "choice",
      arguments: "list",
      environment: "object",
      directory: "line",
      user: "line",
      expect: "codes",
      memory_mib: "number",
      cpu_percent: "number",
    });
    expect(kinds("power_control")).toEqual({ do: "choice", warning: "line", message: "line" });
    expect(kinds("check_addresses")).toEqual({ ports: "codes", timeout: "line" });
    expect(kinds("clean_files")).toEqual({ older_than: "line", what: "words" });
    expect(kinds("inventory")).toEqual({});
  });

  it("has what must be there first, and the words of a choice", () => {
    expect(of("control_service").map((it) => [it.name, it.required])).toEqual([
      ["service", true],
      ["do", true],
    ]);
    expect(of("run_script").find((it) => it.name === "shell")?.words).toEqual(["sh", "bash", "python", "powershell"]);
    expect(of("delete_item").find((it) => it.name === "kind")?.words).toContain("report");
    expect(of("clean_files").find((it) => it.name === "what")?.words).toEqual(["documents", "crashes", "programs"]);
  });

  it("begins with choices that must be made", () => {
    expect(begun("power_control", of("power_control"))).toEqual({ type: "power_control", do: "shutdown" });
    expect(begun("write_log", of("write_log"))).toEqual({ type: "write_log" });
  });

  it("says what each parameter is, of every action that there is", () => {
    for (const action of ACTIONS) {
      for (const field of fieldsOf(action)) {
        expect(field.help, `${action.type}.${field.name}`).not.toBe("");
        if (["choice", "words"].includes(field.kind)) expect(field.words.length, `${action.type}.${field.name}`).toBeGreaterThan(1);
      }
    }
  });

  it("is there for what this console does not know, and is none for what is not there", () => {
    const schema = { properties: { type: { const: "new" }, how: { type: ["string", "null"], description: "How." } }, required: ["type"] };
    const field = { name: "how", kind: "line", required: false, words: [], help: "How." };
    expect(fieldsOf({ ...(ACTIONS[0] as ActionType), type: "new", schema })).toEqual([field]);
    expect(fieldsOf(undefined)).toEqual([]);
  });
});
