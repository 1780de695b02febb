// A task's document as a form and as YAML: the same document, whichever side is written on.
import { parse, stringify } from "yaml";
import type { Step, TaskDoc } from "../api/types";

export const EMPTY: TaskDoc = {
  name: "",
  targets: {},
  delivery: "pull",
  priority: 5,
  retry: { attempts: 3, backoff: "30s", on: ["unknown"] },
  steps: [{ id: "inventory", action: { type: "inventory" }, timeout: "10m" }],
};

export function toYaml(doc: TaskDoc): string {
  return stringify(clean(doc), { lineWidth: 100, flowCollectionPadding: true });
}

/** What says something also when it is empty. */
const KEPT = ["targets", "pool"];

/** Without keys that say nothing: empty texts, empty lists, empty objects. */
export function clean<V>(value: V): V {
  if (Array.isArray(value)) return value.map(clean) as V;
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value)
    .map(([key, v]) => [key, clean(v)] as const)
    .filter(([key, v]) => v !== undefined && v !== "" && (KEPT.includes(key) || !isEmpty(v)));
  return Object.fromEntries(kept) as V;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

export type Read = { doc: TaskDoc } | { fault: string };

/** Reads YAML far enough for the form; the server has the last word on keys and values. */
export function fromYaml(text: string): Read {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { fault: "name: …" };
  const doc = value as Partial<TaskDoc>;
  const steps = Array.isArray(doc.steps) && doc.steps.length > 0 ? doc.steps : EMPTY.steps;
  const targets = typeof doc.targets === "object" && doc.targets !== null ? doc.targets : {};
  return { doc: { ...doc, name: String(doc.name ?? ""), targets, steps } as TaskDoc };
}

export type TargetKind = "devices" | "groups" | "query" | "all";

export function targetKind(doc: TaskDoc): TargetKind {
  if (doc.targets.all) return "all";
  if (doc.targets.groups) return "groups";
  return doc.targets.devices ? "devices" : "query";
}

/** Whether it is done for addresses, in slices, by a pool of agents. */
export const isSliced = (step: Step) => step.action.type === "check_addresses";

/** A document whose targets are of the kind that its steps are for: machines, or addresses and a pool. */
export function aimed(doc: TaskDoc): TaskDoc {
  const sliced = doc.steps.some(isSliced);
  if (sliced && !doc.actors) {
    // How long a slice may take follows from its addresses.
    const steps = doc.steps.map((step) => (isSliced(step) ? { ...step, timeout: undefined } : step));
    return { ...doc, mode: undefined, rollout: undefined, targets: { ip_ranges: [] }, actors: { pool: {} }, steps };
  }
  if (sliced || !doc.actors) return doc;
  const { actors: _, ...rest } = doc;
  return { ...rest, targets: {} };
}

/** What the server does without any machine. */
const ALONE = ["restart_server", "update_group", "delete_item", "move_item", "run_query", "run_report", "purge_report", "clean_files"];
/** Whether the server does it itself; a web service is called by either side. */
export const isServers = (step: Step) =>
  step.action.type === "call_web_service"
    ? step.scope !== "client"
    : step.action.type === "run_script"
      ? step.scope === "server"
      : ["write_log", "raise_message", "send_email", "wake_agents", "change_group", "change_schedule", ...ALONE].includes(step.action.type);
/** Whether it is about no machine. */
export const needsNoTargets = (step: Step) => isServers(step) && !["wake_agents", "change_group"].includes(step.action.type);

/** What is missing before it can be saved: keys of sentences. */
export function missing(doc: TaskDoc): ("name" | "targets")[] {
  const { devices, groups, query, all, ip_ranges } = doc.targets;
  const gaps: ("name" | "targets")[] = [];
  if (!doc.name.trim()) gaps.push("name");
  const own = doc.steps.length > 0 && doc.steps.every(needsNoTargets);
  if (!own && !all && !query?.trim() && !devices?.length && !groups?.length && !ip_ranges?.length) gaps.push("targets");
  return gaps;
}
