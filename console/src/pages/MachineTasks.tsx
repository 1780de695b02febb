import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { Assignment } from "../api/types";
import { word } from "../i18n/say";
import { useAddress } from "../lib/listview";
import { STATES } from "../lib/states";
import { AssignmentDrawer } from "../parts/AssignmentDrawer";
import { assignmentColumns, assignmentNarrow } from "../parts/assignmentColumns";
import { DataTable } from "../parts/DataTable";
import { Empty } from "../parts/Feedback";
import { ChoiceFilter } from "../parts/Filters";
import { OrderBook } from "../parts/OrderBook";
import { State } from "../parts/State";

/** Everything that was ever asked of one machine. */
export function MachineTasks({ id }: { id: string }) {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const list = useList<Assignment>("assignments", `/devices/${encodeURIComponent(id)}/assignments`, { state: search.state });
  const lang = i18n.language;
  const [open] = useState(() => (assignment: string) => change({ open: assignment }));
  const columns = useMemo(() => assignmentColumns(t, lang, open, ["task", "state", "attempt", "why", "updated", "took"]), [t, lang, open]);
  const narrow = useMemo(() => assignmentNarrow(t, lang, open, "task"), [t, lang, open]);
  const options = STATES.map((value) => ({ value, label: <State state={value} />, text: word(t, "state", value) }));
  return (
    <>
      <OrderBook device={id} />
      <search className="filters" aria-label={t("filter.bar")}>
        <ChoiceFilter label={t("assignment.state")} value={search.state} options={options} onChange={(state) => change({ state })} />
      </search>
      <DataTable
        label={t("machine.tab_tasks")}
        list={list}
        columns={columns}
        rowKey={(a) => a.id}
        narrow={narrow}
        height="min(64vh, 720px)"
        empty={<Empty title={t("machine.no_task")} why={t("machine.no_task_why")} />}
      />
      <AssignmentDrawer id={search.open} onClose={() => change({ open: undefined })} />
    </>
  );
}
