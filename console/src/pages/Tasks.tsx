import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { TFunction } from "i18next";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList, useMay } from "../api/queries";
import type { Targets, Task } from "../api/types";
import { number } from "../lib/format";
import { useAddress, useColumns } from "../lib/listview";
import { ColumnMenu } from "../parts/ColumnMenu";
import { type Column, DataTable } from "../parts/DataTable";
import { Empty } from "../parts/Feedback";
import { TextFilter, WordFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { RunProgress, RunState } from "../parts/State";
import { Time } from "../parts/Time";

/** Whom a task is for, in one line. */
export function targetsInWords(t: TFunction, targets: Targets): string {
  if (targets.all) return t("task.all_machines");
  const parts: string[] = [];
  if (targets.devices?.length) parts.push(t("machines.count", { count: targets.devices.length }));
  if (targets.groups?.length) parts.push(targets.groups.join(", "));
  if (targets.query) parts.push(targets.query);
  if (targets.ip_ranges?.length) parts.push(targets.ip_ranges.join(", "));
  return parts.join(" + ") || t("task.no_target");
}

const TaskLink = ({ task }: { task: Task }) => (
  <Link to="/tasks/$id" params={{ id: task.id }} className="link">
    {task.doc.name}
  </Link>
);

function useTaskColumns(): Column<Task>[] {
  const { t, i18n } = useTranslation();
  return useMemo(
    () => [
      {
        id: "name",
        head: t("task.name"),
        width: 280,
        sort: "name",
        cell: (task) => (
          <span className="row">
            <span className="cut">
              <TaskLink task={task} />
            </span>
            {task.doc.labels?.map((label) => (
              <span key={label} className="chip">
                {label}
              </span>
            ))}
          </span>
        ),
      },
      { id: "targets", head: t("task.targets"), width: 220, cell: (task) => targetsInWords(t, task.doc.targets) },
      { id: "delivery", head: t("task.delivery"), width: 110, cell: (task) => t(`delivery.${task.doc.delivery ?? "pull"}`) },
      {
        id: "last",
        head: t("task.last_run"),
        width: 130,
        cell: (task) => (task.last_run ? <RunState run={task.last_run} /> : <span className="soft">{t("common.never")}</span>),
      },
      { id: "progress", head: t("run.progress"), width: 190, cell: (task) => task.last_run && <RunProgress run={task.last_run} /> },
      { id: "runs", head: t("nav.runs"), width: 76, right: true, cell: (task) => number(task.runs, i18n.language) },
      { id: "updated", head: t("task.updated"), width: 120, sort: "updated", cell: (task) => <Time at={task.updated} /> },
      { id: "author", head: t("task.author"), width: 120, extra: true, cell: (task) => task.author ?? "–" },
    ],
    [t, i18n.language],
  );
}

export function Tasks() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const may = useMay("operator");
  const all = useTaskColumns();
  const { columns, shown, choose } = useColumns("tasks", all, search.cols, change);
  const list = useList<Task>("tasks", "/tasks", { q: search.q, label: search.label, sort: search.sort });
  const create = may && (
    <Button component={Link} to="/tasks/new" variant="filled" leftSection={<IconPlus size={15} aria-hidden />}>
      {t("task.new")}
    </Button>
  );
  return (
    <div className="page fill">
      <PageHead title={t("nav.tasks")} facts={list.total !== null && t("task.count", { count: list.total })} actions={create} />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("task.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <WordFilter label={t("task.label")} value={search.label} onChange={(label) => change({ label })} />
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.tasks")}
        list={list}
        columns={columns}
        rowKey={(task) => task.id}
        narrow={(task) => (
          <div className="two">
            <div className="a">
              <span className="cut">
                <TaskLink task={task} />
              </span>
              {task.last_run && <RunState run={task.last_run} />}
            </div>
            <div className="b">{targetsInWords(t, task.doc.targets)}</div>
          </div>
        )}
        sort={search.sort}
        onSort={(sort) => change({ sort })}
        empty={
          <Empty title={t(search.q || search.label ? "task.none_match" : "task.none")} why={t("task.none_why")}>
            {create}
          </Empty>
        }
      />
    </div>
  );
}
