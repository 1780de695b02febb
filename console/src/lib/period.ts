// Periods and instants of the address: a period back from now ('7d', '12h') or an instant in RFC 3339.

export const PERIODS = ["24h", "7d", "30d", "90d"] as const;

const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const BACK = /^(\d{1,5})([mhdw])$/;

export const isPeriod = (text: string): boolean => BACK.test(text);

/** The instant that a text of the address means, in milliseconds; `null` when it means none. */
export function instant(text: string | undefined, now: number): number | null {
  if (!text) return null;
  const back = BACK.exec(text);
  if (back) return now - Number(back[1]) * (UNITS[back[2] ?? ""] ?? 0);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

/** The count and the unit of a period for a sentence, such as 7 and 'day'. */
export function spelled(text: string): { count: number; unit: "minute" | "hour" | "day" | "week" } | null {
  const back = BACK.exec(text);
  if (!back) return null;
  const unit = { m: "minute", h: "hour", d: "day", w: "week" } as const;
  return { count: Number(back[1]), unit: unit[back[2] as keyof typeof unit] };
}

const two = (n: number) => String(n).padStart(2, "0");

/** What a field for date and time wants, in the reader's zone: '2026-11-21T07:30'. */
export function toField(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** While a year is being typed it passes through 0002, 0020 and 0202. */
const FINISHED = /^(?:19|2\d)\d\d-\d\d-\d\dT\d\d:\d\d/;

/** The instant of such a field for the address; empty for an unfinished one. */
export function fromField(text: string): string {
  const at = FINISHED.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}

export type Preset = "yesterday" | "week" | "month";
const DAYS: Record<Preset, number> = { yesterday: 1, week: 7, month: 30 };

/** The instant of a preset, to the minute, so that a link made of it reads well. */
export function presetInstant(preset: Preset, now: number): string {
  const at = now - DAYS[preset] * 86_400_000;
  return new Date(at - (at % 60_000)).toISOString();
}
