import { Autocomplete, Button, NumberInput, Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { settings } from "../api/client";
import { useMay, useSettings } from "../api/queries";
import type { AgentAuth, Settings as SettingsType } from "../api/types";
import { Fault, Lines, tell } from "../parts/Feedback";
import { PageHead } from "../parts/PageHead";
import { SettingsTabs } from "./areas";

export function SettingsPage() {
  const { t } = useTranslation();
  const read = useSettings();
  return (
    <div className="page">
      <PageHead title={t("nav.settings")} />
      <SettingsTabs now="general" />
      {read.isError && <Fault error={read.error} retry={() => read.refetch()} />}
      {read.isLoading && <Lines count={8} />}
      {read.data && <SettingsForm given={read.data} />}
    </div>
  );
}

const AGENT_AUTH: AgentAuth[] = ["off", "basic", "oauth"];

/** What differs from what was read: only that is sent. */
function changes(given: SettingsType, now: SettingsType): Partial<SettingsType> {
  const keys = Object.keys(now) as (keyof SettingsType)[];
  const differing = keys.filter((key) => JSON.stringify(now[key]) !== JSON.stringify(given[key]));
  return Object.fromEntries(differing.map((key) => [key, now[key]]));
}

function SettingsForm({ given }: { given: SettingsType }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const may = useMay("admin");
  const [now, setNow] = useState(given);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => setNow(given), [given]);
  const changed = changes(given, now);
  const dirty = Object.keys(changed).length > 0;
  const set = (patch: Partial<SettingsType>) => setNow({ ...now, ...patch });
  const save = async (e: React.FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      client.setQueryData(["settings"], await settings.change(changed));
      tell(t, t("settings.saved"));
    } catch (refusal) {
      setError(refusal);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="form" onSubmit={save} style={{ maxWidth: 900 }}>
      <fieldset disabled={!may} className="plain-set">
        <Group title={t("settings.rhythm")}>
          <Span name="inventory_every" now={now} set={set} />
          <Span name="contact_every" now={now} set={set} />
          <Span name="offline_after" now={now} set={set} />
        </Group>
        <Group title={t("settings.starts")}>
          <Whole name="size_guard" now={now} set={set} />
          <Whole name="approve_above" now={now} set={set} />
          <Whole name="in_flight_per_agent" now={now} set={set} min={1} max={100} />
          <Whole name="in_flight" now={now} set={set} />
          <Autocomplete
            label={t("settings.zone")}
            description={t("settings.zone_how")}
            data={["server", ...Intl.supportedValuesOf("timeZone")]}
            limit={50}
            value={now.zone}
            onChange={(zone) => set({ zone })}
          />
          <Switch
            label={t("settings.wake_enabled")}
            description={t("settings.wake_enabled_how")}
            checked={now.wake_enabled}
            onChange={(e) => set({ wake_enabled: e.currentTarget.checked })}
          />
        </Group>
        <Group title={t("settings.newcomers")}>
          <Switch
            label={t("settings.verify_new_agents")}
            description={t("settings.verify_new_agents_how")}
            checked={now.verify_new_agents}
            onChange={(e) => set({ verify_new_agents: e.currentTarget.checked })}
          />
          <Whole name="new_agents_per_source_max" now={now} set={set} />
          <TagsInput
            label={t("settings.verify_networks")}
            description={t("settings.verify_networks_how")}
            value={now.verify_networks}
            onChange={(verify_networks) => set({ verify_networks })}
            clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("settings.verify_networks") }) }}
          />
        </Group>
        <Group title={t("nav.credentials")}>
          <Select
            label={t("settings.agent_auth")}
            description={t("settings.agent_auth_how")}
            data={AGENT_AUTH.map((value) => ({ value, label: t(`settings.agent_auth_${value}`) }))}
            value={now.agent_auth}
            allowDeselect={false}
            onChange={(v) => v && set({ agent_auth: v as AgentAuth })}
          />
        </Group>
      </fieldset>
      {error !== null && <Fault error={error} />}
      {!may && <p className="soft">{t("settings.admin_only")}</p>}
      {may && (
        <div className="buttons">
          <Button size="sm" disabled={!dirty} onClick={() => setNow(given)}>
            {t("settings.revert")}
          </Button>
          <Button size="sm" type="submit" variant="filled" disabled={!dirty} loading={busy}>
            {t("settings.save")}
          </Button>
        </div>
      )}
    </form>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <section className="card">
      <h2>{title}</h2>
      <div className="body form">
        <div className="pair">{children}</div>
      </div>
    </section>
  );
}

type FieldProps<N extends keyof SettingsType> = { name: N; now: SettingsType; set: (patch: Partial<SettingsType>) => void };

function Span({ name, now, set }: FieldProps<"inventory_every" | "contact_every" | "offline_after">) {
  const { t } = useTranslation();
  return (
    <TextInput
      label={t(`settings.${name}`)}
      description={t(`settings.${name}_how`)}
      value={now[name]}
      onChange={(e) => set({ [name]: e.currentTarget.value })}
    />
  );
}

type WholeProps = FieldProps<"size_guard" | "approve_above" | "new_agents_per_source_max" | "in_flight_per_agent" | "in_flight"> & {
  min?: number;
  max?: number;
};

function Whole({ name, now, set, min = 0, max }: WholeProps) {
  const { t } = useTranslation();
  return (
    <NumberInput
      label={t(`settings.${name}`)}
      description={t(`settings.${name}_how`)}
      min={min}
      max={max}
      value={now[name]}
      onChange={(v) => typeof v === "number" && set({ [name]: v })}
    />
  );
}
