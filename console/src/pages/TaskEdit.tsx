// A task as a form at the left and as YAML at the right: one document, either side can be written on.
import { Button, Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tasks } from "../api/client";
import { useTask } from "../api/queries";
import type { Task, TaskDoc } from "../api/types";
import { useAddress } from "../lib/listview";
import { clean, EMPTY, fromYaml, missing, toYaml } from "../lib/taskdoc";
import { Fault, Lines } from "../parts/Feedback";
import { PageHead } from "../parts/PageHead";
import { Plan } from "../parts/Plan";
import { TaskForm } from "./TaskForm";

export function TaskNew() {
  const [search] = useAddress();
  const targets = search.device ? { devices: [search.device] } : search.query ? { query: search.query } : {};
  return <Editor doc={{ ...EMPTY, targets }} />;
}

export function TaskEdit() {
  const { id } = useParams({ strict: false }) as { id: string };
  const task = useTask(id);
  if (task.isError) {
    return (
      <div className="page">
        <Fault error={task.error} retry={() => task.refetch()} />
      </div>
    );
  }
  if (!task.data) return <Lines />;
  return <Editor key={task.data.id} task={task.data} doc={task.data.doc} yaml={task.data.yaml} />;
}

type EditorProps = { task?: Task; doc: TaskDoc; yaml?: string };

function Editor({ task, doc: given, yaml: givenYaml }: EditorProps) {
  const { t } = useTranslation();
  const [doc, setDoc] = useState(given);
  const [yaml, setYaml] = useState(givenYaml || toYaml(given));
  const [fault, setFault] = useState<string | null>(null);
  const crumbs = [{ label: t("nav.tasks"), to: "/tasks" }, ...(task ? [{ label: task.doc.name, to: `/tasks/${task.id}` }] : [])];
  const fromForm = (next: TaskDoc) => {
    setDoc(next);
    setYaml(toYaml(next));
    setFault(null);
  };
  const fromText = (text: string) => {
    setYaml(text);
    const read = fromYaml(text);
    if ("doc" in read) setDoc(read.doc);
    setFault("fault" in read ? read.fault : null);
  };
  return (
    <div className="page">
      <PageHead crumbs={crumbs} title={task ? t("task.edit") : t("task.new")} facts={t("task.editor_how")} />
      <div className="grid editor">
        <section className="card body-pad">
          <TaskForm doc={doc} onChange={fromForm} />
        </section>
        <div className="stack">
          <section className="card body-pad">
            <Textarea
              label="YAML"
              description={t("task.yaml_how")}
              value={yaml}
              onChange={(e) => fromText(e.currentTarget.value)}
              error={fault}
              spellCheck={false}
              autosize
              minRows={18}
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5, lineHeight: 1.55 } }}
            />
          </section>
          <Plan doc={doc} set={(patch) => fromForm({ ...doc, ...patch })} />
        </div>
      </div>
      <Buttons task={task} doc={doc} blocked={fault !== null} />
    </div>
  );
}

function Buttons({ task, doc, blocked }: { task?: Task; doc: TaskDoc; blocked: boolean }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const gaps = missing(doc);
  const save = async (then: "show" | "start") => {
    setBusy(true);
    setError(null);
    try {
      const body = clean(doc);
      const saved = task ? await tasks.change(task.id, body, task.version) : await tasks.create(body);
      client.setQueryData(["task", saved.id], saved);
      await client.invalidateQueries({ queryKey: ["tasks"] });
      await navigate({ to: then === "start" ? "/tasks/$id/start" : "/tasks/$id", params: { id: saved.id } });
    } catch (refusal) {
      setError(refusal);
    } finally {
      setBusy(false);
    }
  };
  const ready = gaps.length === 0 && !blocked && !busy;
  return (
    <div className="stack">
      {error !== null && <Fault error={error} />}
      <div className="row wrap" style={{ justifyContent: "flex-end" }}>
        {gaps.length > 0 && <span className="soft">{gaps.map((g) => t(`task.missing_${g}`)).join(" ")}</span>}
        <Button size="sm" disabled={!ready} loading={busy} onClick={() => save("show")}>
          {t("task.save")}
        </Button>
        <Button size="sm" variant="filled" disabled={!ready} loading={busy} onClick={() => save("start")}>
          {t("task.save_preview")}
        </Button>
      </div>
    </div>
  );
}
