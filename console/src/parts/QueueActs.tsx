// Bulk acts on the queue: cancel, put off, another priority. Each asks the server how many it would change, then the person.
import { Button, Menu, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, queue } from "../api/client";
import { renewWork, useSettings } from "../api/queries";
import type { QueueAim } from "../api/types";
import { moment, number } from "../lib/format";
import { putOffs, until as readUntil } from "../lib/putoff";
import { Confirm } from "./Confirm";
import { shout, tell } from "./Feedback";
import { FormDialog } from "./FormDialog";

type Act = { kind: "cancel" } | { kind: "delay"; until: Date } | { kind: "priority"; priority: number };
type Asked = { act: Act; aim: QueueAim; count: number };

/** Does an act on exactly `count`; the server refuses another number and tells the right one. */
async function perform(act: Act, aim: QueueAim, count: number): Promise<number> {
  if (act.kind === "cancel") return (await queue.cancel(aim, count)).cancelled;
  if (act.kind === "delay") return (await queue.delay(aim, act.until.toISOString(), count)).changed;
  return (await queue.prioritise(aim, act.priority, count)).changed;
}

/** The right number in a refusal of the size guard. */
export function toldCount(refusal: unknown): number | undefined {
  return refusal instanceof ApiError && refusal.key === "queue/size-guard" ? refusal.problem.count : undefined;
}

const PRIORITIES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

type Props = { ids: Set<string>; filter: Record<string, string | undefined>; nothing: boolean; clear: () => void };

export function QueueActs({ ids, filter, nothing, clear }: Props) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [choosing, setChoosing] = useState(false);
  const aim: QueueAim = ids.size > 0 ? { ids: [...ids] } : { filter };
  // How many a filter shows is not how many an act changes: what is under way cannot be put off. So nought is offered first.
  const ask = async (act: Act) => {
    try {
      await perform(act, aim, 0);
      tell(t, t("queue.changes_nothing"));
    } catch (refusal) {
      const count = toldCount(refusal);
      if (count === undefined) return shout(t, refusal);
      setAsked({ act, aim, count });
    }
  };
  return (
    <>
      {ids.size > 0 && <Button onClick={clear}>{t("queue.untick", { count: ids.size })}</Button>}
      <DelayMenu disabled={nothing} choose={(until) => ask({ kind: "delay", until })} other={() => setChoosing(true)} />
      <Menu position="bottom-end">
        <Menu.Target>
          <Button disabled={nothing}>{t("queue.priority")}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          {PRIORITIES.map((priority) => (
            <Menu.Item key={priority} onClick={() => ask({ kind: "priority", priority })}>
              {priority}
              {priority === 0 && ` · ${t("queue.priority_first")}`}
              {priority === 9 && ` · ${t("queue.priority_last")}`}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      <Button variant="outline" color="red" disabled={nothing} onClick={() => ask({ kind: "cancel" })}>
        {t("queue.cancel")}
      </Button>
      {choosing && <DelayDialog choose={(until) => ask({ kind: "delay", until })} onClose={() => setChoosing(false)} />}
      {asked && <ConfirmAct asked={asked} again={setAsked} clear={clear} />}
    </>
  );
}

function DelayMenu({ disabled, choose, other }: { disabled: boolean; choose: (until: Date) => void; other: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button disabled={disabled}>{t("queue.delay")}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        {putOffs(new Date()).map((choice) => (
          <Menu.Item key={choice.name} onClick={() => choose(choice.until)}>
            {t(`queue.delay_${choice.name}`)} · {moment(choice.until.getTime(), i18n.language)}
          </Menu.Item>
        ))}
        <Menu.Item onClick={other}>{t("queue.delay_choose")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function DelayDialog({ choose, onClose }: { choose: (until: Date) => Promise<void>; onClose: () => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const at = readUntil(text, new Date());
  const act = async () => {
    if (!at) return;
    await choose(at);
    onClose();
  };
  return (
    <FormDialog title={t("queue.delay_title")} verb={t("queue.delay")} ready={at !== null} act={act} onClose={onClose}>
      <TextInput
        type="datetime-local"
        label={t("queue.delay_until")}
        description={t("queue.delay_until_how")}
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
        data-autofocus
      />
    </FormDialog>
  );
}

type ConfirmProps = { asked: Asked; again: (asked: Asked | null) => void; clear: () => void };

function ConfirmAct({ asked, again, clear }: ConfirmProps) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const guard = useSettings().data?.size_guard ?? 100;
  const { act, aim, count } = asked;
  const verb = {
    cancel: () => t("assignment.cancel", { count }),
    delay: () => t("assignment.delay", { count }),
    priority: () => t("assignment.prioritise", { count }),
  }[act.kind]();
  const what = () => {
    if (act.kind === "delay") return t("queue.delay_what", { until: moment(act.until.getTime(), i18n.language) });
    if (act.kind === "priority") return t("queue.priority_what", { priority: act.priority });
    return t("queue.cancel_how");
  };
  const go = async () => {
    try {
      const done = await perform(act, aim, count);
      clear();
      tell(t, t(act.kind === "cancel" ? "queue.cancelled" : "queue.changed", { count: done }));
      await renewWork(client);
    } catch (refusal) {
      // The queue moved on since it was asked; the new number is shown and asked for.
      const now = toldCount(refusal);
      if (now !== undefined) again({ ...asked, count: now });
      throw refusal;
    }
  };
  return (
    <Confirm
      title={verb}
      verb={verb}
      danger={act.kind === "cancel"}
      typed={count > guard ? number(count, i18n.language) : undefined}
      act={go}
      onClose={() => again(null)}
    >
      <p>{"ids" in aim ? t("queue.act_ticked", { count }) : t("queue.act_filter", { count })}</p>
      <p className="soft">{what()}</p>
    </Confirm>
  );
}
