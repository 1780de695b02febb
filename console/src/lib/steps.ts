// The steps of a task: moved, added, taken out; and what each is to the others.
import type { OnError, Step, TaskDoc } from "../api/types";
import { isServers } from "./taskdoc";

export type Lane = "server" | "machines";

export const laneOf = (step: Step): Lane => (isServers(step) ? "server" : "machines");

/** The steps that have another one done when they fail. */
export const helpedBy = (doc: TaskDoc, id: string): Step[] =>
  doc.steps.filter((s) => typeof s.on_error === "object" && s.on_error.run === id);

/** An id that no step has yet. */
export function freeId(doc: TaskDoc, wanted: string): string {
  const taken = new Set(doc.steps.map((s) => s.id));
  if (!taken.has(wanted)) return wanted;
  let n = 2;
  while (taken.has(`${wanted}_${n}`)) n += 1;
  return `${wanted}_${n}`;
}

/** Puts a step in another place; places beyond the ends are the ends. */
export function moved(doc: TaskDoc, from: number, to: number): TaskDoc {
  const steps = [...doc.steps];
  const [step] = steps.splice(from, 1);
  if (!step) return doc;
  steps.splice(Math.max(0, Math.min(to, steps.length)), 0, step);
  return { ...doc, steps };
}

/** Takes a step out, and with it what others say of it as their helper. */
export function without(doc: TaskDoc, at: number): TaskDoc {
  const gone = doc.steps[at];
  const steps = doc.steps
    .filter((_, i) => i !== at)
    .map((s) => (typeof s.on_error === "object" && s.on_error.run === gone?.id ? { ...s, on_error: undefined } : s));
  return { ...doc, steps };
}

/** Changes a step; where its id changes, those that name it as their helper follow. */
export function changed(doc: TaskDoc, at: number, step: Step): TaskDoc {
  const before = doc.steps[at]?.id;
  const follow = (s: Step): Step =>
    typeof s.on_error === "object" && s.on_error.run === before ? { ...s, on_error: { ...s.on_error, run: step.id } } : s;
  return { ...doc, steps: doc.steps.map((s, i) => (i === at ? step : follow(s))) };
}

/** The choice that a step's `on_error` is; '' is what holds when nothing is written. */
export function errorChoice(it: OnError | undefined): "" | "fail" | "continue" | "retry" {
  if (it === undefined) return "";
  return typeof it === "string" ? it : "retry";
}
