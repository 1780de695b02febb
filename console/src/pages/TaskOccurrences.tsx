// What a task's schedule will do and did: the next times, the approval of unattended starts, every occurrence.
import { Button, NumberInput, TextInput } from "@mantine/core";
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tasks } from "../api/client";
import { useAhead, useList, useMay, useSettings } from "../api/queries";
import type { Occurrence, Task } from "../api/types";
import { moment, number } from "../lib/format";
import { whenWords } from "../lib/when";
import { Confirm } from "../parts/Confirm";
import { Empty, Fault, Lines, shout, tell } from "../parts/Feedback";
import { FormDialog } from "../parts/FormDialog";
import { LoadMore } from "../parts/LoadMore";
import { NextTen } from "../parts/NextTen";
import { OccurrenceWord } from "../parts/OccurrenceState";
import { Time } from "../parts/Time";

/** The card on the task's page: when it runs, what comes next, up to how many machines without a person. */
export function WhenCard({ task }: { task: Task }) {
  const { t, i18n } = useTranslation();
  const ahead = useAhead(task.id);
  const admin = useMay("admin");
  const guard = useSettings().data?.size_guard;
  const operator = useMay("operator");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [switching, setSwitching] = useState(false);
  const enable = async () => {
    try {
      await switched(client, task, true);
      tell(t, t("schedule_switch.enabled"));
    } catch (refusal) {
      shout(t, refusal);
    }
  };
  if (!task.doc.schedule && !task.doc.window) return null;
  const most = task.targets_max ?? guard;
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t("when.title")}</h2>
        <Link to="/calendar" className="text-link soft" style={{ fontWeight: 450 }}>
          {t("nav.calendar")}
        </Link>
      </div>
      <div className="body stack">
        <p>{whenWords(t, i18n.language, task.doc)}</p>
        {task.schedule_off && (
          <p className="note">
            {t("schedule_switch.off", { name: task.schedule_off.by })} <Time at={task.schedule_off.since} />
            {task.schedule_off.reason && `: ${task.schedule_off.reason}`}
          </p>
        )}
        {!task.schedule_off && task.doc.schedule && ahead.data && ahead.data.next.length > 0 && <NextTen ahead={ahead.data} />}
        {task.doc.schedule && operator && (
          <div className="buttons">
            {task.schedule_off ? (
              <Button onClick={enable}>{t("schedule_switch.enable")}</Button>
            ) : (
              <Button onClick={() => setSwitching(true)}>{t("schedule_switch.disable")}</Button>
            )}
          </div>
        )}
        {task.doc.schedule && most !== undefined && (
          <div className="row spread wrap">
            <span className="soft">
              {t(task.targets_max === null ? "approval.guarded" : "approval.approved", { most: number(most, i18n.language) })}
            </span>
            {admin && <Button onClick={() => setAsking(true)}>{t("approval.change")}</Button>}
          </div>
        )}
      </div>
      {asking && <Approve task={task} onClose={() => setAsking(false)} />}
      {switching && <Disable task={task} onClose={() => setSwitching(false)} />}
    </section>
  );
}

async function switched(client: QueryClient, task: Task, enabled: boolean, reason = "") {
  client.setQueryData(["task", task.id], await tasks.switchSchedule(task.id, enabled, reason));
  await client.invalidateQueries({ queryKey: ["schedule", task.id] });
}

function Disable({ task, onClose }: { task: Task; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [reason, setReason] = useState("");
  const act = async () => {
    await switched(client, task, false, reason);
    tell(t, t("schedule_switch.disabled"));
    onClose();
  };
  return (
    <FormDialog title={t("schedule_switch.disable")} verb={t("schedule_switch.disable")} act={act} onClose={onClose}>
      <p>{t("schedule_switch.what")}</p>
      <TextInput data-autofocus label={t("schedule_switch.why")} value={reason} onChange={(e) => setReason(e.currentTarget.value)} />
    </FormDialog>
  );
}

function Approve({ task, onClose }: { task: Task; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [most, setMost] = useState<number | null>(task.targets_max);
  const act = async () => {
    client.setQueryData(["task", task.id], await tasks.approve(task.id, most));
    tell(t, t("approval.saved"));
    onClose();
  };
  return (
    <FormDialog title={t("approval.title")} verb={t("approval.save")} ready act={act} onClose={onClose}>
      <NumberInput
        label={t("approval.most")}
        description={t("approval.how")}
        min={1}
        max={1_000_000}
        value={most ?? ""}
        onChange={(v) => setMost(typeof v === "number" ? v : null)}
        data-autofocus
      />
    </FormDialog>
  );
}

/** Every occurrence, the newest first. */
export function Occurrences({ task }: { task: Task }) {
  const { t, i18n } = useTranslation();
  const may = useMay("operator");
  const list = useList<Occurrence>("occurrences", `/tasks/${task.id}/occurrences`, {});
  const [held, setHeld] = useState<Occurrence | null>(null);
  if (list.query.isError) return <Fault error={list.query.error} retry={() => list.query.refetch()} />;
  if (list.query.isLoading) return <Lines />;
  return (
    <section className="card">
      {list.items.length === 0 && <Empty title={t("occurrence.none")} why={t("occurrence.none_why")} />}
      <ul className="lines">
        {list.items.map((it) => (
          <li key={it.nominal} className="row spread wrap" style={{ gap: 12 }}>
            <span style={{ minWidth: 170 }}>{moment(Date.parse(it.at), i18n.language)}</span>
            <span className="grow">
              <OccurrenceWord state={it.state} detail={it.detail} />
            </span>
            {it.targets !== null && <span className="soft">{t("machines.count", { count: it.targets })}</span>}
            {it.run && (
              <Link to="/runs/$id" params={{ id: it.run }} className="link">
                {t("run.run")}
              </Link>
            )}
            {it.state === "held" && may && <Button onClick={() => setHeld(it)}>{t("occurrence.start")}</Button>}
          </li>
        ))}
      </ul>
      <LoadMore list={list} />
      {held && <StartHeld task={task} it={held} onClose={() => setHeld(null)} />}
    </section>
  );
}

function StartHeld({ task, it, onClose }: { task: Task; it: Occurrence; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [typed, setTyped] = useState("");
  const count = it.targets ?? 0;
  // Held by the brake it was never counted; then the number is whatever the person says it is.
  const said = Number(typed.replace(/\D/g, ""));
  const act = async () => {
    const run = await tasks.startHeld(task.id, it.nominal, count || said);
    await client.invalidateQueries({ queryKey: ["occurrences"] });
    await navigate({ to: "/runs/$id", params: { id: run.id } });
  };
  if (count > 0) {
    return (
      <Confirm
        title={t("occurrence.start")}
        verb={t("preview.start", { count })}
        typed={number(count, i18n.language)}
        act={act}
        onClose={onClose}
      >
        <p>{t("occurrence.start_what", { at: moment(Date.parse(it.at), i18n.language) })}</p>
      </Confirm>
    );
  }
  return (
    <FormDialog title={t("occurrence.start")} verb={t("occurrence.start")} ready={said > 0} act={act} onClose={onClose}>
      <TextInput
        label={t("occurrence.how_many")}
        inputMode="numeric"
        value={typed}
        onChange={(e) => setTyped(e.currentTarget.value)}
        data-autofocus
      />
    </FormDialog>
  );
}
