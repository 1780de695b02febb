import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LANGUAGES } from "../src/i18n";
import allowed from "./same-in-two-languages.json";

type Tree = { [key: string]: string | Tree };
const codes = Object.keys(LANGUAGES);
const read = (code: string): Tree => JSON.parse(readFileSync(join("src/i18n", `${code}.json`), "utf8"));

function flat(tree: Tree, path = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") all.set(path + key, value);
    else for (const [k, v] of flat(value, `${path}${key}.`)) all.set(k, v);
  }
  return all;
}
const texts = new Map(codes.map((code) => [code, flat(read(code))]));
const pairs = codes.flatMap((a, i) => codes.slice(i + 1).map((b) => [a, b] as const));
const PLURAL = /_(zero|one|two|few|many|other)$/;
const english = texts.get("en") ?? new Map<string, string>();
const isPlural = (key: string) => PLURAL.test(key) && english.has(key.replace(PLURAL, "_other"));
const base = (key: string) => (isPlural(key) || /_(one|many|other)$/.test(key) ? key.replace(PLURAL, "") : key);
const holes = (text: string) => [...text.matchAll(/\{\{\s*(\w+)/g)].map((m) => m[1]).sort();

function sources(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return sources(path);
      return /\.tsx?$/.test(entry.name) ? readFileSync(path, "utf8") : "";
    })
    .join("\n");
}

describe("translations", () => {
  it.each(codes)("%s has exactly the keys of the others", (code) => {
    const mine = new Set([...(texts.get(code)?.keys() ?? [])].map(base));
    const theirs = new Set([...english.keys()].map(base));
    expect([...mine].sort()).toEqual([...theirs].sort());
  });

  it.each(codes)("%s has every plural form that its language needs", (code) => {
    const forms = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    const mine = texts.get(code) ?? new Map<string, string>();
    const plurals = [...mine.keys()].filter((key) => key.endsWith("_other")).map((key) => key.replace(PLURAL, ""));
    const missing = plurals.flatMap((key) => forms.filter((form) => !mine.has(`${key}_${form}`)).map((form) => `${key}_${form}`));
    expect(missing).toEqual([]);
    expect(plurals.length).toBeGreaterThan(20);
  });

  it.each(codes)("%s has no empty text and the same parameters as the English text", (code) => {
    const wrong: string[] = [];
    for (const [key, text] of texts.get(code) ?? []) {
      if (text.trim() === "") wrong.push(`${key} is empty`);
      const like = english.get(key) ?? english.get(key.replace(PLURAL, "_other")) ?? "";
      if (key.endsWith("_one")) continue;
      if (holes(text).join() !== holes(like).join()) wrong.push(`${key}: ${text}`);
    }
    expect(wrong).toEqual([]);
  });

  it("has no text equal in two languages that is not marked as right", () => {
    const marked: Record<string, string[]> = allowed;
    const equal: string[] = [];
    const idle: string[] = [];
    for (const key of new Set(codes.flatMap((code) => [...(texts.get(code)?.keys() ?? [])]))) {
      for (const [a, b] of pairs) {
        const text = texts.get(a)?.get(key);
        const same = text !== undefined && text === texts.get(b)?.get(key) && /\p{L}/u.test(text.replace(/\{\{[^}]*\}\}/g, ""));
        const isMarked = marked[key]?.includes(`${a}=${b}`) ?? false;
        if (same && !isMarked) equal.push(`${key} ${a}=${b}: ${text}`);
        if (!same && isMarked) idle.push(`${key} ${a}=${b}`);
      }
    }
    expect(equal).toEqual([]);
    expect(idle, "marked as equal, but they differ").toEqual([]);
  });

  it("has every key that the sources name", () => {
    const known = new Set([...english.keys()].flatMap((key) => [key, base(key)]));
    const text = sources("src");
    const named = [...text.matchAll(/\bt\(\s*(?:[^"`()]{0,80}\? )?"([a-z_0-9.]+)"(?: : "([a-z_0-9.]+)")?/g)].flatMap((m) => [m[1], m[2]]);
    const missing = named.filter((key) => key !== undefined && !known.has(key));
    expect(missing).toEqual([]);
    expect(named.length).toBeGreaterThan(200);
  });

  it("says every state, reason and problem of the contract", () => {
    const states = ["prepared", "started", "running", "ok", "error", "unknown", "cancelled", "expired", "skipped"];
    const reasons = [
      "waiting_for_contact never_contacted agent_silent wake_refused wake_denied wake_timeout wake_busy wake_unreachable waking",
      "leased cannot_be_stopped stopping retry not_verified switched_off no_agent unable run_paused done",
      "frozen ending not_yet too_late agent_busy run_full org_full",
    ].flatMap((line) => line.split(" "));
    const ends = [
      "nothing late_result result_or_lapse time resume verify agent_comes wake_or_contact contact",
      "switch_on release ended expires one_ends",
    ].flatMap((line) => line.split(" "));
    const conditions = "open released run_active not_cancelled due in_time has_agent able trusted switched_on room heard".split(" ");
    for (const key of ends) expect(english.has(`ends.${key}`), key).toBe(true);
    for (const key of conditions) expect(english.has(`condition.${key}`), key).toBe(true);
    for (const state of states) expect(english.has(`state.${state}`), state).toBe(true);
    for (const reason of reasons) expect(english.has(`reason.${reason}`), reason).toBe(true);
    for (const problem of ["task.not-found", "run.empty", "run.plan-changed", "access.denied"]) {
      expect(english.has(`problem.${problem}`), problem).toBe(true);
    }
    for (const problem of ["org.frozen", "run.ending"]) expect(english.has(`problem.${problem}`), problem).toBe(true);
    expect(english.has("problem.run.size-guard_other")).toBe(true);
    expect(english.has("problem.queue.size-guard_other")).toBe(true);
  });
});
