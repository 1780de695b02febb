// What a task's step does: its type and the fields of that type, as the server tells them.
import { JsonInput, MultiSelect, NumberInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useActions } from "../api/queries";
import type { Action } from "../api/types";
import { begun, type FieldOf, fieldsOf } from "../lib/actions";
import { Fault } from "../parts/Feedback";

/** Where the words of a choice or a list stand among the translations, by parameter and type. */
const WORDS: Record<string, string> = {
  "power_control.do": "power",
  "control_service.do": "service_act",
  "change_group.do": "group",
  "change_schedule.do": "schedule_switch",
  "delete_item.kind": "item_kind",
  "move_item.kind": "item_kind",
  "clean_files.what": "leftover",
  level: "message",
};
/** Labels that are not under the parameter's own name. */
const LABELS: Record<string, string> = {
  "run_script.expect": "expect_exit",
  "power_control.message": "people_told",
  "delete_item.kind": "item_kind",
  "move_item.kind": "item_kind",
  "run_query.query": "sql",
  "clean_files.older_than": "clean_older",
  "clean_files.what": "clean_what",
  "check_addresses.timeout": "answer_within",
};
/** What is said below a field, where something is. */
const HINTS: Record<string, string> = {
  "call_web_service.expect": "step.expect_how",
  "run_script.expect": "step.expect_exit_how",
};
/** Texts that may hold what the run and the steps before told. */
const FILLED = ["write_log", "raise_message", "send_email", "call_web_service", "run_script", "power_control"];

type Props = { action: Action; onChange: (action: Action) => void };

export function ActionFields({ action, onChange }: Props) {
  const { t, i18n } = useTranslation();
  const known = useActions();
  const all = known.data ?? [];
  const its = all.find((it) => it.type === action.type);
  const fields = fieldsOf(its);
  const types = its ? all : [...all, { type: action.type, help: action.type }];
  const named = (type: string, help: string) => (i18n.exists(`action.${type}`) ? t(`action.${type as "inventory"}`) : help);
  const put = (name: string, value: unknown) => {
    const next = { ...action, [name]: value };
    if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) delete next[name];
    onChange(next);
  };
  const turn = (type: string) => onChange(begun(type, fieldsOf(all.find((it) => it.type === type))) as Action);
  return (
    <>
      <Select
        label={t("task.step")}
        value={action.type}
        data={types.map(({ type, help }) => ({ value: type, label: named(type, help) }))}
        allowDeselect={false}
        searchable
        nothingFoundMessage={t("task.no_such_step")}
        onChange={(type) => type && type !== action.type && turn(type)}
      />
      {known.isError && <Fault error={known.error} retry={() => known.refetch()} />}
      {fields.map((field) => (
        <Field
          key={`${action.type}.${field.name}`}
          of={action.type}
          field={field}
          value={action[field.name]}
          put={(value) => put(field.name, value)}
        />
      ))}
      {its?.repeats === "never" || action.type === "run_script" ? <p className="soft hint">{t("step.once")}</p> : null}
      {FILLED.includes(action.type) && (
        <p className="soft hint">{t("step.placeholders", { list: "{{task.name}}, {{run.number}}, {{run.id}}, {{targets.count}}" })}</p>
      )}
    </>
  );
}

type FieldProps = { of: string; field: FieldOf; value: unknown; put: (value: unknown) => void };

function Field({ of, field, value, put }: FieldProps) {
  const { t, i18n } = useTranslation();
  const { name, kind, required } = field;
  const key = LABELS[`${of}.${name}`] ?? name;
  const label = i18n.exists(`step.${key}`) ? t(`step.${key as "message"}`) : field.help.replace(/\.$/, "");
  const hint = HINTS[`${of}.${name}`];
  const text = typeof value === "string" ? value : "";
  const list = Array.isArray(value) ? value.map(String) : [];
  const clear = { "aria-label": t("filter.clear_one", { name: label }) };
  const shared = { label, required, withAsterisk: false };
  const named = useNamed(of, name);
  switch (kind) {
    case "choice":
      return <Choice {...{ of, field, label, put }} value={text} />;
    case "code":
      return (
        <Textarea
          {...shared}
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
          {...shared}
          min={0}
          allowDecimal={false}
          value={typeof value === "number" ? value : ""}
          onChange={(v) => put(typeof v === "number" ? v : undefined)}
        />
      );
    case "text":
      return <Textarea {...shared} autosize minRows={2} maxRows={10} value={text} onChange={(e) => put(e.currentTarget.value)} />;
    case "list":
      return <TagsInput label={label} value={list} onChange={put} clearButtonProps={clear} />;
    case "words":
      return (
        <MultiSelect
          label={label}
          data={field.words.map((word) => ({ value: word, label: named(word) }))}
          value={list}
          clearable
          clearButtonProps={clear}
          onChange={put}
        />
      );
    case "codes":
      return (
        <TagsInput
          label={label}
          description={hint && t(hint as "step.expect_how")}
          value={list}
          onChange={(numbers) => put(numbers.map(Number).filter((n) => Number.isInteger(n)))}
          clearButtonProps={clear}
        />
      );
    case "object":
      return (
        <JsonInput
          label={label}
          placeholder={name === "headers" ? '{"Authorization": "Bearer …"}' : '{"LANG": "C.UTF-8"}'}
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
      return <TextInput {...shared} value={text} onChange={(e) => put(e.currentTarget.value)} />;
  }
}

/** The words of a parameter as people read them. */
function useNamed(of: string, parameter: string): (word: string) => string {
  const { t, i18n } = useTranslation();
  const place = WORDS[`${of}.${parameter}`] ?? WORDS[parameter];
  return (word) => (place && i18n.exists(`${place}.${word}`) ? t(`${place}.${word}` as "power.abort") : word);
}

type ChoiceProps = { of: string; field: FieldOf; label: string; value: string; put: (value: unknown) => void };

/** One of a few words. Where none must be said, the first holds when none is written. */
function Choice({ of, field, label, value, put }: ChoiceProps) {
  const named = useNamed(of, field.name);
  const [first] = field.words;
  return (
    <Select
      label={label}
      data={field.words.map((word) => ({ value: word, label: named(word) }))}
      value={value || first || null}
      allowDeselect={false}
      onChange={(word) => put(word === first && !field.required ? undefined : word)}
    />
  );
}
