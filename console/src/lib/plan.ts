// What a piece of advice changes of a task's document.
import type { PlanAdvice, TaskDoc } from "../api/types";

/** The change; nothing where it is not the document's to change. */
export function helped(doc: TaskDoc, advice: PlanAdvice): Partial<TaskDoc> | null {
  switch (advice.key) {
    case "max_in_flight":
      return { rollout: { ...doc.rollout, max_in_flight: advice.params.most } };
    case "push":
      return { delivery: "push" };
    case "no_wait":
      return { rollout: { ...doc.rollout, wait: undefined } };
    case "longer_window": {
      const later = moved(doc.window?.not_after, advice.params.seconds ?? 0, doc.window?.not_before);
      return later ? { window: { ...doc.window, not_after: later } } : null;
    }
    default:
      return null;
  }
}

/** A time of day or an instant so much later; none where the window would be the whole day or more. */
function moved(end: string | undefined, seconds: number, begin: string | undefined): string | null {
  const day = (text: string | undefined) => {
    const found = /^(\d\d):(\d\d)$/.exec(text ?? "");
    return found ? Number(found[1]) * 60 + Number(found[2]) : null;
  };
  const [to, from] = [day(end), day(begin)];
  if (to !== null) {
    const by = Math.ceil(seconds / 60);
    const open = from === null ? to : (to - from + 1440) % 1440 || 1440;
    if (open + by >= 1440) return null;
    const at = (to + by) % 1440;
    return `${String(Math.floor(at / 60)).padStart(2, "0")}:${String(at % 60).padStart(2, "0")}`;
  }
  const instant = Date.parse(end ?? "");
  return Number.isNaN(instant) ? null : new Date(instant + seconds * 1000).toISOString().replace(".000Z", "Z");
}
