// What changed across the fleet, newest first; this week unless asked otherwise.
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { FleetChange } from "../api/types";
import { word } from "../i18n/say";
import { csvColumns } from "../lib/columns";
import { useAddress, useColumns } from "../lib/listview";
import { ColumnMenu } from "../parts/ColumnMenu";
import { useKindOptions, useSectionOptions } from "../parts/changeOptions";
import { type Column, DataTable } from "../parts/DataTable";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter, TextFilter, WordFilter } from "../parts/Filters";
import { MachineLink } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { PeriodFilter, usePeriodText } from "../parts/PeriodFilter";
import { DiffCounts } from "../parts/RowDiff";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

const PERIOD = "7d";

/** A link to the change in the machine's own history, unfolded. */
function ChangeLink({ c, children }: { c: FleetChange; children: React.ReactNode }) {
  return (
    <Link
      to="/machines/$id"
      params={{ id: c.device.id }}
      search={{ tab: "changes", section: c.section, open: c.id } as never}
      className="link"
      title={c.sample.join("\n")}
    >
      {children}
    </Link>
  );
}

/** '− bash 5.1' with a true minus: the hyphen of the wire is hard to see. */
function Sample({ c }: { c: FleetChange }) {
  const { t } = useTranslation();
  if (c.kind === "first") return <span className="soft">{t("machine.first", { count: c.added_count })}</span>;
  const rest = c.added_count + c.removed_count - c.sample.length;
  return (
    <span className="sample-line cut">
      {c.sample.map((text, i) => (
        <span key={i} className={text.startsWith("+") ? "added" : "removed"}>
          {text.replace(/^- /, "− ")}
        </span>
      ))}
      {rest > 0 && <span className="soft">…</span>}
    </span>
  );
}

function useChangeColumns(): Column<FleetChange>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "machine",
        csv: ["device", "device_name"],
        head: t("assignment.machine"),
        width: 190,
        cell: (c) => <MachineLink device={c.device} />,
      },
      { id: "at", csv: ["at"], head: t("change.at"), width: 110, cell: (c) => <Time at={c.at} /> },
      {
        id: "section",
        csv: ["section"],
        head: t("change.section"),
        width: 170,
        cell: (c) => <ChangeLink c={c}>{word(t, "section", c.section)}</ChangeLink>,
      },
      { id: "kind", csv: ["kind"], head: t("change.kind"), width: 150, extra: true, cell: (c) => t(`change.kind_${c.kind}`) },
      {
        id: "counts",
        csv: ["added_count", "removed_count"],
        head: t("change.rows"),
        width: 110,
        cell: (c) => <DiffCounts added={c.added_count} removed={c.removed_count} changed={0} />,
      },
      { id: "sample", grow: true, csv: ["sample"], head: t("change.sample"), width: 480, cell: (c) => <Sample c={c} /> },
    ],
    [t],
  );
}

export function FleetChanges() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const all = useChangeColumns();
  const { columns, shown, choose } = useColumns("changes", all, search.cols, change);
  const sections = useSectionOptions();
  const kinds = useKindOptions();
  const say = usePeriodText();
  // A link that gives only an end means all before it.
  const since = search.since ?? (search.until ? undefined : PERIOD);
  const filter = { q: search.q, section: search.section, kind: search.kind, since, until: search.until, device: search.device };
  const list = useList<FleetChange>("changes", "/changes", filter);
  const period = say(since, search.until);
  const narrowed = !!(search.q || search.section || search.kind || search.device);
  return (
    <div className="page fill">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.changes")}
        facts={list.total === null ? t("change.facts", { period }) : t("change.count", { count: list.total, period })}
        actions={<ExportCsv resource="/changes" params={filter} columns={csvColumns(columns, ["id"])} count={list.total} />}
      />
      <FleetTabs now="changes" />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("change.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <PeriodFilter
          label={t("period.period")}
          since={since}
          until={search.until}
          onChange={(patch) => change({ since: undefined, until: undefined, ...patch })}
        />
        <ChoiceFilter label={t("change.section")} value={search.section} options={sections} onChange={(section) => change({ section })} />
        <ChoiceFilter label={t("change.kind")} value={search.kind} options={kinds} onChange={(kind) => change({ kind })} />
        {search.device && <WordFilter label={t("machine.one")} value={search.device} onChange={(device) => change({ device })} />}
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.changes")}
        list={list}
        columns={columns}
        rowKey={(c) => c.id}
        narrow={(c) => (
          <div className="two">
            <div className="a">
              <span className="cut">
                <MachineLink device={c.device} /> · <ChangeLink c={c}>{word(t, "section", c.section)}</ChangeLink>
              </span>
              <span className="soft">
                <Time at={c.at} />
              </span>
            </div>
            <div className="b">
              <Sample c={c} />
            </div>
          </div>
        )}
        empty={
          <Empty title={t("change.none", { period })} why={narrowed ? t("machines.none_match_why") : t("machine.no_change_why")}>
            <Button
              onClick={() =>
                change({ q: undefined, section: undefined, kind: undefined, device: undefined, since: "90d", until: undefined })
              }
            >
              {t("change.longer")}
            </Button>
          </Empty>
        }
      />
    </div>
  );
}
