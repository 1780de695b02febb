// A machine at two instants: what differs, per section and per field. The instants stand in the address.
import { Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { list } from "../api/client";
import { useDeviceChanges } from "../api/queries";
import type { DeviceChanges, DeviceDetail, HistoryEntry, SectionChanges } from "../api/types";
import { word } from "../i18n/say";
import { moment, number } from "../lib/format";
import { useAddress } from "../lib/listview";
import { fromField, instant, type Preset, presetInstant, toField } from "../lib/period";
import { toggled, values } from "../lib/search";
import { CopyLink } from "../parts/CopyLink";
import { Empty, Fault, Lines, shout } from "../parts/Feedback";
import { protocolName } from "../parts/Machine";
import { DiffCounts, RowDiff } from "../parts/RowDiff";

const PRESETS: readonly Preset[] = ["yesterday", "week", "month"];

export function Compare({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const from = search.from ?? "";
  const result = useDeviceChanges(d.id, from, search.to, search.section);
  return (
    <>
      <Instants d={d} from={search.from} to={search.to} change={change} answer={result.data} />
      {!from && <Empty title={t("compare.choose")} why={t("compare.choose_why")} />}
      {from && result.isError && <Fault error={result.error} retry={() => result.refetch()} />}
      {from && result.isLoading && <Lines count={8} />}
      {from && result.data && !result.isError && <Result d={d} data={result.data} busy={result.isPlaceholderData} />}
    </>
  );
}

type Change = (patch: Record<string, string | undefined>) => void;
type InstantsProps = { d: DeviceDetail; from: string | undefined; to: string | undefined; change: Change; answer?: DeviceChanges };

function Instants({ d, from, to, change, answer }: InstantsProps) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const field = (text: string | undefined) => {
    const at = instant(text, Date.now());
    return at === null ? "" : toField(at);
  };
  const first = async () => {
    setBusy(true);
    try {
      change({ from: await firstInventory(d), to: undefined });
    } catch (error) {
      shout(t, error);
    } finally {
      setBusy(false);
    }
  };
  const set = (key: "from" | "to") => (e: React.ChangeEvent<HTMLInputElement>) => {
    const at = fromField(e.currentTarget.value);
    if (at || (key === "to" && e.currentTarget.value === "")) change({ [key]: at || undefined });
  };
  return (
    <section className="card instants" aria-label={t("compare.dates")}>
      <TextInput
        size="xs"
        type="datetime-local"
        label={t("period.from")}
        max={toField(Date.now())}
        value={field(from)}
        onChange={set("from")}
      />
      <TextInput
        size="xs"
        type="datetime-local"
        label={to ? t("period.to") : t("compare.to_now")}
        max={toField(Date.now())}
        value={field(to)}
        onChange={set("to")}
      />
      <fieldset className="presets">
        <legend>{t("compare.with")}</legend>
        {PRESETS.map((p) => (
          <Button key={p} onClick={() => change({ from: presetInstant(p, Date.now()), to: undefined })}>
            {t(`compare.${p}`)}
          </Button>
        ))}
        <Button loading={busy} onClick={first}>
          {t("compare.first")}
        </Button>
      </fieldset>
      {answer && <CopyLink search={{ from: answer.from, to: answer.to }} />}
    </section>
  );
}

const FIRSTS_MAX = 1000;

/** When the machine was inventoried for the first time: the oldest section that was reported for the first time. */
async function firstInventory(d: DeviceDetail): Promise<string> {
  const page = await list<HistoryEntry>(`/devices/${encodeURIComponent(d.id)}/history`, { kind: "first", limit: FIRSTS_MAX });
  const all = page.items.map((e) => e.at).sort();
  return all[0] ?? d.first_seen;
}

const sumOf = (s: SectionChanges) => s.added_count + s.removed_count + s.changed_count;

function Result({ d, data, busy }: { d: DeviceDetail; data: DeviceChanges; busy: boolean }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const chosen = values(search.section);
  const sections = data.sections.filter((s) => sumOf(s) > 0);
  const between = { from: moment(Date.parse(data.from), i18n.language), to: moment(Date.parse(data.to), i18n.language) };
  if (sections.length === 0) return <Empty title={t("compare.same")} why={t("compare.same_why", between)} />;
  const named = (s: SectionChanges) => word(t, "section", s.section);
  const agents = new Map(d.agents.map((a) => [a.id, protocolName(a.protocol)]));
  return (
    <div className="stack" aria-busy={busy}>
      <p className="facts">{t("compare.between", between)}</p>
      <ul className="row wrap section-chips">
        {sections.map((s) => (
          <li key={s.section + s.agent}>
            <button
              type="button"
              className="filter-chip set"
              aria-pressed={chosen.includes(s.section)}
              onClick={() => change({ section: toggled(search.section, s.section) || undefined })}
            >
              {named(s)} <DiffCounts added={s.added_count} removed={s.removed_count} changed={s.changed_count} />
            </button>
          </li>
        ))}
      </ul>
      {sections.map((s) => (
        <section key={s.section + s.agent} className="card">
          <h2>
            <span>
              {named(s)}
              {d.agents.length > 1 && s.agent && <span className="soft"> · {agents.get(s.agent) ?? s.agent}</span>}
            </span>
            <span className="row">
              <span className="soft wide-only">
                {t("compare.differences", { count: sumOf(s), shown: number(sumOf(s), i18n.language) })}
              </span>
              <DiffCounts added={s.added_count} removed={s.removed_count} changed={s.changed_count} />
            </span>
          </h2>
          {s.exact === false && <p className="body soft">{t("compare.gap")}</p>}
          <RowDiff section={s.section} diff={s} />
        </section>
      ))}
    </div>
  );
}
