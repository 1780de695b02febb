// The targets of a run of several steps: where each is, and what its steps came to.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { Run, RunTarget, State as StateName } from "../api/types";
import { word } from "../i18n/say";
import { useAddress } from "../lib/listview";
import { STATES } from "../lib/states";
import { type Column, DataTable } from "../parts/DataTable";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter } from "../parts/Filters";
import { MachineLink } from "../parts/Machine";
import { State, StateIcon } from "../parts/State";
import { Time } from "../parts/Time";

/** The steps of one target, each by its state's picture. */
function Way({ target, steps }: { target: RunTarget; steps: string[] }) {
  const { t } = useTranslation();
  return (
    <span className="way">
      {steps.map((id) => {
        const state: StateName = target.steps[id]?.state ?? "prepared";
        const code = target.steps[id]?.exit_code;
        const told = `${id}: ${word(t, "state", state)}${code === null || code === undefined ? "" : ` (${code})`}`;
        return (
          <span key={id} className={`state st-${state}`} title={told} data-here={target.step === id || undefined}>
            <StateIcon state={state} size={14} />
            <span className="hidden-label">{told}</span>
          </span>
        );
      })}
    </span>
  );
}

export function RunTargets({ run }: { run: Run }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const list = useList<RunTarget>("assignments", `/runs/${encodeURIComponent(run.id)}/targets`, { state: search.state });
  const steps = useMemo(() => run.steps.filter((s) => s.scope === "client").map((s) => s.id), [run.steps]);
  const columns: Column<RunTarget>[] = useMemo(
    () => [
      { id: "machine", head: t("assignment.machine"), width: 220, cell: (r) => <MachineLink device={r.device} /> },
      { id: "state", head: t("assignment.state"), width: 130, cell: (r) => <State state={r.state} /> },
      { id: "step", head: t("run.step"), width: 180, cell: (r) => <Place target={r} /> },
      { id: "way", head: t("job.way"), width: 60 + steps.length * 22, cell: (r) => <Way target={r} steps={steps} /> },
      { id: "updated", head: t("assignment.updated"), width: 130, cell: (r) => <Time at={r.updated} /> },
    ],
    [t, steps],
  );
  const options = STATES.map((value) => ({ value, label: <State state={value} />, text: word(t, "state", value) }));
  return (
    <>
      <search className="filters" aria-label={t("filter.bar")}>
        <ChoiceFilter label={t("assignment.state")} value={search.state} options={options} onChange={(state) => change({ state })} />
      </search>
      <DataTable
        label={t("run.tab_targets")}
        list={list}
        columns={columns}
        rowKey={(r) => r.device.id}
        narrow={(r) => (
          <div className="two">
            <div className="a">
              <span className="cut">
                <MachineLink device={r.device} />
              </span>
              <State state={r.state} />
            </div>
            <div className="b row">
              <Place target={r} />
              <Way target={r} steps={steps} />
            </div>
          </div>
        )}
        empty={<Empty title={t("job.no_target")} why={t("run.no_assignment_why")} />}
      />
    </>
  );
}

function Place({ target }: { target: RunTarget }) {
  const { t } = useTranslation();
  if (!target.step) return <span className="soft">–</span>;
  return (
    <span className="cut">
      {target.step}
      {target.round > 1 && <span className="soft"> {t("job.round", { n: target.round })}</span>}
    </span>
  );
}
