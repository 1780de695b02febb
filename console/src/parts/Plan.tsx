// What the next run of a task that is being written would do, and what would help.
import { Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { useForecast } from "../api/queries";
import type { PlanAdvice, PlanCourse, TaskDoc, TaskForecast } from "../api/types";
import { span } from "../lib/format";
import { helped } from "../lib/plan";
import { clean, missing } from "../lib/taskdoc";
import { Time } from "./Time";

type Props = { doc: TaskDoc; set: (patch: Partial<TaskDoc>) => void };

export function Plan({ doc, set }: Props) {
  const { t } = useTranslation();
  const [written] = useDebouncedValue(JSON.stringify(doc), 600);
  const said: TaskDoc = JSON.parse(written);
  const ready = missing(said).length === 0;
  const forecast = useForecast(clean(said), ready);
  // A fault of the document is told by its form, and when it is saved.
  if (!ready || forecast.isError || !forecast.data) return null;
  const it = forecast.data;
  return (
    <section aria-label={t("plan.title")} className="card">
      <h2>{t("plan.title")}</h2>
      <div className="body-pad stack tight">
        <Course it={it} />
        <BesideList it={it} />
        <AdviceList it={it} doc={doc} set={set} />
      </div>
    </section>
  );
}

function Course({ it }: { it: TaskForecast }) {
  const { t } = useTranslation();
  const { course } = it;
  const lost = [
    course.late > 0 && t("plan.late", { count: course.late }),
    course.absent > 0 && t("forecast.absent", { count: course.absent }),
    course.unreached > 0 && t("plan.unreached", { count: course.unreached }),
  ].filter((text) => text !== false);
  return (
    <>
      <p>
        {t("plan.begun", { count: course.begun, targets: course.targets })}
        {course.ends && (
          <>
            {" · "}
            {t("forecast.ends")} <Time at={course.ends} />
          </>
        )}{" "}
        <span className="soft">({it.measured > 0 ? t("forecast.measured", { count: it.measured }) : t("forecast.assumed")})</span>
      </p>
      {lost.length > 0 && <p>{course.late > 0 ? <strong>{lost.join(" · ")}</strong> : lost.join(" · ")}</p>}
      <Kept course={course} />
    </>
  );
}

function Kept({ course }: { course: PlanCourse }) {
  const { t } = useTranslation();
  const kept = (["run", "organization", "machine", "wave"] as const).filter((by) => course.kept[by] > 0);
  if (kept.length === 0) return null;
  return <p className="hint">{kept.map((by) => t(`plan.kept_${by}`, { count: course.kept[by] })).join(" · ")}</p>;
}

function BesideList({ it }: { it: TaskForecast }) {
  const { t, i18n } = useTranslation();
  if (it.beside.length === 0) return null;
  const seconds = (from: string | null, to: string | null) => (from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : 0);
  const delayed = it.beside.filter((b) => b.with.late > b.before.late || seconds(b.before.ends, b.with.ends) >= 60);
  return (
    <>
      <p>
        {it.adds_seconds < 60
          ? t("plan.adds_nothing", { count: it.beside.length })
          : t("plan.adds", { time: span(it.adds_seconds * 1000, i18n.language) })}
      </p>
      {delayed.length > 0 && (
        <ul>
          {delayed.slice(0, 5).map((b) => {
            const later = seconds(b.before.ends, b.with.ends);
            const more = b.with.late - b.before.late;
            return (
              <li key={b.task.id}>
                <a href={`/tasks/${b.task.id}`}>{b.task.name}</a>
                {later >= 60 && ` · ${t("plan.later", { time: span(later * 1000, i18n.language) })}`}
                {more > 0 && ` · ${t("plan.more_late", { count: more })}`}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

function AdviceList({ it, doc, set }: Props & { it: TaskForecast }) {
  const { t } = useTranslation();
  if (it.advice.length === 0) return null;
  return (
    <>
      <p>{t("plan.advice")}</p>
      <ul className="stack tight">
        {it.advice.map((advice) => {
          const patch = helped(doc, advice);
          return (
            <li key={advice.key} className="row spread">
              <AdviceWords advice={advice} />
              {patch && (
                <Button size="compact-xs" style={{ flex: "none" }} onClick={() => set(patch)}>
                  {t("plan.use")}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </>
  );
}

function AdviceWords({ advice }: { advice: PlanAdvice }) {
  const { t, i18n } = useTranslation();
  const time = span((advice.params.seconds ?? 0) * 1000, i18n.language);
  const { late, ends } = advice.course;
  return (
    <span>
      {t(`plan.advice_${advice.key}`, { count: advice.params.most ?? 0, time })}
      <br />
      <span className="soft">
        {late === 0 ? t("plan.nobody_late") : t("plan.late", { count: late })}
        {ends && (
          <>
            {" · "}
            {t("forecast.ends")} <Time at={ends} />
          </>
        )}
      </span>
    </span>
  );
}
