// What a task's step does: its type and the fields of that type.
import { JsonInput, NumberInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Action } from "../api/types";

/** What one of some words is chosen for; the first is what holds when none is written. */
const CHOICES = {
  level: ["info", "warning", "error"],
  method: ["GET", "POST", "PUT", "PATCH", "DELETE"],
  shell: ["sh", "bash", "python", "powershell"],
  power: ["shutdown", "restart", "suspend", "log_off", "abort"],
  group_act: ["add", "remove"],
  schedule_act: ["enable", "disable"],
  item_kind: ["task", "group", "device", "report"],
  service_act: ["start", "stop", "restart", "reload", "enable", "disable", "status"],
} as const;
type Choice = keyof typeof CHOICES;
type Kind = Choice | "line" | "text" | "code" | "list" | "codes" | "object" | "number";
/** A parameter, what it is like, and its label's key where that is another than its name. */
type Parameter = readonly [name: string, kind: Kind, label?: string];

/** The parameters of each type, in order. */
const FIELDS: Record<string, readonly Parameter[]> = {
  inventory: [],
  basic_inventory: [],
  ip_configuration: [],
  run_script: [
    ["script", "code"],
    ["shell", "shell"],
    ["arguments", "list"],
    ["environment", "object"],
    ["directory", "line"],
    ["user", "line"],
    ["expect", "codes", "expect_exit"],
    ["memory_mib", "number"],
    ["cpu_percent", "number"],
  ],
  power_control: [
    ["do", "power"],
    ["warning", "line"],
    ["message", "line", "people_told"],
  ],
  control_service: [
    ["service", "line"],
    ["do", "service_act"],
  ],
  defragment: [["volumes", "list"]],
  configure_agent: [
    ["tag", "line"],
    ["name", "line"],
  ],
  reset_agent: [],
  agent_log: [["lines", "number"]],
  check_addresses: [
    ["ports", "codes", "ports"],
    ["timeout", "line", "answer_within"],
  ],
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
  change_group: [
    ["group", "line"],
    ["do", "group_act"],
  ],
  update_group: [["group", "line"]],
  delete_item: [
    ["kind", "item_kind", "item_kind"],
    ["item", "line"],
  ],
  run_query: [["query", "code", "sql"]],
  run_report: [["report", "line"]],
  purge_report: [
    ["report", "line"],
    ["keep", "number"],
    ["older_than", "line"],
  ],
  restart_server: [],
  change_schedule: [
    ["task", "line"],
    ["do", "schedule_act"],
  ],
};
/** Those of this version. */
const OFFERED = [
  "inventory",
  "basic_inventory",
  "ip_configuration",
  "run_script",
  "power_control",
  "control_service",
  "defragment",
  "configure_agent",
  "reset_agent",
  "agent_log",
  "check_addresses",
  "write_log",
  "raise_message",
  "call_web_service",
  "send_email",
  "wake_agents",
  "change_group",
  "update_group",
  "change_schedule",
  "restart_server",
  "delete_item",
  "run_query",
  "run_report",
  "purge_report",
] as const;
/** Where the words of a choice stand, when not under its own name. */
const WORDS_OF: Record<string, string> = { group_act: "group", schedule_act: "schedule_switch" };
/** What a type begins with: what must be said and has a first choice. */
const BEGINNINGS: Record<string, Record<string, unknown>> = {
  power_control: { do: "shutdown" },
  control_service: { do: "start" },
  change_group: { do: "add" },
  change_schedule: { do: "disable" },
  delete_item: { kind: "task" },
  check_addresses: { ports: [22, 443] },
};

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
        onChange={(type) => type && onChange({ type, ...BEGINNINGS[type] })}
      />
      {(FIELDS[action.type] ?? []).map(([name, kind, label]) => (
        <Field key={`${action.type}.${name}`} label={label ?? name} kind={kind} value={action[name]} put={(value) => put(name, value)} />
      ))}
      {["power_control", "run_script", "reset_agent"].includes(action.type) && <p className="soft hint">{t("step.once")}</p>}
      {(FIELDS[action.type] ?? []).some(([, kind]) => kind === "text") && (
        <p className="soft hint">{t("step.placeholders", { list: "{{task.name}}, {{run.number}}, {{run.id}}, {{targets.count}}" })}</p>
      )}
    </>
  );
}

type FieldProps = { label: string; kind: Kind; value: unknown; put: (value: unknown) => void };

const isChoice = (kind: Kind): kind is Choice => kind in CHOICES;

function Field({ label: key, kind, value, put }: FieldProps) {
  const { t } = useTranslation();
  const label = t(`step.${key as "message"}`);
  const text = typeof value === "string" ? value : "";
  if (isChoice(kind)) {
    const [first] = CHOICES[kind];
    // What must be said is written also when it is the first.
    const isWritten = ["power", "service_act", "group_act", "schedule_act", "item_kind"].includes(kind);
    const named = (word: string) => {
      if (kind === "level") return t(`message.${word as "info"}`);
      return isWritten ? t(`${WORDS_OF[kind] ?? kind}.${word}` as "power.abort") : word;
    };
    return (
      <Select
        label={label}
        data={CHOICES[kind].map((word) => ({ value: word, label: named(word) }))}
        value={text || first}
        allowDeselect={false}
        onChange={(word) => put(word === first && !isWritten ? undefined : word)}
      />
    );
  }
  switch (kind) {
    case "code":
      return (
        <Textarea
          label={label}
          autosize
          minRows={4}
          maxRows={20}
          value={text}
          spellCheck={false}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
          onChange={(e) => put(e.currentTarget.value)}
        />
      );
    case "number":
      return (
        <NumberInput
          label={label}
          min={1}
          allowDecimal={false}
          value={typeof value === "number" ? value : ""}
          onChange={(v) => put(typeof v === "number" ? v : undefined)}
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
          description={key === "ports" ? undefined : t(key === "expect" ? "step.expect_how" : "step.expect_exit_how")}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(list) => put(list.map(Number).filter((n) => Number.isInteger(n)))}
          clearButtonProps={{ "aria-label": t("filter.clear_one", { name: label }) }}
        />
      );
    case "object":
      return (
        <JsonInput
          label={label}
          placeholder={key === "headers" ? '{"Authorization": "Bearer …"}' : '{"LANG": "C.UTF-8"}'}
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
