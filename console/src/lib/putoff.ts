// Until when work is put off: the usual choices, in the reader's own day.
const HOUR_MS = 3_600_000;
const EVENING = 22;
const MORNING = 8;

export type PutOff = { name: "hour" | "tonight" | "tomorrow"; until: Date };

/** The choices that are still ahead: in an hour, tonight at ten, tomorrow at eight. */
export function putOffs(now: Date): PutOff[] {
  const at = (days: number, hour: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const all: PutOff[] = [
    { name: "hour", until: new Date(now.getTime() + HOUR_MS) },
    { name: "tonight", until: at(0, EVENING) },
    { name: "tomorrow", until: at(1, MORNING) },
  ];
  return all.filter((choice) => choice.until > now);
}

/** What a field for date and time gives, as an instant; `null` when it is none or has passed. */
export function until(text: string, now: Date): Date | null {
  const at = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) ? new Date(text) : null;
  return at && !Number.isNaN(at.getTime()) && at > now ? at : null;
}
