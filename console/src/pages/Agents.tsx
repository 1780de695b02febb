// The agents of all protocols: versions, presence, how they can be woken; the fleet's own areas as tabs.
import { Button, Drawer, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { agents } from "../api/client";
import { useList, useMay } from "../api/queries";
import type { Agent, Wake } from "../api/types";
import { word } from "../i18n/say";
import { csvColumns } from "../lib/columns";
import { useAddress, useColumns } from "../lib/listview";
import { AgentFacts } from "../parts/AgentFacts";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty, Fault, Lines, shout } from "../parts/Feedback";
import { ChoiceFilter, TextFilter, WordFilter } from "../parts/Filters";
import { FormDialog } from "../parts/FormDialog";
import { MachineLink, PROTOCOLS, protocolName } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

const asRef = (a: Agent) => ({ id: a.id, protocol: a.protocol, version: a.version, last_contact: a.last_contact, online: a.online });

function useAgentColumns(open: (id: string) => void): Column<Agent>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "agent",
        csv: ["protocol", "version", "online"],
        head: t("device.agent"),
        width: 190,
        cell: (a) => (
          <span className="row">
            <span className={asRef(a).online ? "dot on" : "dot"} aria-hidden />
            <button type="button" className="plain link" onClick={() => open(a.id)}>
              {protocolName(a.protocol)} {a.version}
            </button>
            <span className="hidden-label">{a.online ? t("presence.online") : t("presence.offline")}</span>
          </span>
        ),
      },
      {
        id: "machine",
        csv: ["device", "device_name"],
        head: t("assignment.machine"),
        width: 190,
        cell: (a) => (a.device ? <MachineLink device={a.device} /> : "–"),
      },
      {
        id: "verified",
        csv: ["verified"],
        head: t("device.verified"),
        width: 90,
        cell: (a) => (a.quarantine ? t("agent.quarantine") : a.verified ? t("common.yes") : t("common.no")),
      },
      {
        id: "last",
        csv: ["last_contact"],
        head: t("device.last_contact"),
        width: 120,
        cell: (a) => <Time at={a.last_contact} empty={t("device.never")} />,
      },
      { id: "next", csv: ["next_contact"], head: t("agent.next_contact"), width: 120, cell: (a) => <Time at={a.next_contact} /> },
      { id: "wake", head: t("agent.wake"), width: 170, cell: (a) => t(`agent.wake_${a.wake.way}`) },
      {
        id: "last_wake",
        csv: ["last_wake", "last_wake_outcome"],
        head: t("agent.last_wake"),
        width: 110,
        cell: (a) => (a.wake.last ? word(t, "wake", a.wake.last.outcome) : <span className="soft">–</span>),
      },
      {
        id: "address",
        csv: ["address", "port"],
        head: t("agent.address"),
        width: 140,
        cell: (a) => <span className="mono">{a.address ?? "–"}</span>,
      },
      {
        id: "foreign",
        csv: ["foreign_id"],
        head: "DEVICEID",
        width: 280,
        extra: true,
        cell: (a) => <span className="mono">{a.foreign_id ?? "–"}</span>,
      },
    ],
    [t, open],
  );
}

export function Agents() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const [open] = useState(() => (id: string) => change({ open: id }));
  const [shuts, shut] = useState<string | null>(null);
  const all = useAgentColumns(open);
  const { columns, shown, choose } = useColumns("agents", all, search.cols, change);
  const { cols: _cols, open: opened, ...filter } = search;
  const list = useList<Agent>("agents", "/agents", filter);
  const protocols = Object.entries(PROTOCOLS).map(([value, name]) => ({ value, label: name, text: name }));
  const yesNo = [
    { value: "true", label: t("common.yes"), text: t("common.yes") },
    { value: "false", label: t("common.no"), text: t("common.no") },
  ];
  return (
    <div className="page fill">
      <PageHead
        title={t("nav.fleet")}
        facts={list.total !== null && t("agent.count", { count: list.total })}
        actions={<ExportCsv resource="/agents" params={filter} columns={csvColumns(columns, ["id"])} count={list.total} />}
      />
      <FleetTabs now="agents" />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("agent.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <ChoiceFilter label={t("device.protocol")} value={search.protocol} options={protocols} onChange={(v) => change({ protocol: v })} />
        <WordFilter label={t("agent.version")} value={search.version} onChange={(version) => change({ version })} />
        <ChoiceFilter one label={t("presence.online")} value={search.online} options={yesNo} onChange={(v) => change({ online: v })} />
        <ChoiceFilter one label={t("device.verified")} value={search.verified} options={yesNo} onChange={(v) => change({ verified: v })} />
        <ChoiceFilter
          one
          label={t("agent.quarantine")}
          value={search.quarantined}
          options={yesNo}
          onChange={(v) => change({ quarantined: v })}
        />
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.agents")}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        narrow={(a) => (
          <div className="two">
            <div className="a">
              <button type="button" className="plain link" onClick={() => open(a.id)}>
                {protocolName(a.protocol)} {a.version}
              </button>
              <span className="soft">
                <Time at={a.last_contact} />
              </span>
            </div>
            <div className="b">{a.device?.name ?? "–"}</div>
          </div>
        )}
        empty={<Empty title={t("agent.none")} why={t("machines.none_match_why")} />}
      />
      <Drawer
        opened={!!opened}
        onClose={() => change({ open: undefined })}
        position="right"
        size={420}
        title={t("device.agent")}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {opened && (
          <AgentBody
            id={opened}
            known={list.items.find((a) => a.id === opened)}
            shut={() => {
              change({ open: undefined });
              shut(opened);
            }}
          />
        )}
      </Drawer>
      {shuts && <Quarantine id={shuts} onClose={() => shut(null)} />}
    </div>
  );
}

function AgentBody({ id, known, shut }: { id: string; known: Agent | undefined; shut: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const may = useMay("operator");
  const wakes = useList<Wake>("agents", `/agents/${encodeURIComponent(id)}/wakes`, { limit: 20 });
  const changed = () => client.invalidateQueries({ queryKey: ["agents"] });
  const set = (patch: { verified?: boolean; quarantined?: boolean }) =>
    agents
      .change(id, patch)
      .then(changed)
      .catch((e) => shout(t, e));
  return (
    <div className="stack" style={{ gap: 18 }}>
      {known && <AgentFacts agent={known} />}
      {known?.device && <MachineLink device={known.device} />}
      {known && may && (
        <>
          <Button onClick={() => set({ verified: !known.verified })}>{t(known.verified ? "agent.unverify" : "agent.verify")}</Button>
          {known.quarantine ? (
            <Button onClick={() => set({ quarantined: false })}>{t("agent.quarantine_end")}</Button>
          ) : (
            <Button onClick={shut}>{t("agent.quarantine_put")}</Button>
          )}
        </>
      )}
      <section>
        <h3>{t("agent.wakes")}</h3>
        {wakes.query.isError && <Fault error={wakes.query.error} retry={() => wakes.query.refetch()} />}
        {wakes.query.isLoading && <Lines count={3} />}
        {!wakes.query.isLoading && wakes.items.length === 0 && <p className="soft">{t("agent.no_wake")}</p>}
        <ol className="lines">
          {wakes.items.map((w) => (
            <li key={w.id} style={{ padding: "6px 0" }} className="row spread">
              <span>
                {word(t, "wake", w.outcome)} {w.detail && <span className="soft">· {w.detail}</span>}
              </span>
              <span className="soft">
                <Time at={w.at} />
              </span>
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

/** Asks why an agent is shut out of all work, and does it. */
function Quarantine({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const act = () =>
    agents
      .change(id, { quarantined: true, reason })
      .then(() => client.invalidateQueries({ queryKey: ["agents"] }))
      .then(onClose);
  return (
    <FormDialog title={t("agent.quarantine_put")} verb={t("agent.quarantine_put")} act={act} onClose={onClose}>
      <p>{t("agent.quarantine_what")}</p>
      <TextInput data-autofocus label={t("agent.quarantine_why")} value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
    </FormDialog>
  );
}
