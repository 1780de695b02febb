// What changed on a machine: its history, or two dates compared. What is shown stands in the address.
import { SegmentedControl } from "@mantine/core";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { DeviceDetail } from "../api/types";
import { useAddress } from "../lib/listview";
import { useKindOptions, useSectionOptions } from "../parts/changeOptions";
import { ChoiceFilter } from "../parts/Filters";
import { protocolName } from "../parts/Machine";
import { PeriodFilter } from "../parts/PeriodFilter";
import { Compare } from "./MachineCompare";
import { History } from "./MachineHistory";

export function Changes({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const compares = search.mode === "compare";
  const own = useMemo(() => [...new Set([...d.sections.map((s) => s.name), ...(search.section?.split(",") ?? [])])], [d.sections, search]);
  const sections = useSectionOptions(own);
  const kinds = useKindOptions();
  const agents = d.agents.map((a) => {
    const text = `${protocolName(a.protocol)} ${a.version ?? ""}`.trim();
    return { value: a.id, label: text, text };
  });
  const set = (key: string) => (value: string) => change({ [key]: value || undefined, open: undefined });
  return (
    <>
      <search className="filters" aria-label={t("filter.bar")}>
        <SegmentedControl
          size="xs"
          aria-label={t("change.view")}
          value={compares ? "compare" : "history"}
          data={[
            { value: "history", label: t("change.history") },
            { value: "compare", label: t("change.compare") },
          ]}
          onChange={(mode) => change({ mode: mode === "compare" ? mode : undefined, open: undefined })}
        />
        <ChoiceFilter label={t("change.section")} value={search.section} options={sections} onChange={set("section")} />
        {!compares && (
          <>
            {agents.length > 1 && (
              <ChoiceFilter one label={t("device.agent")} value={search.agent} options={agents} onChange={set("agent")} />
            )}
            <ChoiceFilter label={t("change.kind")} value={search.kind} options={kinds} onChange={set("kind")} />
            <PeriodFilter
              label={t("period.period")}
              since={search.since}
              until={search.until}
              onChange={(patch) => change({ since: undefined, until: undefined, ...patch })}
            />
          </>
        )}
      </search>
      {compares ? <Compare d={d} /> : <History d={d} />}
    </>
  );
}
