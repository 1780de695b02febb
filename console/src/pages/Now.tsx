// The overview: what runs, what waits, what needs a person.
import { IconAlertTriangle, IconChevronRight, IconCircleCheck } from "@tabler/icons-react";
import { Link, useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useOverview } from "../api/queries";
import type { Overview, RunSummary } from "../api/types";
import { say } from "../i18n/say";
import { number, span } from "../lib/format";
import { Fault, Lines } from "../parts/Feedback";
import { HoursChart } from "../parts/HoursChart";
import { NextDay } from "../parts/NextDay";
import { PageHead } from "../parts/PageHead";
import { RunProgress, RunState, Totals } from "../parts/State";
import { Time } from "../parts/Time";

export function Now() {
  const { t, i18n } = useTranslation();
  const overview = useOverview();
  const data = overview.data;
  const facts = data && (
    <>
      <span>{t("now.scheduler", { lag: span(data.scheduler_lag_ms, i18n.language) })}</span>
      <span>{t("now.intake", { rate: number(Math.round(data.intake_per_second * 10) / 10, i18n.language) })}</span>
    </>
  );
  return (
    <div className="page">
      <PageHead title={t("nav.now")} facts={facts} />
      {overview.isError && <Fault error={overview.error} retry={() => overview.refetch()} />}
      {overview.isLoading && <Lines count={10} />}
      {data && (
        <>
          <Counters data={data} />
          <div className="grid two">
            <section className="card">
              <h2>{t("now.hours")}</h2>
              <div className="body">
                <HoursChart hours={data.hours} />
              </div>
            </section>
            <Needs data={data} />
          </div>
          <NextDay />
          <RunList title={t("now.running")} empty={t("now.nothing_runs")} runs={data.runs} />
          <RunList title={t("now.recent")} empty={t("now.nothing_ended")} runs={data.recent} ended />
        </>
      )}
    </div>
  );
}

function Counters({ data }: { data: Overview }) {
  const { t, i18n } = useTranslation();
  const counters = [
    { name: "running", value: data.running, to: "/runs", search: { state: "running" } },
    { name: "waiting", value: data.waiting, to: "/queue", search: { state: "prepared" } },
    { name: "late", value: data.late, to: "/queue", search: {}, tone: "st-expired" },
    { name: "failing", value: data.failing, to: "/runs", search: { verdict: "error" }, tone: "st-error" },
    { name: "devices", value: data.devices, to: "/machines", search: {} },
    { name: "online", value: data.online, to: "/machines", search: { online: "true" } },
    { name: "unverified", value: data.unverified, to: "/machines", search: { verified: "false" } },
  ] as const;
  return (
    <nav className="counters" aria-label={t("now.counters")}>
      {counters.map((c) => (
        <Link key={c.name} to={c.to} search={c.search as never} className="counter">
          <b>{number(c.value, i18n.language)}</b>
          <span>
            {"tone" in c && c.value > 0 && (
              <span className={`tint ${c.tone}`} style={{ display: "inline-flex" }}>
                <IconAlertTriangle size={13} aria-hidden />
              </span>
            )}
            {t(`now.${c.name}`)}
          </span>
        </Link>
      ))}
    </nav>
  );
}

function Needs({ data }: { data: Overview }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  return (
    <section className="card">
      <h2>{t("now.needs")}</h2>
      {data.needs.length === 0 && (
        <div className="body row">
          <span className="tint st-ok" style={{ display: "inline-flex" }}>
            <IconCircleCheck size={17} aria-hidden />
          </span>
          {t("now.needs_nothing")}
        </div>
      )}
      <ul className="lines">
        {data.needs.map((need) => (
          <li key={need.key + need.link}>
            <a
              href={need.link}
              className="row"
              style={{ textDecoration: "none" }}
              onClick={(e) => {
                if (e.metaKey || e.ctrlKey || !need.link.startsWith("/")) return;
                e.preventDefault();
                navigate({ href: need.link });
              }}
            >
              <span className="tint st-expired" style={{ display: "inline-flex" }}>
                <IconAlertTriangle size={16} aria-hidden />
              </span>
              <span className="grow">{say(t, i18n.language, "need", need)}</span>
              <IconChevronRight size={15} aria-hidden className="soft" />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function RunList({ title, empty, runs, ended }: { title: string; empty: string; runs: RunSummary[]; ended?: boolean }) {
  const { t } = useTranslation();
  return (
    <section className="card">
      <div className="card-head">
        <h2>{title}</h2>
        <Link to="/runs" className="text-link soft" style={{ fontWeight: 450 }}>
          {t("now.all_runs")}
        </Link>
      </div>
      {runs.length === 0 && <p className="body soft">{empty}</p>}
      <ul className="lines">
        {runs.map((run) => (
          <li key={run.id} className="run-line">
            <span className="cut">
              <Link to="/runs/$id" params={{ id: run.id }} className="link">
                {run.task.name} <span className="soft">#{run.number}</span>
              </Link>
            </span>
            <RunState run={run} />
            <RunProgress run={run} />
            <span className="soft when">
              <Time at={ended ? run.ended : (run.started ?? run.created)} />
            </span>
            {!ended && (
              <div className="under">
                <Totals run={run} />
              </div>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
