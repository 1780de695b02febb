// How differences of inventory rows read: what belongs together, what a row is called, which part of a text changed.
import type { Row } from "../api/types";
import { columnsOf, plainText } from "./inventory";

export type Pair = { before: Row; after: Row; fields: string[] };
export type Difference = { added: Row[]; removed: Row[]; changed: Pair[] };

/** By what a row of a section is the same thing before and after; the first set of which both have a field counts. */
const KEYS: Record<string, string[][]> = {
  softwares: [["name", "arch", "publisher"], ["name", "arch"], ["name"]],
  networks: [["mac", "description"], ["mac"], ["description"]],
  drives: [["volumn"], ["letter"], ["serial"], ["label"]],
  memories: [["numslots"], ["serialnumber"]],
  storages: [["serial"], ["serialnumber"], ["name"]],
  monitors: [["serial"], ["altserial"], ["caption"]],
  usbdevices: [["serial"], ["vendorid", "productid"]],
  controllers: [["pcislot"], ["name"]],
  videos: [["pcislot"], ["name"]],
  users: [["login", "domain"], ["login"], ["name"]],
  local_users: [["id"], ["login"]],
  local_groups: [["id"], ["name"]],
  virtualmachines: [["uuid"], ["name"]],
  envs: [["key"]],
  logical_volumes: [["lv_uuid"], ["lv_name"]],
  volume_groups: [["vg_uuid"], ["vg_name"]],
  physical_volumes: [["pv_uuid"], ["device"]],
};
/** Sections that have one row: it is called as the section is. */
export const SINGLE: ReadonlySet<string> = new Set([
  "hardware",
  "bios",
  "operatingsystem",
  "accesslog",
  "versionclient",
  "versionprovider",
]);
const GENERAL = [["id"], ["uuid"], ["serial"], ["name"], ["caption"], ["description"]];

function keyOf(row: Row, fields: string[]): string | null {
  const all = fields.map((f) => plainText(row[f]));
  return all[0] ? all.join("\n") : null;
}

/** The fields whose values differ, in the order in which the section's columns stand. */
export function differing(section: string, before: Row, after: Row): string[] {
  const all = columnsOf(section, [before, after], true);
  return all.filter((key) => plainText(before[key]) !== plainText(after[key]));
}

/** Rows that went and came, joined where they are the same thing with other values. */
export function paired(section: string, added: Row[], removed: Row[]): Difference {
  const keys = SINGLE.has(section) ? [[]] : (KEYS[section] ?? GENERAL);
  let [gone, come] = [removed, added];
  const changed: Pair[] = [];
  for (const fields of keys) {
    const waiting = new Map<string, Row[]>();
    const rest: Row[] = [];
    for (const row of gone) {
      const key = fields.length === 0 ? "" : keyOf(row, fields);
      if (key === null) rest.push(row);
      else waiting.set(key, [...(waiting.get(key) ?? []), row]);
    }
    const left: Row[] = [];
    for (const row of come) {
      const key = fields.length === 0 ? "" : keyOf(row, fields);
      const before = key === null ? undefined : waiting.get(key)?.shift();
      if (before === undefined) left.push(row);
      else changed.push({ before, after: row, fields: differing(section, before, row) });
    }
    come = left;
    gone = [...rest, ...[...waiting.values()].flat()];
  }
  return { added: come, removed: gone, changed };
}

const TITLES = ["name", "full_name", "caption", "description", "login", "cmd", "key", "model", "smodel", "lv_name", "vg_name", "device"];

/** What a row is called: the first field of its section's columns that says something, else what such fields are usually named. */
export function titleOf(section: string, row: Row): string {
  for (const key of [...columnsOf(section, [row]).slice(0, 1), ...TITLES]) {
    const text = plainText(row[key]);
    if (text) return text;
  }
  return Object.values(row).map(plainText).find(Boolean) ?? "";
}

/** The fields that stand beside the title of a row that came or went. */
export function besides(section: string, row: Row, most = 5): string[] {
  const title = titleOf(section, row);
  return columnsOf(section, [row])
    .filter((key) => plainText(row[key]) !== "" && plainText(row[key]) !== title)
    .slice(0, most);
}

export type Marked = { head: string; before: string; after: string; tail: string };

const WORDS = /[\p{L}\p{N}]/u;

/** The part in which two texts differ, widened to whole words, so that 144.0 → 145.0 marks 144 and not a 4. */
export function markedParts(before: string, after: string): Marked {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const inWord = (text: string, at: number) => WORDS.test(text[at - 1] ?? "") && WORDS.test(text[at] ?? "");
  while (start > 0 && (inWord(before, start) || inWord(after, start))) start -= 1;
  while (end > 0 && (inWord(before, before.length - end) || inWord(after, after.length - end))) end -= 1;
  return {
    head: before.slice(0, start),
    before: before.slice(start, before.length - end),
    after: after.slice(start, after.length - end),
    tail: before.slice(before.length - end),
  };
}
