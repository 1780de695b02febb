// The step before every start: who is meant, who is left out and why, and the number to type when it is many.
import { Button, TextInput } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tasks } from "../api/client";
import { useMay, usePreview, useTask } from "../api/queries";
import type { Preview, Task } from "../api/types";
import { say, word } from "../i18n/say";
import { number } from "../lib/format";
import { ApprovalPart } from "../parts/ApprovalPart";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { ForecastLine } from "../parts/ForecastLine";
import { MachineLink, Presence, protocolName } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { standingInWords } from "../parts/PoolPart";
import { targetsInWords } from "./Tasks";

export function TaskStart() {
  const { t } = useTranslation();
  const { id } = useParams({ strict: false }) as { id: string };
  const task = useTask(id);
  const preview = usePreview(id);
  const crumbs = [{ label: t("nav.tasks"), to: "/tasks" }, ...(task.data ? [{ label: task.data.doc.name, to: `/tasks/${id}` }] : [])];
  return (
    <div className="page">
      <PageHead crumbs={crumbs} title={t("preview.title")} facts={t("preview.how")} />
      {preview.isError && <Fault error={preview.error} retry={() => preview.refetch()} />}
      {preview.isLoading && <Lines count={8} />}
      {preview.data && task.data && (
        <>
          {preview.data.count === 0 ? (
            <Empty title={t("preview.nobody")} why={t("preview.nobody_why")} />
          ) : (
            <Start task={task.data} preview={preview.data} again={() => preview.refetch()} />
          )}
          {!preview.data.pool && (
            <div className="grid two">
              <Names preview={preview.data} />
              <div className="stack">
                <Split title={t("preview.by_os")} counts={preview.data.by_os} name={(k) => word(t, "os_family", k)} />
                <Split title={t("preview.by_protocol")} counts={preview.data.by_protocol} name={protocolName} />
                {(preview.data.unable.length > 0 || preview.data.not_stopped > 0 || preview.data.no_output > 0) && (
                  <Unable preview={preview.data} />
                )}
                <Excluded preview={preview.data} />
              </div>
            </div>
          )}
        </>
      )}
    </div>
  );
}

function Start({ task, preview, again }: { task: Task; preview: Preview; again: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const client = useQueryClient();
  const may = useMay("operator");
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const { count, online, needs_count, plan, guard } = preview;
  const allowed = !preview.needs_approval || preview.approval?.state === "approved";
  const ready = may && allowed && (!needs_count || Number(typed.replace(/\D/g, "")) === count);
  const start = async (e: React.FormEvent) => {
    e.preventDefault();
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      const run = await tasks.start(task.id, needs_count ? { confirm_count: count, plan } : { plan });
      await client.invalidateQueries({ queryKey: ["runs"] });
      await navigate({ to: "/runs/$id", params: { id: run.id } });
    } catch (refusal) {
      setError(refusal);
      again();
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="card" onSubmit={start}>
      <div className="body stack">
        <div className="row wrap spread" style={{ gap: 20, alignItems: "flex-end" }}>
          <div>
            <p className="big">{t(preview.pool ? "pool.addresses_count" : "machines.count", { count })}</p>
            {preview.pool ? (
              <PoolFacts preview={preview} task={task} />
            ) : (
              <p className="soft">
                {t("preview.online", { count: online })} · {t(`delivery.${task.doc.delivery ?? "pull"}`)} ·{" "}
                {targetsInWords(t, task.doc.targets)}
              </p>
            )}
            {preview.forecast && (
              <p>
                <ForecastLine forecast={preview.forecast} />
              </p>
            )}
            {preview.waves.length > 0 && (
              <p>
                {t("rollout.preview", {
                  count: preview.waves.length,
                  sizes: preview.waves.map((n) => number(n, i18n.language)).join(" · "),
                })}
              </p>
            )}
            {needs_count && <p className="soft hint">{t(preview.pool ? "pool.guard" : "preview.guard", { count: guard })}</p>}
            {preview.needs_approval && <ApprovalPart task={task} preview={preview} again={again} />}
          </div>
          <div className="row start" style={{ alignItems: "flex-end" }}>
            {needs_count && (
              <TextInput
                label={t("preview.type", { text: number(count, i18n.language) })}
                inputMode="numeric"
                autoComplete="off"
                value={typed}
                onChange={(e) => setTyped(e.currentTarget.value)}
              />
            )}
            <Button
              type="submit"
              size="sm"
              variant="filled"
              disabled={!ready}
              loading={busy}
              leftSection={<IconPlayerPlay size={15} aria-hidden />}
            >
              {t(preview.pool ? "pool.start" : "preview.start", { count })}
            </Button>
          </div>
        </div>
        {error !== null && <Fault error={error} />}
      </div>
    </form>
  );
}

/** Who would do it, and in how many slices. */
function PoolFacts({ preview, task }: { preview: Preview; task: Task }) {
  const { t } = useTranslation();
  const pool = preview.pool;
  if (!pool) return null;
  return (
    <>
      <p className="soft">
        {standingInWords(t, pool)} · {t("pool.slices", { count: pool.slices })} · {targetsInWords(t, task.doc.targets)}
      </p>
      {pool.online === 0 ? (
        <p>{t(pool.members === 0 ? "pool.no_member_why" : "pool.nobody_why")}</p>
      ) : (
        <p className="soft">{t("pool.near", { count: pool.near })}</p>
      )}
    </>
  );
}

function Names({ preview }: { preview: Preview }) {
  const { t, i18n } = useTranslation();
  const rest = preview.count - preview.targets.length;
  return (
    <section className="card">
      <h2>{t("preview.names")}</h2>
      <div style={{ overflowX: "auto" }}>
        <table className="data auto">
          <thead>
            <tr>
              <th scope="col">{t("device.name")}</th>
              <th scope="col" className="wide-only">
                {t("device.agent")}
              </th>
              <th scope="col">{t("preview.would")}</th>
            </tr>
          </thead>
          <tbody>
            {preview.targets.map((target) => (
              <tr key={target.device.id}>
                <td>
                  <span className="row">
                    <Presence agent={target.agent} short />
                    <MachineLink device={target.device} />
                  </span>
                </td>
                <td className="soft wide-only">{target.agent ? protocolName(target.agent.protocol) : "–"}</td>
                <td>{say(t, i18n.language, "reason", target.reason)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rest > 0 && <p className="table-foot">{t("preview.rest", { count: rest })}</p>}
    </section>
  );
}

function Split({ title, counts, name }: { title: string; counts: Record<string, number>; name: (key: string) => string }) {
  const { i18n } = useTranslation();
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const top = Math.max(1, ...rows.map(([, n]) => n));
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="split">
        {rows.map(([key, n]) => (
          <div key={key} style={{ "--part": `${(n / top) * 100}%` } as React.CSSProperties}>
            <dt>{name(key)}</dt>
            <dd>{number(n, i18n.language)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Steps that some of them cannot do, where a job fails; and what some cannot promise. */
function Unable({ preview }: { preview: Preview }) {
  const { t } = useTranslation();
  return (
    <section className="card">
      <h2>{t("preview.cannot")}</h2>
      <ul className="lines">
        {preview.unable.map((x) => (
          <li key={x.step}>{t("preview.unable", { step: x.step, count: x.count })}</li>
        ))}
        {preview.no_output > 0 && <li>{t("preview.no_output", { count: preview.no_output })}</li>}
        {preview.not_stopped > 0 && <li>{t("preview.not_stopped", { count: preview.not_stopped })}</li>}
      </ul>
    </section>
  );
}

function Excluded({ preview }: { preview: Preview }) {
  const { t, i18n } = useTranslation();
  return (
    <section className="card">
      <h2>{t("preview.excluded")}</h2>
      {preview.excluded.length === 0 && <p className="body soft">{t("preview.nobody_excluded")}</p>}
      <ul className="lines">
        {preview.excluded.map((x) => (
          <li key={x.reason.key} className="row spread">
            <span>{say(t, i18n.language, "reason", x.reason)}</span>
            <strong>{number(x.count, i18n.language)}</strong>
          </li>
        ))}
      </ul>
    </section>
  );
}
