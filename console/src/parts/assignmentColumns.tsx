// How assignments read in the lists of the queue, of a run and of a machine.
import type { TFunction } from "i18next";
import type { Assignment } from "../api/types";
import { say } from "../i18n/say";
import { isFinal } from "../lib/states";
import type { Column } from "./DataTable";
import { MachineLink } from "./Machine";
import { State } from "./State";
import { Time, Took } from "./Time";

export type Open = (assignment: string) => void;
type Which = "machine" | "slice" | "actor" | "task" | "step" | "state" | "attempt" | "why" | "since" | "took" | "updated";

/** Why it is where it is while open; how it ended once it has. */
export function WhyCell({ a, open, t, lang }: { a: Assignment; open: Open; t: TFunction; lang: string }) {
  const ended = a.exit_code !== null ? `${t("assignment.exit_code")} ${a.exit_code}` : "";
  const said = isFinal(a.state)
    ? [ended, a.output?.split("\n")[0]].filter(Boolean).join(" · ")
    : a.reason && say(t, lang, "reason", a.reason);
  return (
    <button type="button" className="plain cut why" onClick={() => open(a.id)}>
      {said || t("why.open")}
    </button>
  );
}

/** For what it is done: a machine, or the addresses of a slice. */
export const targetName = (a: Assignment) => a.device?.name ?? a.slice ?? "";

function TargetCell({ a }: { a: Assignment }) {
  return a.device ? <MachineLink device={a.device} /> : <span className="cut num">{a.slice}</span>;
}

export function assignmentColumns(t: TFunction, lang: string, open: Open, which: Which[]): Column<Assignment>[] {
  const all: Record<Which, Column<Assignment>> = {
    machine: { id: "machine", head: t("assignment.machine"), width: 200, cell: (a) => <TargetCell a={a} /> },
    slice: { id: "slice", head: t("pool.slice"), width: 230, cell: (a) => <TargetCell a={a} /> },
    actor: {
      id: "actor",
      head: t("pool.by"),
      width: 170,
      cell: (a) => (a.actor?.device ? <MachineLink device={a.actor.device} /> : <span className="soft">–</span>),
    },
    task: {
      id: "task",
      head: t("assignment.task"),
      width: 220,
      cell: (a) => (
        <button type="button" className="plain link cut" onClick={() => open(a.id)}>
          {a.task.name}
        </button>
      ),
    },
    step: {
      id: "step",
      head: t("run.step"),
      width: 150,
      cell: (a) => (
        <span className="cut">
          {a.step}
          {a.round > 1 && <span className="soft"> {t("job.round", { n: a.round })}</span>}
        </span>
      ),
    },
    state: { id: "state", head: t("assignment.state"), width: 130, cell: (a) => <State state={a.state} /> },
    attempt: {
      id: "attempt",
      head: t("assignment.attempt"),
      width: 90,
      right: true,
      cell: (a) => (a.attempt === 0 ? <span className="soft">–</span> : `${a.attempt} / ${a.attempts_max}`),
    },
    why: { id: "why", head: t("assignment.why"), width: 380, cell: (a) => <WhyCell a={a} open={open} t={t} lang={lang} /> },
    since: { id: "since", head: t("assignment.since"), width: 130, cell: (a) => <Time at={a.started ?? a.created} /> },
    updated: { id: "updated", head: t("assignment.updated"), width: 130, cell: (a) => <Time at={a.ended ?? a.updated} /> },
    took: { id: "took", head: t("assignment.took"), width: 110, right: true, cell: (a) => <Took from={a.started} to={a.ended} /> },
  };
  return which.map((id) => all[id]);
}

export function assignmentNarrow(t: TFunction, lang: string, open: Open, name: "machine" | "task") {
  return (a: Assignment) => (
    <div className="two">
      <div className="a">
        <span className="cut">
          {name === "machine" ? (
            <TargetCell a={a} />
          ) : (
            <button type="button" className="plain link" onClick={() => open(a.id)}>
              {a.task.name}
            </button>
          )}
        </span>
        <State state={a.state} />
      </div>
      <div className="b">
        <WhyCell a={a} open={open} t={t} lang={lang} />
      </div>
    </div>
  );
}
