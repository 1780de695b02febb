// One run, live: its bar and totals, steps by states, every assignment, what happened, what it said.
import { Button } from "@mantine/core";
import { IconPlayerPause, IconPlayerPlay } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { runs } from "../api/client";
import { renewWork, useList, useMay, useRun } from "../api/queries";
import type { Assignment, Run as RunType, State as StateName } from "../api/types";
import { word } from "../i18n/say";
import { moment, number, percent } from "../lib/format";
import { useKeys } from "../lib/keys";
import { useAddress } from "../lib/listview";
import { toggled, values } from "../lib/search";
import { OPEN, STATES, total } from "../lib/states";
import { AssignmentDrawer } from "../parts/AssignmentDrawer";
import { assignmentColumns, assignmentNarrow } from "../parts/assignmentColumns";
import { Confirm } from "../parts/Confirm";
import { DataTable } from "../parts/DataTable";
import { Empty, Fault, Lines, shout } from "../parts/Feedback";
import { ChoiceFilter, TextFilter } from "../parts/Filters";
import { ForecastLine } from "../parts/ForecastLine";
import { PageHead } from "../parts/PageHead";
import { PoolPart } from "../parts/PoolPart";
import { RunState, State, StateBar, StateIcon, Totals } from "../parts/State";
import { Tabs } from "../parts/Tabs";
import { Time, Took } from "../parts/Time";
import { RunEvents, RunOutputs } from "./RunMore";
import { RunTargets } from "./RunTargets";

export function Run() {
  const { t } = useTranslation();
  const { id } = useParams({ strict: false }) as { id: string };
  const run = useRun(id);
  const [search, change] = useAddress();
  const crumbs = [{ label: t("nav.runs"), to: "/runs" }];
  if (run.isError) {
    return (
      <div className="page">
        <PageHead crumbs={crumbs} title={t("run.run")} />
        <Fault error={run.error} retry={() => run.refetch()} />
      </div>
    );
  }
  const data = run.data;
  const tab = search.tab ?? "assignments";
  return (
    <div className={tab === "assignments" || tab === "targets" ? "page fill" : "page"}>
      <PageHead
        crumbs={data ? [...crumbs, { label: data.task.name, to: `/tasks/${data.task.id}` }] : crumbs}
        title={data ? `#${data.number}` : "…"}
        facts={data && <Facts run={data} />}
        actions={data && <Actions run={data} />}
      />
      {data?.halted && data.state !== "finished" && <p className="notice bad">{t("rollout.halted")}</p>}
      {data ? <Summary run={data} /> : <Lines count={3} />}
      <Tabs
        label={t("run.parts")}
        now={tab}
        tabs={tabsOf(data).map((name) => ({
          name,
          label: t(`run.tab_${name}` as "run.tab_events"),
        }))}
        onChange={(name) => change({ tab: name === "assignments" ? undefined : name })}
      />
      {tab === "assignments" && <Assignments id={id} run={data} />}
      {tab === "targets" && data && <RunTargets run={data} />}
      {tab === "pool" && data && <PoolPart run={data} />}
      {tab === "events" && <RunEvents id={id} />}
      {tab === "output" && <RunOutputs id={id} />}
      <AssignmentDrawer id={search.open} onClose={() => change({ open: undefined })} />
    </div>
  );
}

function tabsOf(run: RunType | undefined): string[] {
  const more = [...(run?.is_job ? ["targets"] : []), ...(run && run.addresses !== null ? ["pool"] : [])];
  return ["assignments", ...more, "events", "output"];
}

function Facts({ run }: { run: RunType }) {
  const { t, i18n } = useTranslation();
  return (
    <>
      <RunState run={run} />
      <span>{run.addresses === null ? t(`delivery.${run.delivery}`) : t("pool.addresses_count", { count: run.addresses })}</span>
      <span>
        {run.started ? t("run.started") : t("run.created")} <Time at={run.started ?? run.created} />
      </span>
      {run.started && (
        <span>
          {t("run.took")} <Took from={run.started} to={run.ended} />
        </span>
      )}
      {run.started_by && <span>{t("run.by_whom", { name: run.started_by })}</span>}
      {run.state !== "finished" && run.forecast && <ForecastLine forecast={run.forecast} />}
      {run.joined_late > 0 && <span>{t("run.joined", { count: run.joined_late })}</span>}
      {run.not_after && <span>{t("run.late", { count: run.handed_out_late, at: moment(Date.parse(run.not_after), i18n.language) })}</span>}
      {run.paused && run.state !== "paused" && run.state !== "finished" && <strong>{t("run_state.paused")}</strong>}
      {run.cancel_requested && run.state !== "finished" && <strong>{t("run.cancelling")}</strong>}
    </>
  );
}

function Actions({ run }: { run: RunType }) {
  const { t, i18n } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const held = run.paused || run.halted;
  const open = OPEN.reduce((sum, state) => sum + (run.counts[state] ?? 0), 0);
  if (!may) return null;
  if (run.state === "finished") {
    return (
      <>
        <Retry run={run} />
        <Button component={Link} to={`/tasks/${run.task.id}/start`}>
          {t("run.again")}
        </Button>
      </>
    );
  }
  if (run.cancel_requested) return null;
  const hold = async () => {
    setBusy(true);
    try {
      client.setQueryData(["run", run.id], await (held ? runs.resume : runs.pause)(run.id));
      await renewWork(client);
    } catch (refusal) {
      shout(t, refusal);
    } finally {
      setBusy(false);
    }
  };
  const Icon = held ? IconPlayerPlay : IconPlayerPause;
  return (
    <>
      <Button leftSection={<Icon size={15} aria-hidden />} loading={busy} onClick={hold}>
        {run.halted ? t("rollout.go_on") : run.paused ? t("run.resume") : t("run.pause")}
      </Button>
      <Button variant="outline" color="red" onClick={() => setAsking(true)}>
        {t("run.cancel")}
      </Button>
      {asking && (
        <Confirm
          title={t("run.cancel_title", { number: run.number })}
          verb={t("assignment.cancel", { count: open })}
          danger
          act={async () => client.setQueryData(["run", run.id], await runs.cancel(run.id))}
          onClose={() => setAsking(false)}
        >
          <p>{t("run.cancel_what", { count: open, rest: number(open, i18n.language) })}</p>
        </Confirm>
      )}
    </>
  );
}

/** Starts the task again on what did not end well. */
function Retry({ run }: { run: RunType }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const count = (["error", "unknown", "expired"] as const).reduce((sum, state) => sum + (run.counts[state] ?? 0), 0);
  if (count === 0) return null;
  const retry = async () => {
    const next = await runs.retry(run.id, count);
    await client.invalidateQueries({ queryKey: ["runs"] });
    await navigate({ to: "/runs/$id", params: { id: next.id } });
  };
  return (
    <>
      <Button onClick={() => setAsking(true)}>{t("run.retry")}</Button>
      {asking && (
        <Confirm
          title={t("run.retry_title", { number: run.number })}
          verb={t("run.retry_verb", { count })}
          act={retry}
          onClose={() => setAsking(false)}
        >
          <p>{t("run.retry_what")}</p>
        </Confirm>
      )}
    </>
  );
}

function Summary({ run }: { run: RunType }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const choose = (state: StateName) => change({ state: toggled(search.state, state), step: undefined, tab: undefined });
  const shown = STATES.filter((s) => run.steps.some((step) => (step.counts[s] ?? 0) > 0));
  useKeys(
    STATES.map((state, i) => ({
      keys: String(i + 1),
      label: t("keys.state", { state: word(t, "state", state) }),
      run: () => change({ state: search.state === state ? undefined : state, tab: undefined }),
    })),
  );
  return (
    <section className="card" aria-label={t("run.summary")}>
      <div className="body stack" style={{ gap: 10 }}>
        <div className="row">
          <StateBar counts={run.counts} />
          <strong className="num" style={{ width: 44 }}>
            {percent(run.progress, i18n.language)}
          </strong>
        </div>
        <Totals run={run} chosen={values(search.state)} onChoose={choose} />
      </div>
      {run.waves.length > 0 && <Waves run={run} />}
      {run.steps.length > 1 && (
        <div style={{ overflowX: "auto", borderTop: "1px solid var(--line)" }}>
          <Matrix run={run} shown={shown} search={search} choose={(step, state) => change({ step, state, tab: undefined })} />
        </div>
      )}
    </section>
  );
}

/** The waves with their gates, and why it stopped by itself. */
function Waves({ run }: { run: RunType }) {
  const { t, i18n } = useTranslation();
  return (
    <ol className="waves" aria-label={t("rollout.title")}>
      {run.waves.map((wave, n) => (
        <li key={n} data-state={wave.state}>
          <span>{t(`rollout.wave_${wave.state}`, { n: n + 1 })}</span>
          <strong className="num">{number(wave.targets, i18n.language)}</strong>
        </li>
      ))}
      {run.gate_at && !run.halted && run.state !== "finished" && (
        <li className="gate">
          {t("rollout.gate")} <Time at={run.gate_at} />
        </li>
      )}
    </ol>
  );
}

type MatrixProps = {
  run: RunType;
  shown: StateName[];
  search: Record<string, string>;
  choose: (step: string | undefined, state: StateName | undefined) => void;
};

/** Steps by states; a cell filters the list below. */
function Matrix({ run, shown, search, choose }: MatrixProps) {
  const { t, i18n } = useTranslation();
  const isChosen = (step: string, state: StateName) => search.step === step && search.state === state;
  return (
    <table className="data" style={{ minWidth: 160 + shown.length * 110 }}>
      <thead>
        <tr>
          <th scope="col">{t("run.step")}</th>
          {shown.map((s) => (
            <th key={s} scope="col" className="num">
              <span className={`state st-${s}`}>
                <StateIcon state={s} size={14} /> {word(t, "state", s)}
              </span>
            </th>
          ))}
          <th scope="col" className="num">
            {t("run.sum")}
          </th>
        </tr>
      </thead>
      <tbody>
        {run.steps.map((step) => (
          <tr key={step.id}>
            <td>
              <strong>{step.id}</strong> <span className="soft">{word(t, "action", step.action)}</span>
            </td>
            {shown.map((s) => (
              <td key={s} className="num">
                <button
                  type="button"
                  className="plain text-link"
                  aria-pressed={isChosen(step.id, s)}
                  onClick={() => (isChosen(step.id, s) ? choose(undefined, undefined) : choose(step.id, s))}
                >
                  {number(step.counts[s] ?? 0, i18n.language)}
                </button>
              </td>
            ))}
            <td className="num">
              <strong>{number(total(step.counts), i18n.language)}</strong>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Assignments({ id, run }: { id: string; run: RunType | undefined }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const list = useList<Assignment>("assignments", `/runs/${encodeURIComponent(id)}/assignments`, {
    state: search.state,
    q: search.q,
    step: search.step,
  });
  const lang = i18n.language;
  const isJob = run?.is_job === true;
  const isPooled = run !== undefined && run.addresses !== null;
  const [open] = useState(() => (assignment: string) => change({ open: assignment }));
  const columns = useMemo(
    () =>
      assignmentColumns(t, lang, open, [
        ...(isPooled ? (["slice", "actor"] as const) : (["machine"] as const)),
        ...(isJob ? (["step"] as const) : []),
        "state",
        "attempt",
        "why",
        "updated",
        "took",
      ]),
    [t, lang, open, isJob, isPooled],
  );
  const narrow = useMemo(() => assignmentNarrow(t, lang, open, "machine"), [t, lang, open]);
  const options = STATES.map((value) => ({ value, label: <State state={value} />, text: word(t, "state", value) }));
  return (
    <>
      <search className="filters" aria-label={t("filter.bar")}>
        {!isPooled && <TextFilter label={t("run.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />}
        <ChoiceFilter label={t("assignment.state")} value={search.state} options={options} onChange={(state) => change({ state })} />
        {isJob && (
          <ChoiceFilter
            label={t("run.step")}
            value={search.step}
            options={run.steps.map((s) => ({ value: s.id, label: s.id, text: s.id }))}
            onChange={(step) => change({ step: step?.split(",").at(-1) })}
          />
        )}
      </search>
      <DataTable
        label={t("run.tab_assignments")}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        narrow={narrow}
        empty={<Empty title={t("run.no_assignment")} why={t("run.no_assignment_why")} />}
      />
    </>
  );
}
