import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { RunSummary } from "../api/types";
import { word } from "../i18n/say";
import { number } from "../lib/format";
import { useAddress, useColumns } from "../lib/listview";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { RunProgress, RunState } from "../parts/State";
import { Time, Took } from "../parts/Time";

const RUN_STATES = ["preparing", "waiting", "running", "paused", "halted", "finished"];
const VERDICTS = ["ok", "partial", "error", "cancelled"];

const RunLink = ({ run }: { run: RunSummary }) => (
  <Link to="/runs/$id" params={{ id: run.id }} className="link">
    {run.task.name} <span className="soft">#{run.number}</span>
  </Link>
);

function useRunColumns(): Column<RunSummary>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      { id: "task", head: t("run.run"), width: 240, cell: (r) => <RunLink run={r} /> },
      { id: "state", head: t("run.state"), width: 130, cell: (r) => <RunState run={r} /> },
      { id: "progress", head: t("run.progress"), width: 220, cell: (r) => <RunProgress run={r} /> },
      { id: "targeted", head: t("run.machines"), width: 92, right: true, cell: (r) => number(r.targeted, i18n.language) },
      { id: "errors", head: t("state.error"), width: 76, right: true, cell: (r) => number(r.counts.error ?? 0, i18n.language) },
      { id: "created", head: t("run.created"), width: 120, sort: "created", cell: (r) => <Time at={r.created} /> },
      { id: "took", head: t("run.took"), width: 120, right: true, cell: (r) => <Took from={r.started} to={r.ended} /> },
      { id: "by", head: t("run.by"), width: 120, cell: (r) => r.started_by ?? <span className="soft">–</span> },
    ],
    [t, i18n.language],
  );
}

const narrow = (r: RunSummary) => (
  <div className="two">
    <div className="a">
      <span className="cut">
        <RunLink run={r} />
      </span>
      <RunState run={r} />
    </div>
    <RunProgress run={r} />
  </div>
);

export function Runs() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const all = useRunColumns();
  const { columns, shown, choose } = useColumns("runs", all, search.cols, change);
  const { cols: _cols, ...filter } = search;
  const list = useList<RunSummary>("runs", "/runs", { sort: "-created", ...filter });
  const options = (names: string[]) =>
    names.map((value) => ({ value, label: word(t, "run_state", value), text: word(t, "run_state", value) }));
  const task = list.items[0]?.task.name;
  return (
    <div className="page fill">
      <PageHead title={t("nav.runs")} facts={list.total !== null && t("run.count", { count: list.total })} />
      <search className="filters" aria-label={t("filter.bar")}>
        <ChoiceFilter label={t("run.state")} value={search.state} options={options(RUN_STATES)} onChange={(state) => change({ state })} />
        <ChoiceFilter
          label={t("run.verdict")}
          value={search.verdict}
          options={options(VERDICTS)}
          onChange={(verdict) => change({ verdict })}
        />
        {search.task && (
          <ChoiceFilter
            label={t("assignment.task")}
            value={search.task}
            options={[{ value: search.task, label: task ?? search.task, text: task ?? search.task }]}
            onChange={(v) => change({ task: v })}
          />
        )}
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.runs")}
        list={list}
        columns={columns}
        rowKey={(r) => r.id}
        narrow={narrow}
        sort={search.sort ?? "-created"}
        onSort={(sort) => change({ sort })}
        empty={<Empty title={t("run.none")} why={t("run.none_why")} />}
      />
    </div>
  );
}
