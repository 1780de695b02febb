// When a task runs, in words and as the form has it. The document is the truth; nothing here reads a clock.
import type { TFunction } from "i18next";
import type { Schedule, TaskDoc, Trigger, Window } from "../api/types";
import { word } from "../i18n/say";
import { moment } from "./format";

export const KINDS = ["hand", "now", "at", "cron", "every", "on"] as const;
export type Kind = (typeof KINDS)[number];

/** Which of its forms a schedule has; none is a task that a person starts. */
export function kindOf(schedule: Schedule | undefined): Kind {
  if (!schedule) return "hand";
  return KINDS.find((kind) => kind !== "hand" && schedule[kind] !== undefined && schedule[kind] !== null) ?? "hand";
}

/** The schedule one begins with when a form is chosen; what both forms have is kept. */
export function begun(kind: Kind, before: Schedule | undefined, inAnHour: string): Schedule | undefined {
  const misfire = before?.misfire ? { misfire: before.misfire } : {};
  const offline = before?.offline ? { offline: before.offline } : {};
  const zone = before?.zone ? { zone: before.zone } : {};
  switch (kind) {
    case "hand":
      return undefined;
    case "now":
      return { now: true, ...misfire };
    case "at":
      return { at: inAnHour, ...misfire };
    case "cron":
      return { cron: "0 0 * * *", ...zone, ...misfire, ...offline };
    case "every":
      return { every: "1h", ...misfire, ...offline };
    case "on":
      return { on: "device_enrolled", ...misfire };
  }
}

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

export type Simple =
  | { every: "day"; time: string }
  | { every: "week"; days: string[]; time: string }
  | { every: "month"; day: number; time: string }
  | { every: "hour"; minute: number };

const two = (text: string) => text.padStart(2, "0");

/** The common expressions, which can be said in words; `null` for all others. */
export function simple(cron: string): Simple | null {
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5) return null;
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields;
  if (!/^\d{1,2}$/.test(minute) || Number(minute) > 59 || month !== "*") return null;
  if (hour === "*" && day === "*" && weekday === "*") return { every: "hour", minute: Number(minute) };
  if (!/^\d{1,2}$/.test(hour) || Number(hour) > 23) return null;
  const time = `${two(hour)}:${two(minute)}`;
  if (day === "*" && weekday === "*") return { every: "day", time };
  if (/^\d{1,2}$/.test(day) && weekday === "*") return { every: "month", day: Number(day), time };
  const days = day === "*" ? weekdays(weekday) : null;
  return days && { every: "week", days, time };
}

/** `1-5`, `MON,WED` as days; Sunday is 0 and 7. */
function weekdays(text: string): string[] | null {
  const at = (name: string) => {
    const place = /^[0-7]$/.test(name) ? (Number(name) + 6) % 7 : DAYS.indexOf(name.toLowerCase() as (typeof DAYS)[number]);
    return place < 0 ? null : place;
  };
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const [from, to] = part.split("-").map(at);
    if (from === null || from === undefined || to === null) return null;
    const last = to ?? from;
    if (last < from) return null;
    for (let place = from; place <= last; place++) found.add(place);
  }
  return DAYS.filter((_, place) => found.has(place));
}

/** The expression of something simple. */
export function cronOf(it: Simple): string {
  if (it.every === "hour") return `${it.minute} * * * *`;
  const [hour = "0", minute = "0"] = it.time.split(":");
  const at = `${Number(minute)} ${Number(hour)}`;
  if (it.every === "day") return `${at} * * *`;
  if (it.every === "month") return `${at} ${it.day} * *`;
  return `${at} * * ${it.days.map((day) => DAYS.indexOf(day as (typeof DAYS)[number]) + 1).join(",") || "1"}`;
}

export function dayName(day: string, lang: string, style: "short" | "long" = "short"): string {
  // 2024-01-01 was a Monday.
  const place = DAYS.indexOf(day as (typeof DAYS)[number]);
  return new Intl.DateTimeFormat(lang, { weekday: style, timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + place));
}

const list = (items: string[], lang: string) => new Intl.ListFormat(lang, { style: "long", type: "conjunction" }).format(items);

/** Whose clock on the wall, as the end of a sentence. */
export function zoneWords(t: TFunction, zone: string | undefined): string {
  if (zone === "device" || zone === "server") return t(`zone.${zone}_by`);
  return zone && zone !== "organization" ? t("zone.named_by", { zone }) : t("zone.organization_by");
}

function cronWords(t: TFunction, lang: string, cron: string): string {
  const it = simple(cron);
  switch (it?.every) {
    case "hour":
      return t("when.hourly", { minute: two(String(it.minute)) });
    case "day":
      return t("when.daily", { time: it.time });
    case "month":
      return t("when.monthly", { day: it.day, time: it.time });
    case "week":
      return t("when.weekly", {
        days: list(
          it.days.map((day) => dayName(day, lang, "long")),
          lang,
        ),
        time: it.time,
      });
    default:
      return t("when.by_cron", { cron });
  }
}

function triggerWords(t: TFunction, on: Trigger): string {
  if (on === "device_enrolled") return t("when.on_enrolled");
  if (on === "inventory_changed") return t("when.on_changed");
  if ("inventory_changed" in on) return t("when.on_changed_in", { section: word(t, "section", on.inventory_changed) });
  if ("joined_group" in on) return t("when.on_joined", { group: on.joined_group });
  if (on.verdict) return t("when.on_ended_with", { task: on.task_ended, verdict: word(t, "run_state", on.verdict) });
  return t("when.on_ended", { task: on.task_ended });
}

const isInstant = (text: string) => /(Z|[+-]\d{2}:?\d{2})$/.test(text) && !Number.isNaN(Date.parse(text));

/** A schedule as a sentence without its end. */
export function scheduleWords(t: TFunction, lang: string, schedule: Schedule | undefined): string {
  switch (kindOf(schedule)) {
    case "hand":
      return t("when.by_hand");
    case "now":
      return t("when.once_now");
    case "at": {
      const at = schedule?.at ?? "";
      if (isInstant(at)) return t("when.once_at", { at: moment(Date.parse(at), lang) });
      return t("when.once_wall", { at: at.replace("T", " "), zone: zoneWords(t, schedule?.zone) });
    }
    case "cron":
      return `${cronWords(t, lang, schedule?.cron ?? "")}, ${zoneWords(t, schedule?.zone)}`;
    case "every":
      return t("when.each", { span: schedule?.every ?? "" });
    case "on":
      return triggerWords(t, schedule?.on ?? "device_enrolled");
  }
}

const edge = (text: string, lang: string) => (isInstant(text) ? moment(Date.parse(text), lang) : text);

/** A window as the rest of that sentence; `null` when there is none. */
export function windowWords(t: TFunction, lang: string, window: Window | undefined): string | null {
  if (!window) return null;
  const [from, to] = [window.not_before && edge(window.not_before, lang), window.not_after && edge(window.not_after, lang)];
  const parts = [
    from && to ? t("window.between", { from, to }) : from ? t("window.from", { from }) : to ? t("window.until", { to }) : null,
    window.days?.length
      ? t("window.on_days", {
          days: list(
            window.days.map((day) => dayName(day, lang, "long")),
            lang,
          ),
        })
      : null,
    window.longest_run ? t("window.longest", { span: window.longest_run }) : null,
    window.at_end === "stop" ? t("window.stopped") : null,
  ];
  return parts.filter((part) => part !== null).join(", ") || null;
}

/** What the document says about time, as one sentence. */
export function whenWords(t: TFunction, lang: string, doc: Pick<TaskDoc, "schedule" | "window">): string {
  const parts = [scheduleWords(t, lang, doc.schedule), windowWords(t, lang, doc.window)].filter((part) => part !== null);
  return `${parts.join(", ")}.`;
}

/** The offset of `2026-12-01T00:00:00+01:00`. */
export function offsetOf(local: string): string {
  return local.match(/(Z|[+-]\d{2}:\d{2})$/)?.[0] ?? "";
}
