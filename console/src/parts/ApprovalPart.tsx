// The second person of a large start: asked for, given, refused; bound to exactly the set on the screen.
import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { approvals } from "../api/client";
import { useMay, useMe } from "../api/queries";
import type { Approval, Preview, Task } from "../api/types";
import { tell } from "./Feedback";
import { FormDialog } from "./FormDialog";
import { Time } from "./Time";

type Act = "ask" | "approve" | "reject";
type Props = { task: Task; preview: Preview; again: () => void };

/** What is to be said of the approval, and what this person may do about it. */
export function ApprovalPart({ task, preview, again }: Props) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const me = useMe().data?.user.name;
  const [act, setAct] = useState<Act | null>(null);
  const it = preview.approval;
  const second = it !== null && it.asked_by !== me && it.author !== me;
  return (
    <div className="stack" style={{ gap: 8 }}>
      <Standing approval={it} />
      {may && (
        <div className="row wrap start">
          {it === null && <Button onClick={() => setAct("ask")}>{t("approval.ask")}</Button>}
          {it?.state === "asked" && second && (
            <Button variant="filled" onClick={() => setAct("approve")}>
              {t("approval.approve")}
            </Button>
          )}
          {it?.state === "asked" && (
            <Button variant="outline" color="red" onClick={() => setAct("reject")}>
              {t(it.asked_by === me ? "approval.take_back" : "approval.reject")}
            </Button>
          )}
        </div>
      )}
      {act && <NoteDialog act={act} task={task} preview={preview} again={again} onClose={() => setAct(null)} />}
    </div>
  );
}

function Standing({ approval }: { approval: Approval | null }) {
  const { t } = useTranslation();
  if (approval === null) return <p className="soft hint">{t("approval.needed")}</p>;
  const { decision } = approval;
  return (
    <>
      <p>
        {t("approval.asked_by", { name: approval.asked_by })} <Time at={approval.asked} />
        {approval.note && <span className="soft"> · {approval.note}</span>}
      </p>
      {decision && (
        <p>
          {t("approval.approved_by", { name: decision.by })} <Time at={decision.at} />
          {decision.note && <span className="soft"> · {decision.note}</span>}
        </p>
      )}
    </>
  );
}

function NoteDialog({ act, task, preview, again, onClose }: Props & { act: Act; onClose: () => void }) {
  const { t } = useTranslation();
  const [note, setNote] = useState("");
  const go = async () => {
    if (act === "ask") await approvals.ask(task.id, preview.plan, note);
    else if (preview.approval) await approvals[act](preview.approval.id, note);
    tell(t, t(`approval.done_${act}`));
    again();
    onClose();
  };
  const verb = t(`approval.${act}`);
  return (
    <FormDialog title={verb} verb={verb} ready act={go} onClose={onClose}>
      <p>{t(`approval.what_${act}`, { count: preview.count })}</p>
      <Textarea
        label={t("approval.note")}
        value={note}
        autosize
        minRows={2}
        onChange={(e) => setNote(e.currentTarget.value)}
        data-autofocus
      />
    </FormDialog>
  );
}
