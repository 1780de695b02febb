// One program: its versions with the number of their machines, and which machine has which version.
import { Button } from "@mantine/core";
import { IconDeviceDesktop } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { Program, ProgramHolder, ProgramVersion } from "../api/types";
import { csvColumns } from "../lib/columns";
import { number } from "../lib/format";
import { useAddress, useColumns } from "../lib/listview";
import { machinesSearch, type Search } from "../lib/search";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty } from "../parts/Feedback";
import { WordFilter } from "../parts/Filters";
import { MachineLink } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { ProgramLink } from "../parts/ProgramLink";
import { Tabs } from "../parts/Tabs";
import { Time } from "../parts/Time";

type Change = (patch: Record<string, string | undefined>) => void;
type TabProps = { search: Search; change: Change; head: (actions: React.ReactNode) => React.ReactNode };

export function ProgramPage() {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const name = search.name ?? "";
  const tab = search.tab === "devices" ? "devices" : "versions";
  const found = useList<Program>("software", "/software", { name, publisher: search.publisher, limit: 20 }, name !== "");
  const sum = (of: (p: Program) => number) => found.items.reduce((all, p) => all + of(p), 0);
  const publishers = [...new Set(found.items.map((p) => p.publisher).filter(Boolean))];
  const crumbs = [{ label: t("nav.software"), to: "/fleet/software" }];
  const facts = found.items.length > 0 && (
    <>
      <span>{publishers.slice(0, 3).join(", ")}</span>
      <span>{t("software.versions_count", { count: sum((p) => p.versions) })}</span>
      {found.items.length === 1 && <span>{t("machines.count", { count: sum((p) => p.devices) })}</span>}
    </>
  );
  const head = (actions: React.ReactNode) => (
    <>
      <PageHead crumbs={crumbs} title={name || t("software.program")} facts={facts} actions={actions} />
      <Tabs
        label={t("software.parts")}
        now={tab}
        tabs={[
          { name: "versions", label: t("software.versions") },
          {
            name: "devices",
            label: t("nav.machines"),
            count:
              found.items.length === 1
                ? number(
                    sum((p) => p.devices),
                    i18n.language,
                  )
                : undefined,
          },
        ]}
        onChange={(to) =>
          change({
            tab: to === "devices" ? to : undefined,
            version: undefined,
            arch: undefined,
            below: undefined,
            from: undefined,
            cols: undefined,
            sort: undefined,
          })
        }
      />
    </>
  );
  if (!name) {
    return (
      <div className="page">
        <PageHead crumbs={crumbs} title={t("software.program")} />
        <Empty title={t("software.no_name")} />
      </div>
    );
  }
  const props = { search, change, head };
  return <div className="page fill">{tab === "devices" ? <Holders {...props} /> : <Versions {...props} />}</div>;
}

function useVersionColumns(): Column<ProgramVersion>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      {
        id: "version",
        csv: ["version"],
        head: t("field.version"),
        width: 240,
        sort: "version",
        cell: (v) => (
          <ProgramLink p={v} tab="devices" version={v.version}>
            {v.version || t("software.no_version")}
          </ProgramLink>
        ),
      },
      {
        id: "publisher",
        csv: ["publisher"],
        head: t("field.publisher"),
        width: 240,
        cell: (v) => v.publisher || <span className="soft">–</span>,
      },
      { id: "arch", csv: ["arch"], head: t("field.arch"), width: 120, cell: (v) => v.arch || <span className="soft">–</span> },
      {
        id: "devices",
        csv: ["devices"],
        head: t("nav.machines"),
        width: 110,
        right: true,
        cell: (v) => (
          <ProgramLink p={v} tab="devices" version={v.version} arch={v.arch}>
            {number(v.devices, i18n.language)}
          </ProgramLink>
        ),
      },
      {
        id: "below",
        head: t("software.older"),
        width: 170,
        cell: (v) =>
          v.version && (
            <ProgramLink p={v} tab="devices" below={v.version}>
              {t("software.show_below")}
            </ProgramLink>
          ),
      },
    ],
    [t, i18n.language],
  );
}

function Versions({ search, change, head }: TabProps) {
  const { t } = useTranslation();
  const all = useVersionColumns();
  const { columns, shown, choose } = useColumns("versions", all, search.cols, change);
  const filter = { name: search.name, publisher: search.publisher, below: search.below, from: search.from };
  const list = useList<ProgramVersion>("software", "/software/versions", { ...filter, sort: search.sort });
  return (
    <>
      {head(
        <ExportCsv
          resource="/software/versions"
          params={{ ...filter, sort: search.sort }}
          columns={csvColumns(columns, ["name"])}
          count={list.total}
        />,
      )}
      <search className="filters" aria-label={t("filter.bar")}>
        <Range search={search} change={change} />
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("software.versions")}
        list={list}
        columns={columns}
        rowKey={(v) => [v.name, v.version, v.publisher, v.arch].join("\n")}
        sort={search.sort ?? "-version"}
        onSort={(sort) => change({ sort })}
        narrow={(v) => (
          <div className="two">
            <div className="a">
              <ProgramLink p={v} tab="devices" version={v.version} arch={v.arch}>
                {v.version || t("software.no_version")}
              </ProgramLink>
              <span className="soft">{t("machines.count", { count: v.devices })}</span>
            </div>
            <div className="b">{[v.publisher, v.arch].filter(Boolean).join(" · ")}</div>
          </div>
        )}
        empty={<Empty title={t("software.none_match")} why={t("software.versions_none_why")} />}
      />
    </>
  );
}

function Range({ search, change }: { search: Search; change: Change }) {
  const { t } = useTranslation();
  return (
    <>
      <WordFilter label={t("software.below")} value={search.below} onChange={(below) => change({ below })} />
      <WordFilter label={t("software.from")} value={search.from} onChange={(from) => change({ from })} />
    </>
  );
}

function useHolderColumns(): Column<ProgramHolder>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "machine",
        csv: ["device", "device_name"],
        head: t("assignment.machine"),
        width: 220,
        cell: (h) => <MachineLink device={h.device} />,
      },
      {
        id: "version",
        csv: ["version"],
        head: t("field.version"),
        width: 190,
        sort: "version",
        cell: (h) => h.version || <span className="soft">{t("software.no_version")}</span>,
      },
      { id: "arch", csv: ["arch"], head: t("field.arch"), width: 110, cell: (h) => h.arch || <span className="soft">–</span> },
      {
        id: "publisher",
        csv: ["publisher"],
        head: t("field.publisher"),
        width: 200,
        extra: true,
        cell: (h) => h.publisher || <span className="soft">–</span>,
      },
      { id: "os", csv: ["os"], head: t("device.os"), width: 230, cell: (h) => h.device.os ?? <span className="soft">–</span> },
      {
        id: "since",
        csv: ["since"],
        head: t("software.since"),
        width: 150,
        cell: (h) => <Time at={h.since} empty={t("software.from_start")} />,
      },
      {
        id: "last_inventory",
        csv: ["last_inventory"],
        head: t("device.last_inventory"),
        width: 130,
        cell: (h) => <Time at={h.device.last_inventory} empty={t("device.never")} />,
      },
    ],
    [t],
  );
}

function Holders({ search, change, head }: TabProps) {
  const { t } = useTranslation();
  const all = useHolderColumns();
  const { columns, shown, choose } = useColumns("holders", all, search.cols, change);
  const { name, publisher, version, below, from, arch } = search;
  const filter = { name, publisher, version, below, from, arch };
  const list = useList<ProgramHolder>("holders", "/software/devices", { ...filter, sort: search.sort });
  const machines = machinesSearch(search);
  return (
    <>
      {head(
        <>
          {machines && (
            <Button
              leftSection={<IconDeviceDesktop size={15} aria-hidden />}
              renderRoot={(props) => <Link to="/machines" search={machines as never} {...props} />}
            >
              {t("software.in_machines")}
            </Button>
          )}
          <ExportCsv
            resource="/software/devices"
            params={{ ...filter, sort: search.sort }}
            columns={csvColumns(columns, ["device", "name"])}
            count={list.total}
          />
        </>,
      )}
      <search className="filters" aria-label={t("filter.bar")}>
        <Range search={search} change={change} />
        <WordFilter label={t("software.exactly")} value={version} onChange={(v) => change({ version: v })} />
        {arch && <WordFilter label={t("field.arch")} value={arch} onChange={(v) => change({ arch: v })} />}
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.machines")}
        list={list}
        columns={columns}
        rowKey={(h) => [h.device.id, h.version, h.publisher, h.arch].join("\n")}
        sort={search.sort ?? "version"}
        onSort={(sort) => change({ sort })}
        narrow={(h) => (
          <div className="two">
            <div className="a">
              <MachineLink device={h.device} />
              <span>{h.version}</span>
            </div>
            <div className="b">{[h.device.os, h.arch].filter(Boolean).join(" · ")}</div>
          </div>
        )}
        empty={<Empty title={t("machines.none_match")} why={t("machines.none_match_why")} />}
      />
    </>
  );
}
