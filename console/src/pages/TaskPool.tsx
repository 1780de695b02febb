// Who does a task for addresses: the addresses, and the agents that share them.
import { NumberInput, TagsInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Pool, TaskDoc } from "../api/types";
import { GroupsField } from "./TaskForm";

type Props = { doc: TaskDoc; set: (patch: Partial<TaskDoc>) => void };

export function PoolFields({ doc, set }: Props) {
  const { t } = useTranslation();
  const { targets, actors } = doc;
  const out = targets.exclude?.ip_ranges;
  const named = actors && "agents" in actors ? actors.agents : undefined;
  return (
    <>
      <Ranges
        label={t("pool.addresses")}
        how={t("pool.addresses_how")}
        value={targets.ip_ranges}
        onChange={(ip_ranges) => set({ targets: { ...targets, ip_ranges } })}
      />
      <Ranges
        label={t("pool.excluded")}
        value={out}
        onChange={(ip_ranges) => set({ targets: { ...targets, exclude: ip_ranges.length > 0 ? { ip_ranges } : undefined } })}
      />
      {named ? (
        <TagsInput
          label={t("pool.agents")}
          description={t("pool.agents_how")}
          value={named}
          onChange={(agents) => set({ actors: agents.length > 0 ? { agents } : { pool: {} } })}
          clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("pool.agents") }) }}
        />
      ) : (
        <Members pool={actors && "pool" in actors ? (actors.pool ?? {}) : {}} onChange={(pool) => set({ actors: { pool } })} />
      )}
    </>
  );
}

function Members({ pool, onChange }: { pool: Pool; onChange: (pool: Pool) => void }) {
  const { t } = useTranslation();
  const select = (patch: Pool["selector"]) => onChange({ ...pool, selector: { ...pool.selector, ...patch } });
  return (
    <fieldset className="group">
      <legend className="label">{t("pool.title")}</legend>
      <p className="soft hint">{t("pool.how")}</p>
      <GroupsField label={t("pool.groups")} groups={pool.selector?.groups ?? []} onChange={(groups) => select({ groups })} />
      <Ranges label={t("pool.subnets")} value={pool.selector?.subnets} onChange={(subnets) => select({ subnets })} />
      <NumberInput
        label={t("pool.max")}
        description={t("pool.max_how")}
        min={1}
        max={1000}
        allowDecimal={false}
        value={pool.max ?? ""}
        onChange={(v) => onChange({ ...pool, max: typeof v === "number" ? v : undefined })}
      />
    </fieldset>
  );
}

type RangesProps = { label: string; how?: string; value: string[] | undefined; onChange: (ranges: string[]) => void };

/** Ranges of addresses, as people write them. */
function Ranges({ label, how, value, onChange }: RangesProps) {
  const { t } = useTranslation();
  return (
    <TagsInput
      label={label}
      description={how}
      placeholder="10.0.0.0/24"
      value={value ?? []}
      onChange={onChange}
      clearButtonProps={{ "aria-label": t("filter.clear_one", { name: label }) }}
    />
  );
}
