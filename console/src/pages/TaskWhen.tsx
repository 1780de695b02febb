// The part of a task's form that says when: schedule, window, what is under way at once; and what comes of it.
import { Autocomplete, Checkbox, MultiSelect, NumberInput, SegmentedControl, Select, TagsInput, TextInput } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { type ReactNode, useId } from "react";
import { useTranslation } from "react-i18next";
import { useComing, useList } from "../api/queries";
import type { Group, Rollout, Schedule, TaskDoc, Trigger, Window } from "../api/types";
import { begun, cronOf, DAYS, dayName, KINDS, kindOf, type Simple, simple, whenWords } from "../lib/when";
import { asApiError } from "../parts/Feedback";
import { NextTen } from "../parts/NextTen";

type Faults = Map<string, string>;
type Props = { doc: TaskDoc; set: (patch: Partial<TaskDoc>) => void };

const HOUR_MS = 3_600_000;
/** An hour from now, without what nobody wants to read. */
const inAnHour = () => new Date(Math.ceil((Date.now() + HOUR_MS) / 60_000) * 60_000).toISOString().replace(".000Z", "Z");
const ZONES = () => ["organization", "server", "device", ...Intl.supportedValuesOf("timeZone")];

export function WhenFields({ doc, set }: Props) {
  const { t, i18n } = useTranslation();
  const id = useId();
  const kind = kindOf(doc.schedule);
  const [written] = useDebouncedValue(JSON.stringify({ schedule: doc.schedule, window: doc.window }), 300);
  const coming = useComing(JSON.parse(written), doc.schedule !== undefined || doc.window !== undefined);
  const faults: Faults = new Map(
    coming.isError ? (asApiError(coming.error).problem.errors ?? []).map((e) => [e.pointer ?? "", e.detail]) : [],
  );
  const schedule = doc.schedule;
  const narrow = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false }) ?? false;
  const kinds = KINDS.map((k) => ({ value: k, label: t(`when.kind_${k}`) }));
  const turn = (next: string | null) => set({ schedule: begun((next ?? "hand") as typeof kind, schedule, inAnHour()) });
  const change = (patch: Schedule) => set({ schedule: { ...schedule, ...patch } });
  return (
    <fieldset className="group">
      <legend className="label" id={id}>
        {t("when.title")}
      </legend>
      {narrow ? (
        <Select aria-labelledby={id} value={kind} data={kinds} allowDeselect={false} onChange={turn} />
      ) : (
        <SegmentedControl aria-labelledby={id} size="xs" value={kind} data={kinds} onChange={turn} />
      )}
      {kind === "at" && (
        <TextInput
          label={t("when.at")}
          description={t("when.at_how")}
          value={schedule?.at ?? ""}
          error={faults.get("/schedule/at")}
          onChange={(e) => change({ at: e.currentTarget.value })}
        />
      )}
      {kind === "cron" && (
        <CronFields cron={schedule?.cron ?? ""} fault={faults.get("/schedule/cron")} change={(cron) => change({ cron })} />
      )}
      {kind === "every" && (
        <TextInput
          label={t("when.every")}
          description={t("when.every_how")}
          value={schedule?.every ?? ""}
          error={faults.get("/schedule/every")}
          onChange={(e) => change({ every: e.currentTarget.value })}
        />
      )}
      {kind === "on" && <TriggerFields on={schedule?.on ?? "device_enrolled"} faults={faults} change={(on) => change({ on })} />}
      <div className="pair">
        {(kind === "cron" || kind === "at") && (
          <ZoneField value={schedule?.zone} fault={faults.get("/schedule/zone")} change={(zone) => change({ zone })} />
        )}
        {kind !== "hand" && kind !== "on" && (
          <Select
            label={t("misfire.title")}
            data={(["skip", "run_once"] as const).map((value) => ({ value, label: t(`misfire.${value}`) }))}
            value={schedule?.misfire ?? "skip"}
            allowDeselect={false}
            onChange={(misfire) => change({ misfire: misfire === "run_once" ? "run_once" : undefined })}
          />
        )}
      </div>
      {(kind === "cron" || kind === "every") && (
        <Checkbox
          label={t("when.offline")}
          description={t("when.offline_how")}
          checked={!!schedule?.offline}
          error={faults.get("/schedule/offline")}
          onChange={(e) => change({ offline: e.currentTarget.checked || undefined })}
        />
      )}
      <WindowFields window={doc.window} faults={faults} change={(window) => set({ window })} />
      <NumberInput
        label={t("when.at_once")}
        description={t("when.at_once_how")}
        min={1}
        value={doc.rollout?.max_in_flight ?? ""}
        onChange={(v) => set({ rollout: { ...doc.rollout, max_in_flight: typeof v === "number" ? v : undefined } })}
      />
      <RolloutFields rollout={doc.rollout ?? {}} isLed={doc.mode === "server_job"} change={(rollout) => set({ rollout })} />
      <p>
        <strong>{whenWords(t, i18n.language, doc)}</strong>
      </p>
      <Said faults={faults} known={["/schedule/at", "/schedule/cron", "/schedule/every", "/schedule/zone", "/schedule/offline"]} />
      {doc.schedule && coming.data && !coming.isError && kind !== "on" && kind !== "now" && <NextTen ahead={coming.data} />}
    </fieldset>
  );
}

type RolloutProps = { rollout: Rollout; isLed: boolean; change: (rollout: Rollout) => void };

/** Waves, and what it stops by itself for. */
function RolloutFields({ rollout, isLed, change }: RolloutProps) {
  const { t } = useTranslation();
  const put = (patch: Rollout) => change({ ...rollout, ...patch });
  return (
    <>
      {!isLed && (
        <TagsInput
          label={t("rollout.title")}
          description={t("rollout.waves_how")}
          value={rollout.waves ?? []}
          onChange={(waves) => put({ waves })}
          clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("rollout.title") }) }}
        />
      )}
      <div className="pair">
        {(rollout.waves?.length ?? 0) > 0 && !isLed && (
          <TextInput
            label={t("rollout.wait")}
            placeholder="1h"
            value={rollout.wait ?? ""}
            onChange={(e) => put({ wait: e.currentTarget.value || undefined })}
          />
        )}
        <TextInput
          label={t("rollout.halt_error")}
          description={t("rollout.halt_how")}
          placeholder="5%"
          value={rollout.halt_on_error_rate ?? ""}
          onChange={(e) => put({ halt_on_error_rate: e.currentTarget.value || undefined })}
        />
        {(rollout.wait ?? "") !== "" && (
          <TextInput
            label={t("rollout.halt_lost")}
            description={t("rollout.lost_how")}
            placeholder="5%"
            value={rollout.halt_on_lost_rate ?? ""}
            onChange={(e) => put({ halt_on_lost_rate: e.currentTarget.value || undefined })}
          />
        )}
      </div>
    </>
  );
}

/** Faults that stand at no field of this form. */
function Said({ faults, known }: { faults: Faults; known: string[] }): ReactNode {
  const rest = [...faults].filter(([pointer]) => !known.includes(pointer) && !WINDOW_FIELDS.includes(pointer));
  return rest.map(([pointer, detail]) => (
    <p key={pointer} className="hint error-text">
      {detail}
    </p>
  ));
}

const PATTERNS = ["day", "week", "month", "hour", "own"] as const;
const FIRST: Record<Exclude<(typeof PATTERNS)[number], "own">, Simple> = {
  day: { every: "day", time: "00:00" },
  week: { every: "week", days: ["mon"], time: "00:00" },
  month: { every: "month", day: 1, time: "00:00" },
  hour: { every: "hour", minute: 0 },
};

function CronFields({ cron, fault, change }: { cron: string; fault?: string; change: (cron: string) => void }) {
  const { t, i18n } = useTranslation();
  const it = simple(cron);
  const put = (next: Simple) => change(cronOf(next));
  return (
    <div className="pair">
      <Select
        label={t("when.pattern")}
        data={PATTERNS.map((value) => ({ value, label: t(`when.pattern_${value}`) }))}
        value={it?.every ?? "own"}
        allowDeselect={false}
        onChange={(pattern) => {
          if (pattern && pattern !== "own") put(FIRST[pattern as keyof typeof FIRST]);
        }}
      />
      {it && "time" in it && (
        <TextInput
          type="time"
          label={t("when.time")}
          value={it.time}
          onChange={(e) => /^\d\d:\d\d$/.test(e.currentTarget.value) && put({ ...it, time: e.currentTarget.value })}
        />
      )}
      {it?.every === "week" && (
        <MultiSelect
          label={t("when.days")}
          data={DAYS.map((value) => ({ value, label: dayName(value, i18n.language, "long") }))}
          value={it.days}
          onChange={(days) => days.length > 0 && put({ ...it, days: DAYS.filter((day) => days.includes(day)) })}
        />
      )}
      {it?.every === "month" && (
        <NumberInput
          label={t("when.day_of_month")}
          min={1}
          max={31}
          value={it.day}
          onChange={(v) => typeof v === "number" && put({ ...it, day: v })}
        />
      )}
      {it?.every === "hour" && (
        <NumberInput
          label={t("when.minute")}
          min={0}
          max={59}
          value={it.minute}
          onChange={(v) => typeof v === "number" && put({ ...it, minute: v })}
        />
      )}
      <TextInput
        label="Cron"
        description={t("when.cron_how")}
        value={cron}
        error={fault}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
        onChange={(e) => change(e.currentTarget.value)}
      />
    </div>
  );
}

function ZoneField({ value, fault, change }: { value?: string; fault?: string; change: (zone: string | undefined) => void }) {
  const { t } = useTranslation();
  return (
    <Autocomplete
      label={t("zone.title")}
      description={t("zone.how")}
      data={ZONES()}
      limit={50}
      value={value ?? "organization"}
      error={fault}
      onChange={(zone) => change(zone === "organization" || zone === "" ? undefined : zone)}
    />
  );
}

function GroupField({ value, fault, change }: { value: string; fault?: string; change: (group: string) => void }) {
  const { t } = useTranslation();
  const known = useList<Group>("groups", "/groups", { sort: "name" });
  return (
    <Autocomplete label={t("group.name")} data={known.items.map((g) => g.name)} limit={50} value={value} error={fault} onChange={change} />
  );
}

const EVENTS = ["device_enrolled", "inventory_changed", "joined_group", "task_ended"] as const;
type Event = (typeof EVENTS)[number];

const BEGIN: Record<Event, Trigger> = {
  device_enrolled: "device_enrolled",
  inventory_changed: "inventory_changed",
  joined_group: { joined_group: "" },
  task_ended: { task_ended: "" },
};

const eventOf = (on: Trigger): Event => (typeof on === "string" ? on : EVENTS.find((e) => e in on)) ?? "inventory_changed";

function TriggerFields({ on, faults, change }: { on: Trigger; faults: Faults; change: (on: Trigger) => void }) {
  const { t } = useTranslation();
  const kind = eventOf(on);
  const section = typeof on !== "string" && "inventory_changed" in on ? on.inventory_changed : "";
  const ended = typeof on !== "string" && "task_ended" in on ? on : null;
  return (
    <div className="pair">
      <Select
        label={t("when.event")}
        data={EVENTS.map((value) => ({ value, label: t(`when.event_${value}`) }))}
        value={kind}
        allowDeselect={false}
        onChange={(event) => event && change(BEGIN[event as Event])}
      />
      {kind === "inventory_changed" && (
        <TextInput
          label={t("when.section")}
          description={t("when.section_how")}
          value={section}
          error={faults.get("/schedule/on/inventory_changed")}
          onChange={(e) => change(e.currentTarget.value ? { inventory_changed: e.currentTarget.value } : "inventory_changed")}
        />
      )}
      {typeof on !== "string" && "joined_group" in on && (
        <GroupField
          value={on.joined_group}
          fault={faults.get("/schedule/on/joined_group")}
          change={(group) => change({ joined_group: group })}
        />
      )}
      {ended && (
        <>
          <TextInput
            label={t("when.other_task")}
            value={ended.task_ended}
            error={faults.get("/schedule/on/task_ended")}
            onChange={(e) => change({ ...ended, task_ended: e.currentTarget.value })}
          />
          <Select
            label={t("when.verdict")}
            placeholder={t("when.any_verdict")}
            clearable
            data={(["ok", "error", "partial", "cancelled"] as const).map((value) => ({ value, label: t(`run_state.${value}`) }))}
            value={ended.verdict ?? null}
            onChange={(verdict) => change({ task_ended: ended.task_ended, ...(verdict ? { verdict: verdict as "ok" } : {}) })}
          />
        </>
      )}
    </div>
  );
}

const WINDOW_FIELDS = ["not_before", "not_after", "days", "zone", "at_end", "longest_run"].map((name) => `/window/${name}`);

type WindowProps = { window?: Window; faults: Faults; change: (window: Window | undefined) => void };

function WindowFields({ window, faults, change }: WindowProps) {
  const { t, i18n } = useTranslation();
  const put = (patch: Window) => {
    const next = Object.fromEntries(Object.entries({ ...window, ...patch }).filter(([, v]) => v !== undefined && v !== ""));
    change(Object.keys(next).length > 0 ? next : undefined);
  };
  const fault = (name: string) => faults.get(`/window/${name}`);
  return (
    <div className="pair">
      {(["not_before", "not_after"] as const).map((name) => (
        <TextInput
          key={name}
          label={t(`window.${name}`)}
          description={t(`window.${name}_how`)}
          placeholder={name === "not_before" ? "22:00" : "06:00"}
          value={window?.[name] ?? ""}
          error={fault(name)}
          onChange={(e) => put({ [name]: e.currentTarget.value })}
        />
      ))}
      {window?.not_before && (
        <MultiSelect
          label={t("window.days")}
          data={DAYS.map((value) => ({ value, label: dayName(value, i18n.language, "long") }))}
          value={window.days ?? []}
          error={fault("days")}
          placeholder={window.days?.length ? undefined : t("window.every_day")}
          onChange={(days) => put({ days: days.length > 0 ? DAYS.filter((day) => days.includes(day)) : undefined })}
        />
      )}
      {window?.not_after && (
        <Select
          label={t("window.at_end")}
          data={(["let_finish", "stop"] as const).map((value) => ({ value, label: t(`window.${value}`) }))}
          value={window.at_end ?? "let_finish"}
          error={fault("at_end")}
          allowDeselect={false}
          onChange={(at_end) => put({ at_end: at_end === "stop" ? "stop" : undefined })}
        />
      )}
      <TextInput
        label={t("window.longest_run")}
        placeholder="30m"
        value={window?.longest_run ?? ""}
        error={fault("longest_run")}
        onChange={(e) => put({ longest_run: e.currentTarget.value })}
      />
    </div>
  );
}
