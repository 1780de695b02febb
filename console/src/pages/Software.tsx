// Programs across the fleet: all of them, and those that appeared lately. Every number leads to its list.
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { AppearedList, AppearedProgram, Program, ProgramList } from "../api/types";
import { csvColumns } from "../lib/columns";
import { moment, number } from "../lib/format";
import { useAddress, useColumns } from "../lib/listview";
import { instant } from "../lib/period";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty } from "../parts/Feedback";
import { TextFilter, WordFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { PeriodFilter, usePeriodText } from "../parts/PeriodFilter";
import { ProgramLink } from "../parts/ProgramLink";
import { Tabs } from "../parts/Tabs";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

export function Software() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const appeared = search.tab === "appeared";
  const tabs = (
    <Tabs
      label={t("software.parts")}
      now={appeared ? "appeared" : "programs"}
      tabs={[
        { name: "programs", label: t("device.programs") },
        { name: "appeared", label: t("software.appeared") },
      ]}
      onChange={(tab) =>
        change({
          tab: tab === "appeared" ? tab : undefined,
          sort: undefined,
          cols: undefined,
          since: undefined,
          until: undefined,
          publisher: undefined,
        })
      }
    />
  );
  return appeared ? <Appeared tabs={tabs} /> : <Programs tabs={tabs} />;
}

function useProgramColumns(): Column<Program>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      {
        id: "name",
        csv: ["name"],
        head: t("software.program"),
        width: 340,
        sort: "name",
        cell: (p) => <ProgramLink p={p}>{p.name}</ProgramLink>,
      },
      {
        id: "publisher",
        csv: ["publisher"],
        head: t("field.publisher"),
        width: 240,
        cell: (p) => p.publisher || <span className="soft">–</span>,
      },
      {
        id: "newest",
        csv: ["newest"],
        head: t("software.newest"),
        width: 180,
        cell: (p) => (
          <ProgramLink p={p} tab="devices" version={p.newest}>
            {p.newest || "–"}
          </ProgramLink>
        ),
      },
      {
        id: "versions",
        csv: ["versions"],
        head: t("software.versions"),
        width: 100,
        right: true,
        cell: (p) => <ProgramLink p={p}>{number(p.versions, i18n.language)}</ProgramLink>,
      },
      {
        id: "devices",
        csv: ["devices"],
        head: t("nav.machines"),
        width: 110,
        right: true,
        sort: "devices",
        cell: (p) => (
          <ProgramLink p={p} tab="devices">
            {number(p.devices, i18n.language)}
          </ProgramLink>
        ),
      },
    ],
    [t, i18n.language],
  );
}

function Programs({ tabs }: { tabs: React.ReactNode }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const all = useProgramColumns();
  const { columns, shown, choose } = useColumns("software", all, search.cols, change);
  const filter = { q: search.q, publisher: search.publisher };
  const list = useList<Program>("software", "/software", { ...filter, sort: search.sort });
  const first = list.query.data?.pages[0] as ProgramList | undefined;
  const filtered = !!(filter.q || filter.publisher);
  return (
    <div className="page fill">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.software")}
        facts={
          <>
            {list.total !== null && <span>{t(filtered ? "software.match" : "software.count", { count: list.total })}</span>}
            {first?.as_of && (
              <span>
                {t("software.as_of")} <Time at={first.as_of} />
              </span>
            )}
          </>
        }
        actions={
          <ExportCsv resource="/software" params={{ ...filter, sort: search.sort }} columns={csvColumns(columns)} count={list.total} />
        }
      />
      <FleetTabs now="software" />
      <search className="filters" aria-label={t("filter.bar")}>
        {tabs}
        <TextFilter label={t("software.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <WordFilter label={t("field.publisher")} value={search.publisher} onChange={(publisher) => change({ publisher })} />
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("device.programs")}
        list={list}
        columns={columns}
        rowKey={(p) => `${p.name}\n${p.publisher}`}
        sort={search.sort}
        onSort={(sort) => change({ sort })}
        narrow={(p) => (
          <div className="two">
            <div className="a">
              <span className="cut">
                <ProgramLink p={p}>{p.name}</ProgramLink>
              </span>
              <span className="soft">{t("machines.count", { count: p.devices })}</span>
            </div>
            <div className="b">
              {[p.publisher, p.newest, t("software.versions_count", { count: p.versions })].filter(Boolean).join(" · ")}
            </div>
          </div>
        )}
        empty={
          filtered ? (
            <Empty title={t("software.none_match")} why={t("machines.none_match_why")}>
              <Button onClick={() => change({ q: undefined, publisher: undefined })}>{t("filter.clear_all")}</Button>
            </Empty>
          ) : (
            <Empty title={t("software.none")} why={t("software.none_why", { lng: i18n.language })} />
          )
        }
      />
    </div>
  );
}

function useAppearedColumns(): Column<AppearedProgram>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      {
        id: "name",
        csv: ["name"],
        head: t("software.program"),
        width: 260,
        sort: "name",
        cell: (p) => (
          <span className="row">
            <span className="cut">
              <ProgramLink p={p}>{p.name}</ProgramLink>
            </span>
            {p.new_to_fleet && <span className="chip strong">{t("software.new")}</span>}
          </span>
        ),
      },
      {
        id: "new",
        csv: ["new_to_fleet"],
        head: t("software.new_to_fleet"),
        width: 130,
        extra: true,
        cell: (p) => (p.new_to_fleet ? t("common.yes") : t("common.no")),
      },
      { id: "version", csv: ["version"], head: t("field.version"), width: 170, cell: (p) => p.version || "–" },
      {
        id: "publisher",
        csv: ["publisher"],
        head: t("field.publisher"),
        width: 200,
        cell: (p) => p.publisher || <span className="soft">–</span>,
      },
      { id: "arch", csv: ["arch"], head: t("field.arch"), width: 110, extra: true, cell: (p) => p.arch || <span className="soft">–</span> },
      {
        id: "devices",
        csv: ["devices"],
        head: t("nav.machines"),
        width: 110,
        right: true,
        sort: "devices",
        cell: (p) => (
          <ProgramLink p={p} tab="devices" version={p.version} arch={p.arch}>
            {number(p.devices, i18n.language)}
          </ProgramLink>
        ),
      },
      { id: "first", csv: ["first_at"], head: t("software.first_at"), width: 130, sort: "first_at", cell: (p) => <Time at={p.first_at} /> },
      { id: "last", csv: ["last_at"], head: t("software.last_at"), width: 130, sort: "last_at", cell: (p) => <Time at={p.last_at} /> },
    ],
    [t, i18n.language],
  );
}

const PERIOD = "7d";
const TOLERANCE_MS = 120_000;

/** Whether the answer is whole only since some time after what was asked for. */
function isLater(told: string, asked: string): boolean {
  const wanted = instant(asked, Date.now());
  return wanted !== null && Date.parse(told) > wanted + TOLERANCE_MS;
}

function Appeared({ tabs }: { tabs: React.ReactNode }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const all = useAppearedColumns();
  const { columns, shown, choose } = useColumns("appeared", all, search.cols, change);
  const since = search.since ?? PERIOD;
  const filter = { q: search.q, since, until: search.until };
  const list = useList<AppearedProgram>("appeared", "/software/appeared", { ...filter, sort: search.sort });
  const first = list.query.data?.pages[0] as AppearedList | undefined;
  const say = usePeriodText();
  const late = first?.since && isLater(first.since, since) ? first.since : null;
  // What nobody had before stands above, as long as no other order is asked for.
  const items = useMemo(
    () => (search.sort ? list.items : list.items.toSorted((a, b) => Number(b.new_to_fleet) - Number(a.new_to_fleet))),
    [list.items, search.sort],
  );
  return (
    <div className="page fill">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.software")}
        facts={
          <>
            {list.total !== null && <span>{t("software.appeared_count", { count: list.total, period: say(since, search.until) })}</span>}
            {late && <span>{t("software.whole_since", { date: moment(Date.parse(late), i18n.language) })}</span>}
          </>
        }
        actions={
          <ExportCsv
            resource="/software/appeared"
            params={{ ...filter, sort: search.sort }}
            columns={csvColumns(columns)}
            count={list.total}
          />
        }
      />
      <FleetTabs now="software" />
      <search className="filters" aria-label={t("filter.bar")}>
        {tabs}
        <TextFilter label={t("software.search_name")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <PeriodFilter
          label={t("period.period")}
          since={since}
          until={search.until}
          onChange={(patch) => change({ since: undefined, until: undefined, ...patch })}
        />
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("software.appeared")}
        list={{ ...list, items }}
        columns={columns}
        rowKey={(p) => [p.name, p.version, p.publisher, p.arch].join("\n")}
        sort={search.sort}
        onSort={(sort) => change({ sort })}
        narrow={(p) => (
          <div className="two">
            <div className="a">
              <span className="cut">
                <ProgramLink p={p}>{p.name}</ProgramLink> {p.new_to_fleet && <span className="chip strong">{t("software.new")}</span>}
              </span>
              <span className="soft">{t("machines.count", { count: p.devices })}</span>
            </div>
            <div className="b">
              {[p.version, p.publisher].filter(Boolean).join(" · ")} · <Time at={p.last_at} />
            </div>
          </div>
        )}
        empty={
          <Empty title={t("software.appeared_none")} why={t("software.appeared_none_why")}>
            <Link to="/fleet/changes" className="text-link">
              {t("nav.changes")}
            </Link>
          </Empty>
        }
      />
    </div>
  );
}
