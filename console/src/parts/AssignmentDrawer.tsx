// 'Why?' of one assignment: what it waits for, what ends that, its attempts, output and events.
import { Button, Drawer } from "@mantine/core";
import { IconCheck, IconClock } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { assignments } from "../api/client";
import { useAssignment, useMay, useWhy } from "../api/queries";
import type { AssignmentDetail, Attempt, Why } from "../api/types";
import { say, word } from "../i18n/say";
import { isFinal } from "../lib/states";
import { targetName } from "./assignmentColumns";
import { Confirm } from "./Confirm";
import { EventLine } from "./EventLine";
import { Fault, Lines } from "./Feedback";
import { protocolName } from "./Machine";
import { AttemptState, State } from "./State";
import { Time, Took } from "./Time";

export function AssignmentDrawer({ id, onClose }: { id: string | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Drawer
      opened={!!id}
      onClose={onClose}
      position="right"
      size={460}
      title={t("why.title")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      {id && <Body id={id} />}
    </Drawer>
  );
}

function Body({ id }: { id: string }) {
  const { t } = useTranslation();
  const detail = useAssignment(id);
  const why = useWhy(id);
  if (detail.isError) return <Fault error={detail.error} retry={() => detail.refetch()} />;
  if (!detail.data) return <Lines count={8} />;
  const a = detail.data;
  return (
    <div className="stack" style={{ gap: 18 }}>
      <div>
        <div className="row spread">
          {a.device ? (
            <Link to="/machines/$id" params={{ id: a.device.id }} className="link" style={{ fontSize: 16 }}>
              {a.device.name}
            </Link>
          ) : (
            <strong style={{ fontSize: 16 }}>{a.slice}</strong>
          )}
          <State state={a.state} />
        </div>
        <p className="soft">
          <Link to="/tasks/$id" params={{ id: a.task.id }} className="text-link">
            {a.task.name}
          </Link>
          {" · "}
          <Link to="/runs/$id" params={{ id: a.run }} className="text-link">
            {t("why.run")}
          </Link>
          {" · "}
          {a.step}
        </p>
      </div>
      <Reasons a={a} why={why.data} />
      {why.isError && <Fault error={why.error} retry={() => why.refetch()} />}
      {a.output && (
        <section>
          <h3>{t("why.output")}</h3>
          <pre className="output">{a.output}</pre>
          {a.output_truncated && <p className="soft">{t("why.truncated")}</p>}
        </section>
      )}
      <section>
        <h3>{t("why.attempts", { count: a.attempts.length })}</h3>
        {a.attempts.length === 0 && <p className="soft">{t("why.no_attempt")}</p>}
        <ol className="stack">
          {a.attempts.map((attempt) => (
            <AttemptItem key={attempt.no} attempt={attempt} of={a.attempts_max} />
          ))}
        </ol>
      </section>
      {a.events.length > 0 && (
        <section>
          <h3>{t("why.events")}</h3>
          <ol className="lines">
            {a.events.map((e) => (
              <li key={e.id} style={{ padding: "6px 0" }}>
                <EventLine event={e} />
              </li>
            ))}
          </ol>
        </section>
      )}
      <CancelOne a={a} />
    </div>
  );
}

function Reasons({ a, why }: { a: AssignmentDetail; why: Why | undefined }) {
  const { t, i18n } = useTranslation();
  const reason = why?.reason ?? a.reason;
  return (
    <section className="note">
      {reason ? (
        <>
          <p>
            <strong>{say(t, i18n.language, "reason", reason)}</strong>
          </p>
          {!isFinal(a.state) && reason.ends && (
            <p className="soft">
              {t("why.ends")} {say(t, i18n.language, "ends", reason.ends)}
            </p>
          )}
        </>
      ) : (
        <p>{t("why.no_reason")}</p>
      )}
      {why && why.conditions.length > 0 && (
        <ul style={{ marginTop: 10 }} className="stack tight">
          {why.conditions.map((c) => (
            <li key={c.key} className="row" style={{ alignItems: "flex-start" }}>
              <span className={`tint ${c.ok ? "st-ok" : "st-expired"}`} style={{ display: "inline-flex", paddingTop: 2 }}>
                {c.ok ? <IconCheck size={15} aria-hidden /> : <IconClock size={15} aria-hidden />}
              </span>
              <span className="hidden-label">{c.ok ? t("why.met") : t("why.not_met")}</span>
              <span className="grow">{say(t, i18n.language, "condition", c)}</span>
              {c.at && (
                <span className="soft">
                  <Time at={c.at} />
                </span>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function AttemptItem({ attempt, of }: { attempt: Attempt; of: number }) {
  const { t } = useTranslation();
  return (
    <li className="card" style={{ padding: "9px 12px" }}>
      <div className="row spread">
        <span>{t("why.attempt", { no: attempt.no, of: Math.max(of, attempt.no) })}</span>
        <AttemptState state={attempt.state} />
      </div>
      <p className="soft">
        {attempt.agent.name} · {protocolName(attempt.agent.protocol)} · {t("why.handed")} <Time at={attempt.handed_at} /> ·{" "}
        <Took from={attempt.begun_at ?? attempt.handed_at} to={attempt.ended_at} />
        {attempt.exit_code !== null && ` · ${t("assignment.exit_code")} ${attempt.exit_code}`}
      </p>
      {!attempt.ended_at && attempt.lease_until && (
        <p className="soft">
          {t("why.lease")} <Time at={attempt.lease_until} />
        </p>
      )}
      {attempt.message && <p>{attempt.message}</p>}
    </li>
  );
}

function CancelOne({ a }: { a: AssignmentDetail }) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  if (!may || isFinal(a.state)) return null;
  if (a.cancel_requested) return <p className="soft">{t("assignment.cancel_asked")}</p>;
  return (
    <div>
      <Button color="red" variant="outline" onClick={() => setAsking(true)}>
        {t("assignment.cancel", { count: 1 })}
      </Button>
      {asking && (
        <Confirm
          title={t("assignment.cancel", { count: 1 })}
          verb={t("assignment.cancel", { count: 1 })}
          danger
          act={async () => {
            await assignments.cancel(a.id);
            await client.invalidateQueries({
              predicate: (q) => ["assignment", "assignments", "queue", "run"].includes(String(q.queryKey[0])),
            });
          }}
          onClose={() => setAsking(false)}
        >
          <p>{t("assignment.cancel_what", { name: targetName(a), state: word(t, "state", a.state) })}</p>
        </Confirm>
      )}
    </div>
  );
}
