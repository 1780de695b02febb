// The form of a task's document.
import { Checkbox, NumberInput, SegmentedControl, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { useCount, useList } from "../api/queries";
import type { Delivery, Group, Targets, TaskDoc } from "../api/types";
import { aimed, isServers, isSliced, needsNoTargets, type TargetKind, targetKind } from "../lib/taskdoc";
import { DevicePicker } from "../parts/DevicePicker";
import { PoolFields } from "./TaskPool";
import { StepFields } from "./TaskSteps";
import { WhenFields } from "./TaskWhen";

type Props = { doc: TaskDoc; onChange: (doc: TaskDoc) => void };

export function TaskForm({ doc, onChange }: Props) {
  const { t } = useTranslation();
  const set = (patch: Partial<TaskDoc>) => onChange({ ...doc, ...patch });
  return (
    <div className="form">
      <TextInput label={t("task.name")} value={doc.name} onChange={(e) => set({ name: e.currentTarget.value })} data-autofocus required />
      <Textarea
        label={t("task.description")}
        value={doc.description ?? ""}
        autosize
        minRows={1}
        maxRows={4}
        onChange={(e) => set({ description: e.currentTarget.value })}
      />
      <TagsInput
        label={t("task.labels")}
        value={doc.labels ?? []}
        onChange={(labels) => set({ labels })}
        clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("task.labels") }) }}
      />
      {doc.steps.some(isSliced) && <PoolFields doc={doc} set={set} />}
      {!doc.steps.every(needsNoTargets) && !doc.steps.some(isSliced) && (
        <TargetFields targets={doc.targets} kind={targetKind(doc)} onChange={(targets) => set({ targets })} />
      )}
      <StepFields doc={doc} onChange={(next) => onChange(aimed(next))} />
      <WhenFields doc={doc} set={set} />
      {!doc.steps.every((step) => isServers(step) || isSliced(step)) && (
        <DeliveryField value={doc.delivery ?? "pull"} onChange={(delivery) => set({ delivery })} />
      )}
      <div className="pair">
        <NumberInput
          label={t("task.priority")}
          description={t("task.priority_how")}
          min={0}
          max={9}
          value={doc.priority ?? 5}
          onChange={(v) => set({ priority: typeof v === "number" ? v : undefined })}
        />
        <NumberInput
          label={t("task.attempts")}
          description={t("task.attempts_how")}
          min={1}
          max={20}
          value={doc.retry?.attempts ?? 1}
          onChange={(v) => set({ retry: { ...doc.retry, attempts: typeof v === "number" ? v : undefined } })}
        />
        <TextInput
          label={t("task.backoff")}
          description={t("task.backoff_how")}
          value={doc.retry?.backoff ?? ""}
          placeholder="30s"
          onChange={(e) => set({ retry: { ...doc.retry, backoff: e.currentTarget.value } })}
        />
      </div>
    </div>
  );
}

function DeliveryField({ value, onChange }: { value: Delivery; onChange: (d: Delivery) => void }) {
  const { t } = useTranslation();
  return (
    <Segments
      label={t("task.delivery")}
      value={value}
      data={(["pull", "push"] as const).map((d) => ({ value: d, label: t(`delivery.${d}`) }))}
      hint={t(`delivery.${value}_how`)}
      onChange={onChange}
    />
  );
}

type SegmentsProps<V extends string> = {
  label: string;
  value: V;
  data: { value: V; label: string }[];
  hint?: string;
  onChange: (value: V) => void;
};

/** A choice of a few words under its label. */
function Segments<V extends string>({ label, value, data, hint, onChange }: SegmentsProps<V>) {
  const id = useId();
  return (
    <div>
      <p id={id} className="label">
        {label}
      </p>
      <SegmentedControl aria-labelledby={id} size="xs" value={value} data={data} onChange={(v) => onChange(v as V)} />
      {hint && <p className="soft hint">{hint}</p>}
    </div>
  );
}

type TargetProps = { targets: Targets; kind: TargetKind; onChange: (targets: Targets) => void };

function TargetFields({ targets, kind, onChange }: TargetProps) {
  const { t } = useTranslation();
  const { exclude, late_joiners } = targets;
  const turn = (next: string) => {
    const base: Record<string, Targets> = { devices: { devices: [] }, groups: { groups: [] }, query: { query: "" }, all: { all: true } };
    onChange({ ...base[next], exclude, late_joiners });
  };
  return (
    <div className="form" style={{ gap: 10 }}>
      <Segments
        label={t("task.targets")}
        value={kind}
        data={(["devices", "groups", "query", "all"] as const).map((k) => ({ value: k, label: t(`task.by_${k}`) }))}
        onChange={turn}
      />
      {kind === "devices" && <DevicePicker ids={targets.devices ?? []} onChange={(devices) => onChange({ ...targets, devices })} />}
      {kind === "groups" && <GroupsField groups={targets.groups ?? []} onChange={(groups) => onChange({ ...targets, groups })} />}
      {kind === "query" && (
        <TextInput
          aria-label={t("filter.query")}
          placeholder={'os_family == "linux" && memory_mb < 4096'}
          value={targets.query ?? ""}
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
          onChange={(e) => onChange({ ...targets, query: e.currentTarget.value })}
        />
      )}
      <Matches kind={kind} targets={targets} />
      <TagsInput
        label={t("task.exclude_tags")}
        value={exclude?.tags ?? []}
        onChange={(tags) => onChange({ ...targets, exclude: { ...exclude, tags } })}
        clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("task.exclude_tags") }) }}
      />
      <Checkbox
        label={t("task.late_joiners")}
        description={t("task.late_joiners_help")}
        checked={!!late_joiners}
        onChange={(e) => onChange({ ...targets, late_joiners: e.currentTarget.checked || undefined })}
      />
    </div>
  );
}

/** Groups by their names, out of those there are. */
export function GroupsField({ label, groups, onChange }: { label?: string; groups: string[]; onChange: (groups: string[]) => void }) {
  const { t } = useTranslation();
  const known = useList<Group>("groups", "/groups", {});
  return (
    <TagsInput
      {...(label ? { label } : { "aria-label": t("nav.groups") })}
      placeholder={t("group.name")}
      data={known.items.map((g) => g.name)}
      value={groups}
      onChange={onChange}
      clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("nav.groups") }) }}
    />
  );
}

/** How many machines the choice selects now, before anything is taken out. */
function Matches({ kind, targets }: { kind: TargetKind; targets: Targets }) {
  const { t } = useTranslation();
  const query = kind === "query" ? targets.query?.trim() : undefined;
  const count = useCount("devices", "/devices", { query }, kind === "all" || !!query);
  if (kind === "devices" || kind === "groups") return null;
  if (count.isError) return <p className="hint error-text">{count.error.message}</p>;
  const known = typeof count.data === "number" && (kind === "all" || !!query);
  return <p className="soft hint">{known ? t("machines.match", { count: count.data as number }) : t("task.query_how")}</p>;
}
