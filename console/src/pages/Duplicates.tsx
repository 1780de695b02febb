// Pairs of machines that may be one: the list, the pair that is looked at beside it, and what a person decides.
import { Button, Drawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { duplicates } from "../api/client";
import { renewIdentity, useCandidate, useList, useMay } from "../api/queries";
import type { Candidate, CandidateState } from "../api/types";
import { useKeys } from "../lib/keys";
import { useAddress } from "../lib/listview";
import { CandidateKindMark, EvidenceTable, SideBySide, useCandidateReason } from "../parts/Candidate";
import { type Column, DataTable } from "../parts/DataTable";
import { DismissDialog } from "../parts/DismissDialog";
import { ExportCsv } from "../parts/ExportCsv";
import { Empty, Fault, Lines, shout } from "../parts/Feedback";
import { ChoiceFilter, TextFilter, WordFilter } from "../parts/Filters";
import { MergeDialog } from "../parts/MergeDialog";
import { PageHead } from "../parts/PageHead";
import { Tabs } from "../parts/Tabs";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

const STATES = ["open", "dismissed", "merged"] as const;
const KINDS = ["duplicate", "clone"] as const;
const names = (c: Candidate) => c.devices.map((d) => d.name).join(" · ");

function useCandidateColumns(open: (id: string) => void): Column<Candidate>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "pair",
        head: t("duplicate.pair"),
        width: 190,
        cell: (c) => (
          <button type="button" className="plain link cut" onClick={() => open(c.id)}>
            {names(c)}
          </button>
        ),
      },
      {
        id: "points",
        head: t("duplicate.points"),
        width: 78,
        right: true,
        sort: "points",
        cell: (c) => c.points,
      },
      { id: "kind", head: t("duplicate.kind"), width: 122, cell: (c) => <CandidateKindMark kind={c.kind} /> },
      { id: "at", head: t("duplicate.at"), width: 100, sort: "at", cell: (c) => <Time at={c.at} /> },
    ],
    [t, open],
  );
}

type Asking = { act: "dismiss"; ids: string[] } | { act: "merge"; c: Candidate };

export function Duplicates() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const may = useMay("operator");
  const wide = useMediaQuery("(min-width: 1100px)", true, { getInitialValueInEffect: false }) ?? true;
  const [open] = useState(() => (id: string | undefined) => change({ open: id }));
  const [ticked, setTicked] = useState<Set<string>>(new Set());
  const [asking, setAsking] = useState<Asking | null>(null);
  const state = (STATES.find((s) => s === search.state) ?? "open") as CandidateState;
  const filter = { state, kind: search.kind, device: search.device, q: search.q };
  const list = useList<Candidate>("duplicates", "/duplicates", { ...filter, sort: search.sort });
  const columns = useCandidateColumns(open);
  const chosen = list.items.find((c) => c.id === search.open) ?? (wide && !search.open ? list.items[0] : undefined);
  const toggle = (id: string) => setTicked((now) => new Set(now.has(id) ? [...now].filter((x) => x !== id) : [...now, id]));
  const isOpen = state === "open";
  const beside = wide && (list.items.length > 0 || list.query.isLoading || !!search.open);
  const decide = (act: "merge" | "dismiss") => () => {
    if (!may || !chosen || chosen.state !== "open") return;
    if (act === "dismiss") setAsking({ act, ids: [chosen.id] });
    else if (chosen.devices.length === 2) setAsking({ act, c: chosen });
  };
  useKeys(
    may && isOpen
      ? [
          { keys: "m", label: t("duplicate.merge"), run: decide("merge") },
          { keys: "d", label: t("duplicate.dismiss"), run: decide("dismiss") },
        ]
      : [],
  );
  // After a decision the next pair is looked at, so that a long list can be worked through.
  const done = () => {
    const at = chosen ? list.items.indexOf(chosen) : -1;
    const next = list.items[at + 1] ?? list.items[at - 1];
    setAsking(null);
    setTicked(new Set());
    change({ open: wide ? next?.id : undefined });
  };
  const kinds = KINDS.map((value) => ({ value, label: <CandidateKindMark kind={value} />, text: t(`duplicate.kind_${value}`) }));
  const detail = (id: string) => <Detail id={id} known={list.items.find((c) => c.id === id)} ask={setAsking} may={may} />;
  return (
    <div className="page fill">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.duplicates")}
        facts={list.total !== null && t(`duplicate.facts_${state}`, { count: list.total })}
        actions={
          <>
            {ticked.size > 0 && (
              <>
                <Button onClick={() => setTicked(new Set())}>{t("queue.untick", { count: ticked.size })}</Button>
                <Button onClick={() => setAsking({ act: "dismiss", ids: [...ticked] })}>
                  {t("duplicate.dismiss_count", { count: ticked.size })}
                </Button>
              </>
            )}
            {may && isOpen && ticked.size === 0 && list.items.length > 1 && (
              <Button onClick={() => setTicked(new Set(list.items.map((c) => c.id)))}>
                {t("duplicate.tick_all", { count: list.items.length })}
              </Button>
            )}
            <ExportCsv resource="/duplicates" params={{ ...filter, sort: search.sort }} columns={[]} count={list.total} />
          </>
        }
      />
      <FleetTabs now="duplicates" />
      <search className="filters" aria-label={t("filter.bar")}>
        <Tabs
          label={t("duplicate.states")}
          now={state}
          tabs={STATES.map((name) => ({ name, label: t(`duplicate.state_${name}`) }))}
          onChange={(name) => {
            setTicked(new Set());
            change({ state: name === "open" ? undefined : name, open: undefined });
          }}
        />
        <TextFilter label={t("duplicate.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <ChoiceFilter label={t("duplicate.kind")} value={search.kind} options={kinds} onChange={(kind) => change({ kind })} />
        {search.device && <WordFilter label={t("machine.one")} value={search.device} onChange={(device) => change({ device })} />}
      </search>
      <div className={beside ? "beside" : "beside one"}>
        <DataTable
          label={t("nav.duplicates")}
          list={list}
          columns={columns}
          rowKey={(c) => c.id}
          rowName={names}
          sort={search.sort ?? "-points"}
          onSort={(sort) => change({ sort })}
          chosen={chosen?.id ?? ""}
          onWalk={wide ? (c) => open(c.id) : undefined}
          ticks={may && isOpen ? { ids: ticked, toggle, label: (name) => t("list.tick_row", { name }) } : undefined}
          narrow={(c) => (
            <div className="two">
              <div className="a">
                <button type="button" className="plain link cut" onClick={() => open(c.id)}>
                  {names(c)}
                </button>
                <span className="num">{c.points}</span>
              </div>
              <div className="b">
                <CandidateKindMark kind={c.kind} /> · <Time at={c.at} />
              </div>
            </div>
          )}
          empty={
            <NoPairs
              state={state}
              filtered={!!(search.q || search.kind || search.device)}
              clear={() => change({ q: undefined, kind: undefined, device: undefined })}
            />
          }
        />
        {beside && (
          <div className="card content">
            {chosen && detail(chosen.id)}
            {!chosen && search.open && !list.query.isLoading && detail(search.open)}
          </div>
        )}
      </div>
      {!wide && (
        <Drawer
          opened={!!search.open}
          onClose={() => open(undefined)}
          position="right"
          size={560}
          title={t("duplicate.one")}
          closeButtonProps={{ "aria-label": t("common.close") }}
        >
          {search.open && detail(search.open)}
        </Drawer>
      )}
      {asking?.act === "dismiss" && <DismissDialog ids={asking.ids} onDone={done} onClose={() => setAsking(null)} />}
      {asking?.act === "merge" && asking.c.devices[0] && asking.c.devices[1] && (
        <MergeDialog
          pair={[asking.c.devices[0], asking.c.devices[1]]}
          clone={asking.c.kind === "clone"}
          onDone={done}
          onClose={() => setAsking(null)}
        />
      )}
    </div>
  );
}

function NoPairs({ state, filtered, clear }: { state: CandidateState; filtered: boolean; clear: () => void }) {
  const { t } = useTranslation();
  if (!filtered) return <Empty title={t(`duplicate.none_${state}`)} why={t("duplicate.none_why")} />;
  return (
    <Empty title={t("duplicate.none_match")} why={t("machines.none_match_why")}>
      <Button onClick={clear}>{t("filter.clear_all")}</Button>
    </Empty>
  );
}

type DetailProps = { id: string; known: Candidate | undefined; ask: (what: Asking) => void; may: boolean };

function Detail({ id, known, ask, may }: DetailProps) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const read = useCandidate(id, !known);
  const why = useCandidateReason();
  const c = known ?? read.data;
  if (!c) return read.isError ? <Fault error={read.error} retry={() => read.refetch()} /> : <Lines count={10} />;
  const reopen = () =>
    duplicates
      .reopen(c.id)
      .then(() => renewIdentity(client))
      .catch((e) => shout(t, e));
  return (
    <div className="stack pair-detail">
      <div className="row wrap spread">
        <span className="row wrap">
          <CandidateKindMark kind={c.kind} />
          <span className="chip">{t("duplicate.points_count", { count: c.points })}</span>
          {c.state !== "open" && <span className="chip">{t(`duplicate.is_${c.state}`)}</span>}
        </span>
        {may && (
          <span className="row wrap">
            {c.state === "open" && c.devices.length === 2 && (
              <Button variant="filled" onClick={() => ask({ act: "merge", c })}>
                {t("duplicate.merge")}
              </Button>
            )}
            {c.state === "open" && <Button onClick={() => ask({ act: "dismiss", ids: [c.id] })}>{t("duplicate.dismiss")}</Button>}
            {c.state === "dismissed" && <Button onClick={reopen}>{t("duplicate.reopen")}</Button>}
          </span>
        )}
      </div>
      <p>
        {why(c)} <span className="soft">{t(`duplicate.hint_${c.kind}`)}</span>
      </p>
      {c.note && (
        <p className="note">
          <span className="soft">{t("duplicate.note")}:</span> {c.note}
        </p>
      )}
      {c.devices.length < 2 && <p className="soft">{t("duplicate.gone")}</p>}
      <SideBySide devices={c.devices} />
      <EvidenceTable candidate={c} />
    </div>
  );
}
