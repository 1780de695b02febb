// Numbers, times and sizes in the reader's language. Plain functions over `Intl`; the language is an argument.

const formatters = new Map<string, unknown>();
function cached<F>(key: string, make: () => F): F {
  let found = formatters.get(key) as F | undefined;
  if (!found) {
    found = make();
    formatters.set(key, found);
  }
  return found;
}

export function number(value: number, lang: string): string {
  return cached(`n:${lang}`, () => new Intl.NumberFormat(lang)).format(value);
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 86400],
  ["month", 30 * 86400],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** 'in 5 minutes', '3 hours ago'. `now` in milliseconds, so that a test can hold the clock; `long` within sentences, where an abbreviation's point would stand beside the full stop. */
export function relative(time: string, now: number, lang: string, style: "short" | "long" = "short"): string {
  const seconds = Math.round((Date.parse(time) - now) / 1000);
  const format = cached(`r:${lang}:${style}`, () => new Intl.RelativeTimeFormat(lang, { numeric: "auto", style }));
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** The whole instant in the reader's zone, with the zone's name. */
export function absolute(time: string, lang: string): string {
  const make = () => new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "long" });
  return cached(`a:${lang}`, make).format(new Date(time));
}

/** The day in the reader's zone; the year only where it is not this one. */
export function day(at: number, lang: string, now = Date.now()): string {
  const other = new Date(at).getFullYear() !== new Date(now).getFullYear();
  const make = () => new Intl.DateTimeFormat(lang, { day: "numeric", month: "short", year: other ? "numeric" : undefined });
  return cached(`d:${lang}:${other}`, make).format(at);
}

/** Day and minute in the reader's zone. */
export function moment(at: number, lang: string): string {
  return cached(`m:${lang}`, () => new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" })).format(at);
}

export function hour(time: string, lang: string): string {
  return cached(`h:${lang}`, () => new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" })).format(new Date(time));
}

/** The length between two instants in its two biggest parts: '1 h 4 min', '12 s', '340 ms'. */
export function duration(from: string, to: string | number, lang: string): string {
  const ms = Math.max(0, (typeof to === "number" ? to : Date.parse(to)) - Date.parse(from));
  return span(ms, lang);
}

export function span(ms: number, lang: string): string {
  if (ms < 1000) return unit(Math.round(ms), "millisecond", lang);
  const seconds = Math.round(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), "day"],
    [Math.floor((seconds % 86400) / 3600), "hour"],
    [Math.floor((seconds % 3600) / 60), "minute"],
    [seconds % 60, "second"],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return unit(0, "second", lang);
  const taken = parts.slice(first, first + 2).filter(([n]) => n > 0);
  return taken.map(([n, name]) => unit(n, name, lang)).join(" ");
}

function unit(value: number, name: string, lang: string): string {
  const make = () => new Intl.NumberFormat(lang, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 1 });
  return cached(`u:${lang}:${name}`, make).format(value);
}

/** A size given in MiB, as agents report it. */
export function mebibytes(value: number, lang: string): string {
  if (value >= 1024 * 1024) return unit(value / (1024 * 1024), "terabyte", lang);
  if (value >= 1024) return unit(value / 1024, "gigabyte", lang);
  return unit(value, "megabyte", lang);
}

export function percent(value: number, lang: string): string {
  return cached(`p:${lang}`, () => new Intl.NumberFormat(lang, { style: "percent", maximumFractionDigits: 0 })).format(value);
}
