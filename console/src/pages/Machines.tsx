// The fleet as a list: filtered, ordered and paged by the server; actions act on the filter.
import { ActionIcon, Button, Tooltip } from "@mantine/core";
import { IconBolt, IconHelp } from "@tabler/icons-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useList, useMay } from "../api/queries";
import type { Device } from "../api/types";
import { csvColumns } from "../lib/columns";
import { mebibytes, number } from "../lib/format";
import { useAddress, useColumns } from "../lib/listview";
import { filterOf, type Search } from "../lib/search";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter, TextFilter, WordFilter } from "../parts/Filters";
import { InventoryNow } from "../parts/InventoryNow";
import { MachineLink, PROTOCOLS, Presence, protocolName } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { QueryHelp } from "../parts/QueryHelp";
import { Time } from "../parts/Time";

function useMachineColumns(): Column<Device>[] {
  const { t, i18n } = useTranslation();
  return useMemo(() => {
    const text = (id: keyof Device, head: string, width: number, sort?: string, extra?: boolean): Column<Device> => ({
      id,
      head,
      width,
      sort,
      extra,
      csv: [id],
      cell: (d) => <Cell value={d[id]} mono={id === "serial" || id === "uuid"} />,
    });
    return [
      {
        id: "name",
        csv: ["name"],
        head: t("device.name"),
        width: 210,
        sort: "name",
        cell: (d) => (
          <span className="row">
            <Presence agent={d.agent} short />
            <span className="cut">
              <MachineLink device={d} />
            </span>
            {!d.verified && <span className="chip">{t("device.unverified")}</span>}
          </span>
        ),
      },
      text("os", t("device.os"), 225, "os"),
      text("manufacturer", t("device.manufacturer"), 140, "manufacturer", true),
      text("model", t("device.model"), 150, "model"),
      text("serial", t("device.serial"), 130, "serial", true),
      text("uuid", t("device.uuid"), 290, undefined, true),
      {
        id: "ips",
        csv: ["ips"],
        head: t("device.ip"),
        width: 140,
        cell: (d) => <Several values={d.ips} />,
      },
      { id: "macs", csv: ["macs"], head: t("device.mac"), width: 160, extra: true, cell: (d) => <Several values={d.macs} mono /> },
      text("tag", t("device.tag"), 80, "tag"),
      {
        id: "agent",
        csv: ["protocol", "agent_version"],
        head: t("device.agent"),
        width: 150,
        cell: (d) => (d.agent ? `${protocolName(d.agent.protocol)} ${d.agent.version ?? ""}` : "–"),
      },
      {
        id: "last_contact",
        csv: ["last_contact"],
        head: t("device.last_contact"),
        width: 112,
        sort: "last_contact",
        cell: (d) => <Time at={d.agent?.last_contact} empty={t("device.never")} />,
      },
      {
        id: "last_inventory",
        csv: ["last_inventory"],
        head: t("device.last_inventory"),
        width: 112,
        sort: "last_inventory",
        cell: (d) => <Time at={d.last_inventory} empty={t("device.never")} />,
      },
      {
        id: "first_seen",
        csv: ["first_seen"],
        head: t("device.first_seen"),
        width: 120,
        sort: "first_seen",
        extra: true,
        cell: (d) => <Time at={d.first_seen} />,
      },
      text("cpu", t("device.cpu"), 230, undefined, true),
      {
        id: "memory_mb",
        csv: ["memory_mb"],
        head: t("device.memory"),
        width: 90,
        right: true,
        extra: true,
        cell: (d) => (d.memory_mb === null ? "–" : mebibytes(d.memory_mb, i18n.language)),
      },
      {
        id: "software_count",
        csv: ["software_count"],
        head: t("device.programs"),
        width: 100,
        right: true,
        extra: true,
        cell: (d) => number(d.software_count, i18n.language),
      },
      {
        id: "findings",
        csv: ["findings"],
        head: t("device.findings"),
        width: 90,
        right: true,
        extra: true,
        cell: (d) => number(d.findings, i18n.language),
      },
    ];
  }, [t, i18n.language]);
}

function Cell({ value, mono }: { value: unknown; mono?: boolean }) {
  if (value === null || value === undefined || value === "") return <span className="soft">–</span>;
  return (
    <span className={mono ? "mono" : undefined} title={String(value)}>
      {String(value)}
    </span>
  );
}

function Several({ values, mono }: { values: string[]; mono?: boolean }) {
  if (values.length === 0) return <span className="soft">–</span>;
  return (
    <span className={mono ? "mono" : "digits"} title={values.join("\n")}>
      {values[0]}
      {values.length > 1 && <span className="soft"> +{values.length - 1}</span>}
    </span>
  );
}

const NARROW = (d: Device) => (
  <div className="two">
    <div className="a">
      <span className="row cut">
        <Presence agent={d.agent} short />
        <MachineLink device={d} />
      </span>
      <span className="soft">
        <Time at={d.last_inventory} />
      </span>
    </div>
    <div className="b">{[d.os, d.ips[0], d.agent && protocolName(d.agent.protocol)].filter(Boolean).join(" · ")}</div>
  </div>
);

export function Machines() {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const all = useMachineColumns();
  const { columns, shown, choose } = useColumns("machines", all, search.cols, change);
  const filter = useMemo(() => filterOf(search), [search]);
  const filtered = Object.keys(filter).length > 0;
  const list = useList<Device>("devices", "/devices", { ...filter, sort: search.sort });
  const count = list.query.isPlaceholderData ? null : list.total;
  return (
    <div className="page fill">
      <PageHead
        title={t("nav.machines")}
        facts={
          list.query.isError ? null : count === null ? t("common.loading") : t(filtered ? "machines.match" : "machines.count", { count })
        }
        actions={<Actions filter={filter} sort={search.sort} columns={columns} count={count} />}
      />
      <FilterBar search={search} change={change}>
        <ColumnMenu columns={all} shown={shown} onChange={choose} />
      </FilterBar>
      <DataTable
        label={t("nav.machines")}
        list={list}
        columns={columns}
        rowKey={(d) => d.id}
        narrow={NARROW}
        sort={search.sort}
        onSort={(sort) => change({ sort })}
        empty={<NoMachines filtered={filtered} clear={() => change(Object.fromEntries(Object.keys(filter).map((k) => [k, undefined])))} />}
      />
      <span className="hidden-label" role="status">
        {count !== null && t("machines.match", { count, lng: i18n.language })}
      </span>
    </div>
  );
}

function NoMachines({ filtered, clear }: { filtered: boolean; clear: () => void }) {
  const { t } = useTranslation();
  if (filtered) {
    return (
      <Empty title={t("machines.none_match")} why={t("machines.none_match_why")}>
        <Button onClick={clear}>{t("filter.clear_all")}</Button>
      </Empty>
    );
  }
  return (
    <Empty title={t("machines.none")} why={t("machines.none_why")}>
      <Button component="a" href="/fleet/join">
        {t("machines.none_next")}
      </Button>
    </Empty>
  );
}

type BarProps = { search: Search; change: (patch: Record<string, string | undefined>) => void; children: React.ReactNode };

function FilterBar({ search, change, children }: BarProps) {
  const { t } = useTranslation();
  const [help, setHelp] = useState(false);
  const [asked, setAsked] = useState(false);
  const yesNo = (yes: string, no: string) => [
    { value: "true", label: yes, text: yes },
    { value: "false", label: no, text: no },
  ];
  const protocols = Object.entries(PROTOCOLS).map(([value, name]) => ({ value, label: name, text: name }));
  const systems = (["linux", "windows", "macos", "other"] as const).map((value) => {
    const name = t(`os_family.${value}`);
    return { value, label: name, text: name };
  });
  const set = (key: string) => (value: string) => change({ [key]: value || undefined });
  const words = ["tag", "manufacturer", "model", "software"] as const;
  const rare = (["name", "serial", "uuid", "ip", "mac", "software_from", "software_below", "group"] as const).filter((key) => search[key]);
  const query = asked || !!search.query;
  return (
    <search className="filters" aria-label={t("filter.bar")}>
      <TextFilter label={t("machines.search")} value={search.q ?? ""} onChange={set("q")} />
      <ChoiceFilter label={t("device.system")} value={search.os_family} options={systems} onChange={set("os_family")} />
      <ChoiceFilter label={t("device.protocol")} value={search.protocol} options={protocols} onChange={set("protocol")} />
      <ChoiceFilter
        one
        label={t("device.presence")}
        value={search.online}
        options={yesNo(t("presence.online"), t("presence.offline"))}
        onChange={set("online")}
      />
      <ChoiceFilter
        one
        label={t("device.verified")}
        value={search.verified}
        options={yesNo(t("common.yes"), t("common.no"))}
        onChange={set("verified")}
      />
      {[...words, ...rare].map((key) => (
        <WordFilter key={key} label={t(key === "software" ? "device.program" : `device.${key}`)} value={search[key]} onChange={set(key)} />
      ))}
      {!query && <Button onClick={() => setAsked(true)}>{t("filter.query")}</Button>}
      <span style={{ marginLeft: "auto" }}>{children}</span>
      {query && (
        <span className="query row">
          <span className="grow">
            <TextFilter mono className="" label={t("filter.query_label")} value={search.query ?? ""} onChange={set("query")} />
          </span>
          <Tooltip label={t("query.title")}>
            <ActionIcon variant="default" size={30} aria-label={t("query.title")} onClick={() => setHelp(true)}>
              <IconHelp size={16} aria-hidden />
            </ActionIcon>
          </Tooltip>
        </span>
      )}
      <QueryHelp opened={help} onClose={() => setHelp(false)} />
    </search>
  );
}

type ActionsProps = { filter: Search; sort: string | undefined; columns: Column<Device>[]; count: number | null };

function Actions({ filter, sort, columns, count }: ActionsProps) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const [asking, setAsking] = useState(false);
  return (
    <>
      {may && (
        <Button leftSection={<IconBolt size={15} aria-hidden />} disabled={!count} onClick={() => setAsking(true)}>
          {count === null ? t("inventory.now") : t("inventory.now_count", { count })}
        </Button>
      )}
      <ExportCsv resource="/devices" params={{ ...filter, sort }} columns={csvColumns(columns, ["id"])} count={count} />
      {asking && count !== null && <InventoryNow target={{ filter, count }} onClose={() => setAsking(false)} />}
    </>
  );
}
