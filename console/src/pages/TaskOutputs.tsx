// What is kept of a step for later ones: names, and how each is captured.
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

type Props = { outputs: Record<string, string>; onChange: (outputs: Record<string, string>) => void };

export function StepOutputs({ outputs, onChange }: Props) {
  const { t } = useTranslation();
  const id = useId();
  // Rows of their own: a name that is being written may for a moment be empty, or that of another.
  const [rows, setRows] = useState<[string, string][]>(Object.entries(outputs));
  const put = (next: [string, string][]) => {
    setRows(next);
    onChange(Object.fromEntries(next.filter(([name]) => name !== "")));
  };
  return (
    <fieldset className="outputs" aria-labelledby={id}>
      <p id={id} className="label">
        {t("job.outputs")}
      </p>
      <p className="soft hint">
        {t("job.outputs_how", { forms: "exit_code, output, regex(…), json(…)", example: "{{steps.check.version}}" })}
      </p>
      {rows.map(([name, how], i) => (
        <div className="row" key={i}>
          <TextInput
            aria-label={t("job.output_name")}
            placeholder="version"
            value={name}
            onChange={(e) => put(rows.map((row, n) => (n === i ? [e.currentTarget.value.trim(), row[1]] : row)))}
          />
          <TextInput
            aria-label={t("job.output_how")}
            placeholder="regex(version ([0-9.]+))"
            value={how}
            style={{ flex: 1 }}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5 } }}
            onChange={(e) => put(rows.map((row, n) => (n === i ? [row[0], e.currentTarget.value] : row)))}
          />
          <ActionIcon variant="subtle" aria-label={t("job.output_remove", { name })} onClick={() => put(rows.filter((_, n) => n !== i))}>
            <IconX size={15} aria-hidden />
          </ActionIcon>
        </div>
      ))}
      <div>
        <Button size="compact-xs" onClick={() => setRows([...rows, ["", ""]])} leftSection={<IconPlus size={13} aria-hidden />}>
          {t("job.output_add")}
        </Button>
      </div>
    </fieldset>
  );
}
