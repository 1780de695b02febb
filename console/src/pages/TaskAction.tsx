// What a task's step does: its type and the fields of that type.
import { JsonInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Action } from "../api/types";

/** The fields of each type, in order; the first kind of each is what the field is like. */
const FIELDS: Record<string, readonly (readonly [string, "line" | "text" | "level" | "method" | "list" | "codes" | "object"])[]> = {
  inventory: [],
  basic_inventory: [],
  ip_configuration: [],
  write_log: [
    ["message", "line"],
    ["level", "level"],
  ],
  raise_message: [
    ["title", "line"],
    ["text", "text"],
    ["level", "level"],
  ],
  call_web_service: [
    ["url", "line"],
    ["method", "method"],
    ["headers", "object"],
    ["body", "text"],
    ["expect", "codes"],
    ["timeout", "line"],
  ],
  send_email: [
    ["to", "list"],
    ["subject", "line"],
    ["body", "text"],
  ],
  wake_agents: [],
};
/** Those of this version. */
const OFFERED = [
  "inventory",
  "basic_inventory",
  "ip_configuration",
  "write_log",
  "raise_message",
  "call_web_service",
  "send_email",
  "wake_agents",
] as const;

/** Whether the server does it itself. */
export const isServers = (type: string) => needsNoTargets(type) || type === "wake_agents";
/** Whether it is about no machine. */
export const needsNoTargets = (type: string) => ["write_log", "raise_message", "call_web_service", "send_email"].includes(type);

type Props = { action: Action; onChange: (action: Action) => void };

export function ActionFields({ action, onChange }: Props) {
  const { t } = useTranslation();
  const types = OFFERED.includes(action.type as "inventory") ? OFFERED : [...OFFERED, action.type];
  const put = (name: string, value: unknown) => {
    const next = { ...action, [name]: value };
    if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) delete next[name];
    onChange(next);
  };
  return (
    <>
      <Select
        label={t("task.step")}
        value={action.type}
        data={types.map((value) => ({ value, label: t(`action.${value as "inventory"}`) }))}
        allowDeselect={false}
        onChange={(type) => type && onChange({ type })}
      />
      {(FIELDS[action.type] ?? []).map(([name, kind]) => (
        <Field key={name} name={name} kind={kind} value={action[name]} put={(value) => put(name, value)} />
      ))}
      {(FIELDS[action.type] ?? []).some(([, kind]) => kind === "text") && (
        <p className="soft hint">{t("step.placeholders", { list: "{{task.name}}, {{run.number}}, {{run.id}}, {{targets.count}}" })}</p>
      )}
    </>
  );
}

type FieldProps = { name: string; kind: string; value: unknown; put: (value: unknown) => void };

function Field({ name, kind, value, put }: FieldProps) {
  const { t } = useTranslation();
  const label = t(`step.${name as "message"}`);
  const text = typeof value === "string" ? value : "";
  switch (kind) {
    case "level":
      return (
        <Select
          label={label}
          data={(["info", "warning", "error"] as const).map((v) => ({ value: v, label: t(`message.${v}`) }))}
          value={text || "info"}
          allowDeselect={false}
          onChange={(v) => put(v === "info" ? undefined : v)}
        />
      );
    case "method":
      return (
        <Select
          label={label}
          data={["GET", "POST", "PUT", "PATCH", "DELETE"]}
          value={text || "GET"}
          allowDeselect={false}
          onChange={(v) => put(v === "GET" ? undefined : v)}
        />
      );
    case "text":
      return <Textarea label={label} autosize minRows={2} maxRows={10} value={text} onChange={(e) => put(e.currentTarget.value)} />;
    case "list":
      return (
        <TagsInput
          label={label}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={put}
          clearButtonProps={{ "aria-label": t("filter.clear_one", { name: label }) }}
        />
      );
    case "codes":
      return (
        <TagsInput
          label={label}
          description={t("step.expect_how")}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(list) => put(list.map(Number).filter((n) => Number.isInteger(n)))}
          clearButtonProps={{ "aria-label": t("filter.clear_one", { name: label }) }}
        />
      );
    case "object":
      return (
        <JsonInput
          label={label}
          placeholder={'{"Authorization": "Bearer …"}'}
          autosize
          minRows={1}
          formatOnBlur
          defaultValue={value === undefined ? "" : JSON.stringify(value)}
          onChange={(json) => {
            try {
              put(json.trim() === "" ? undefined : JSON.parse(json));
            } catch {
              // What is half written is not taken yet.
            }
          }}
        />
      );
    default:
      return <TextInput label={label} value={text} onChange={(e) => put(e.currentTarget.value)} />;
  }
}
