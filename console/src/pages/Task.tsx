// One task: what it does to whom, and its runs.
import { Button } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tasks } from "../api/client";
import { useList, useMay, useTask } from "../api/queries";
import type { RunSummary, Task as TaskType } from "../api/types";
import { word } from "../i18n/say";
import { useKeys } from "../lib/keys";
import { useAddress } from "../lib/listview";
import { Confirm } from "../parts/Confirm";
import { CopyLine } from "../parts/CopyLine";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { PageHead } from "../parts/PageHead";
import { poolInWords } from "../parts/PoolPart";
import { RunProgress, RunState } from "../parts/State";
import { Tabs } from "../parts/Tabs";
import { Time } from "../parts/Time";
import { Occurrences, WhenCard } from "./TaskOccurrences";
import { targetsInWords } from "./Tasks";

export function Task() {
  const { t } = useTranslation();
  const { id } = useParams({ strict: false }) as { id: string };
  const task = useTask(id);
  const data = task.data;
  const [search, change] = useAddress();
  const tab = search.tab === "occurrences" && data?.doc.schedule ? "occurrences" : "runs";
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.tasks"), to: "/tasks" }]}
        title={data?.doc.name ?? "…"}
        facts={
          data && (
            <>
              <span>{t("task.version", { version: data.version })}</span>
              <span>
                {t("task.updated")} <Time at={data.updated} />
              </span>
              {data.author && <span>{t("run.by_whom", { name: data.author })}</span>}
            </>
          )
        }
        actions={data && <Actions task={data} />}
      />
      {task.isError && <Fault error={task.error} retry={() => task.refetch()} />}
      {task.isLoading && <Lines />}
      {data && (
        <div className="grid two">
          <div className="stack">
            {data.doc.schedule && (
              <Tabs
                label={t("task.parts")}
                now={tab}
                onChange={(name) => change({ tab: name === "runs" ? undefined : name })}
                tabs={[
                  { name: "runs", label: t("nav.runs") },
                  { name: "occurrences", label: t("occurrence.title") },
                ]}
              />
            )}
            {tab === "occurrences" ? <Occurrences task={data} /> : <Runs task={data} />}
          </div>
          <div className="stack">
            <WhenCard task={data} />
            <Document task={data} />
            <section className="card">
              <h2>YAML</h2>
              <div className="body">
                <CopyLine text={data.yaml} />
              </div>
            </section>
          </div>
        </div>
      )}
    </div>
  );
}

function Actions({ task }: { task: TaskType }) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  useKeys(may ? [{ keys: "e", label: t("task.edit"), run: () => void navigate({ to: "/tasks/$id/edit", params: { id: task.id } }) }] : []);
  if (!may) return null;
  const remove = async () => {
    await tasks.remove(task.id);
    await navigate({ to: "/tasks" });
    await client.invalidateQueries({ queryKey: ["tasks"] });
  };
  return (
    <>
      <Button component={Link} to={`/tasks/${task.id}/start`} variant="filled" leftSection={<IconPlayerPlay size={15} aria-hidden />}>
        {t("task.preview_start")}
      </Button>
      <Button component={Link} to={`/tasks/${task.id}/edit`}>
        {t("task.edit")}
      </Button>
      <Button variant="outline" color="red" onClick={() => setAsking(true)}>
        {t("task.delete")}
      </Button>
      {asking && (
        <Confirm
          title={t("task.delete")}
          verb={t("task.delete")}
          danger
          typed={task.doc.name}
          act={remove}
          onClose={() => setAsking(false)}
        >
          <p>{t("task.delete_what", { name: task.doc.name })}</p>
        </Confirm>
      )}
    </>
  );
}

function Runs({ task }: { task: TaskType }) {
  const { t } = useTranslation();
  const list = useList<RunSummary>("runs", "/runs", { task: task.id, sort: "-created" });
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t("run.count", { count: list.total ?? task.runs })}</h2>
        <Link to="/runs" search={{ task: task.id } as never} className="text-link soft" style={{ fontWeight: 450 }}>
          {t("common.show_all")}
        </Link>
      </div>
      {list.query.isError && <Fault error={list.query.error} retry={() => list.query.refetch()} />}
      {list.query.isLoading && <Lines />}
      {!list.query.isLoading && list.items.length === 0 && <Empty title={t("task.never_ran")} why={t("task.never_ran_why")} />}
      <ul className="lines">
        {list.items.slice(0, 30).map((run) => (
          <li key={run.id} className="run-line">
            <Link to="/runs/$id" params={{ id: run.id }} className="link">
              #{run.number} <span className="soft">{t("machines.count", { count: run.targeted })}</span>
            </Link>
            <RunState run={run} />
            <RunProgress run={run} />
            <span className="soft when">
              <Time at={run.created} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Document({ task }: { task: TaskType }) {
  const { t } = useTranslation();
  const { doc } = task;
  const exclude = doc.targets.exclude;
  const left = [
    ...(exclude?.tags ?? []),
    ...(exclude?.groups ?? []),
    ...(exclude?.devices ?? []),
    ...(exclude?.query ? [exclude.query] : []),
    ...(exclude?.ip_ranges ?? []),
  ];
  return (
    <section className="card">
      <h2>{t("task.what")}</h2>
      <dl className="facts-list body">
        {doc.description && (
          <>
            <dt>{t("task.description")}</dt>
            <dd>{doc.description}</dd>
          </>
        )}
        <dt>{t("task.targets")}</dt>
        <dd>
          {targetsInWords(t, doc.targets)}
          {doc.targets.late_joiners && <span className="branch">{t("task.late_joiners")}</span>}
        </dd>
        {left.length > 0 && (
          <>
            <dt>{t("task.exclude")}</dt>
            <dd>{left.join(", ")}</dd>
          </>
        )}
        {doc.actors && (
          <>
            <dt>{t("pool.title")}</dt>
            <dd>{poolInWords(t, doc.actors)}</dd>
          </>
        )}
        <dt>{t("task.step")}</dt>
        <dd>
          {doc.steps.length === 1 ? (
            word(t, "action", doc.steps[0]?.action.type ?? "")
          ) : (
            <ol className="steps-list">
              {doc.steps.map((s) => (
                <li key={s.id}>
                  <strong>{s.id}</strong> <span className="soft">{word(t, "action", s.action.type)}</span>
                  {s.when && <span className="branch">{t("job.if", { condition: s.when })}</span>}
                </li>
              ))}
            </ol>
          )}
        </dd>
        {doc.steps.length > 1 && (
          <>
            <dt>{t("job.mode")}</dt>
            <dd>{t(`job.${doc.mode ?? "client_job"}`)}</dd>
          </>
        )}
        <dt>{t("task.delivery")}</dt>
        <dd>{t(`delivery.${doc.delivery ?? "pull"}`)}</dd>
        <dt>{t("task.priority")}</dt>
        <dd>{doc.priority ?? 5}</dd>
        <dt>{t("task.attempts")}</dt>
        <dd>{doc.retry?.attempts ?? 1}</dd>
      </dl>
    </section>
  );
}
