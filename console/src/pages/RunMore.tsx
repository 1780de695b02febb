// The other tabs of a run: what happened, and what the machines said, equal texts together.
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { Assignment, RunEvent } from "../api/types";
import { useAddress } from "../lib/listview";
import { grouped } from "../lib/outputs";
import { targetName } from "../parts/assignmentColumns";
import { EventLine } from "../parts/EventLine";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { LoadMore } from "../parts/LoadMore";
import { State } from "../parts/State";

export function RunEvents({ id }: { id: string }) {
  const { t } = useTranslation();
  const list = useList<RunEvent>("run", `/runs/${encodeURIComponent(id)}/events`, {});
  if (list.query.isError) return <Fault error={list.query.error} retry={() => list.query.refetch()} />;
  if (list.query.isLoading) return <Lines />;
  if (list.items.length === 0) return <Empty title={t("run.no_event")} />;
  return (
    <section className="card">
      <ol className="lines">
        {list.items.map((e) => (
          <li key={e.id} style={{ padding: "7px 14px" }}>
            <EventLine event={e} machine />
          </li>
        ))}
      </ol>
      <LoadMore list={list} />
    </section>
  );
}

const NAMES_SHOWN = 6;

export function RunOutputs({ id }: { id: string }) {
  const { t } = useTranslation();
  const [, change] = useAddress();
  const list = useList<Assignment>("assignments", `/runs/${encodeURIComponent(id)}/assignments`, { state: "ok,error,unknown" });
  const groups = useMemo(() => grouped(list.items), [list.items]);
  if (list.query.isError) return <Fault error={list.query.error} retry={() => list.query.refetch()} />;
  if (list.query.isLoading) return <Lines />;
  if (groups.length === 0) return <Empty title={t("run.no_output")} why={t("run.no_output_why")} />;
  return (
    <div className="stack">
      {groups.map((g) => (
        <section key={`${g.state} ${g.exit_code} ${g.output}`} className="card">
          <div className="card-head">
            <span className="row wrap">
              <strong>{t(g.members[0]?.slice ? "pool.slices" : "machines.count", { count: g.members.length })}</strong>
              <State state={g.state} />
              {g.exit_code !== null && (
                <span className="soft">
                  {t("assignment.exit_code")} {g.exit_code}
                </span>
              )}
            </span>
          </div>
          <div className="body stack" style={{ gap: 8 }}>
            <pre className="output">{g.output || t("run.silent")}</pre>
            <p className="row wrap soft">
              {g.members.slice(0, NAMES_SHOWN).map((a) => (
                <button type="button" key={a.id} className="plain text-link" onClick={() => change({ open: a.id })}>
                  {targetName(a)}
                </button>
              ))}
              {g.members.length > NAMES_SHOWN && <span>{t("run.and_more", { count: g.members.length - NAMES_SHOWN })}</span>}
            </p>
          </div>
        </section>
      ))}
      <LoadMore list={list} />
    </div>
  );
}
