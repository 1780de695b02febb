// Everything that is not over, of all tasks and machines. Acts are done to the ticked rows, or to the whole filter.
import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useList, useMay } from "../api/queries";
import type { Assignment } from "../api/types";
import { word } from "../i18n/say";
import { useAddress, useColumns } from "../lib/listview";
import type { Search } from "../lib/search";
import { OPEN } from "../lib/states";
import { AssignmentDrawer } from "../parts/AssignmentDrawer";
import { assignmentColumns, assignmentNarrow, targetName } from "../parts/assignmentColumns";
import { ColumnMenu } from "../parts/ColumnMenu";
import { DataTable } from "../parts/DataTable";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter, TextFilter, WordFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { QueueActs } from "../parts/QueueActs";
import { State } from "../parts/State";

const FILTERS = ["state", "task", "run", "device", "q"] as const;

function queueFilter(search: Search): Record<string, string> {
  return Object.fromEntries(FILTERS.flatMap((key) => (search[key] ? [[key, search[key]]] : [])));
}

export function Queue() {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const [ids, setIds] = useState<Set<string>>(new Set());
  const filter = useMemo(() => queueFilter(search), [search]);
  const list = useList<Assignment>("queue", "/queue", { ...filter, sort: search.sort });
  const [open] = useState(() => (id: string) => change({ open: id }));
  const lang = i18n.language;
  const all = useMemo(() => assignmentColumns(t, lang, open, ["machine", "task", "state", "why", "attempt", "since"]), [t, lang, open]);
  const { columns, shown, choose } = useColumns("queue", all, search.cols, change);
  const narrow = useMemo(() => assignmentNarrow(t, lang, open, "machine"), [t, lang, open]);
  const may = useMay("operator");
  const toggle = (id: string) => setIds((now) => new Set(now.has(id) ? [...now].filter((x) => x !== id) : [...now, id]));
  const options = OPEN.map((value) => ({ value, label: <State state={value} />, text: word(t, "state", value) }));
  const task = list.items.find((a) => a.task.id === search.task)?.task.name;
  return (
    <div className="page fill">
      <PageHead
        title={t("nav.queue")}
        facts={list.total !== null && t("queue.count", { count: list.total })}
        actions={
          may && (
            <QueueActs
              ids={ids}
              filter={filter}
              nothing={ids.size === 0 && (!list.query.isSuccess || list.items.length === 0)}
              clear={() => setIds(new Set())}
            />
          )
        }
      />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("queue.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
        <ChoiceFilter label={t("assignment.state")} value={search.state} options={options} onChange={(state) => change({ state })} />
        {search.task && (
          <ChoiceFilter
            label={t("assignment.task")}
            value={search.task}
            options={[{ value: search.task, label: task ?? search.task, text: task ?? search.task }]}
            onChange={(v) => change({ task: v })}
          />
        )}
        {search.run && <WordFilter label={t("run.run")} value={search.run} onChange={(run) => change({ run })} />}
        {search.device && <WordFilter label={t("assignment.machine")} value={search.device} onChange={(device) => change({ device })} />}
        <span style={{ marginLeft: "auto" }}>
          <ColumnMenu columns={all} shown={shown} onChange={choose} />
        </span>
      </search>
      <DataTable
        label={t("nav.queue")}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        rowName={(a) => `${targetName(a)}, ${a.task.name}`}
        narrow={narrow}
        ticks={may ? { ids, toggle, label: (name) => t("list.tick_row", { name }) } : undefined}
        empty={
          Object.keys(filter).length > 0 ? (
            <Empty title={t("queue.none_match")} why={t("machines.none_match_why")}>
              <Button onClick={() => change(Object.fromEntries(FILTERS.map((f) => [f, undefined])))}>{t("filter.clear_all")}</Button>
            </Empty>
          ) : (
            <Empty title={t("queue.none")} why={t("queue.none_why")} />
          )
        }
      />
      <AssignmentDrawer id={search.open} onClose={() => change({ open: undefined })} />
    </div>
  );
}
