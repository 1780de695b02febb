// What schedules did and will do: days with their times, windows as bands, what became of each.
import { ActionIcon, Button, SegmentedControl } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useCalendar } from "../api/queries";
import type { CalendarEntry } from "../api/types";
import { band, begins, type Day, dayOf, days, span, textOf, turned, type View } from "../lib/calendar";
import { hour } from "../lib/format";
import { useKeys } from "../lib/keys";
import { useAddress } from "../lib/listview";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { OccurrenceIcon } from "../parts/OccurrenceState";
import { PageHead } from "../parts/PageHead";
import { useNow } from "../parts/Time";

/** Entries of one day in a month before the rest is only counted. */
const SHOWN = 4;

export function Calendar() {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const now = useNow();
  const phone = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false }) ?? false;
  const view: View = search.view === "month" ? "month" : "week";
  const day = dayOf(search.day, now);
  const [from, to] = span(view, day);
  const calendar = useCalendar(new Date(from).toISOString(), new Date(to).toISOString());
  const turn = (by: 1 | -1) => change({ day: textOf(turned(view, day, by)) });
  useKeys([
    { keys: "ArrowLeft", label: t("calendar.earlier"), run: () => turn(-1) },
    { keys: "ArrowRight", label: t("calendar.later"), run: () => turn(1) },
    { keys: "t", label: t("calendar.today"), run: () => change({ day: undefined }) },
  ]);
  const shown = days(view, day, calendar.data?.items ?? []);
  const filled = shown.filter((d) => d.entries.length > 0);
  const today = dayOf(undefined, now);
  const title = new Intl.DateTimeFormat(i18n.language, view === "month" ? { month: "long", year: "numeric" } : { dateStyle: "medium" });
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.tasks"), to: "/tasks" }]}
        title={t("nav.calendar")}
        facts={<span>{t("calendar.how", { zone: Intl.DateTimeFormat().resolvedOptions().timeZone })}</span>}
        actions={
          <>
            <SegmentedControl
              aria-label={t("calendar.view")}
              size="xs"
              value={view}
              onChange={(next) => change({ view: next === "week" ? undefined : next })}
              data={(["week", "month"] as const).map((value) => ({ value, label: t(`calendar.${value}`) }))}
            />
            <Button onClick={() => change({ day: undefined })}>{t("calendar.today")}</Button>
            <ActionIcon variant="default" size={30} aria-label={t("calendar.earlier")} onClick={() => turn(-1)}>
              <IconChevronLeft size={16} aria-hidden />
            </ActionIcon>
            <ActionIcon variant="default" size={30} aria-label={t("calendar.later")} onClick={() => turn(1)}>
              <IconChevronRight size={16} aria-hidden />
            </ActionIcon>
          </>
        }
      />
      <h2 aria-live="polite">{view === "month" ? title.format(day) : title.formatRange(from, to - 1)}</h2>
      {calendar.isError && <Fault error={calendar.error} retry={() => calendar.refetch()} />}
      {calendar.isLoading && <Lines count={8} />}
      {calendar.data?.more && <p className="hint">{t("calendar.more")}</p>}
      {calendar.data && filled.length === 0 && (
        <div className="card">
          <Empty title={t("calendar.none")} why={t("calendar.none_why")} />
        </div>
      )}
      {calendar.data && filled.length > 0 && (
        <ol className={`calendar ${view} ${phone ? "agenda" : ""}`}>
          {(phone ? filled : shown).map((d) => (
            <DayCell key={d.start} day={d} isToday={d.start === today} most={view === "month" && !phone ? SHOWN : undefined} />
          ))}
        </ol>
      )}
    </div>
  );
}

function DayCell({ day, isToday, most }: { day: Day; isToday: boolean; most?: number }) {
  const { t, i18n } = useTranslation();
  const name = new Intl.DateTimeFormat(i18n.language, { weekday: "short", day: "numeric", month: "short" }).format(day.start);
  const rest = most === undefined ? 0 : Math.max(0, day.entries.length - most);
  return (
    <li className={`card day ${day.inMonth ? "" : "other"}`} aria-current={isToday ? "date" : undefined}>
      <h3>{name}</h3>
      <ul>
        {day.entries.slice(0, most).map((entry) => (
          <EntryLine key={entry.task.id + entry.nominal} entry={entry} day={day} />
        ))}
      </ul>
      {rest > 0 && (
        <Link to="/calendar" search={{ day: textOf(day.start) } as never} className="text-link soft">
          {t("calendar.rest", { count: rest })}
        </Link>
      )}
    </li>
  );
}

function EntryLine({ entry, day }: { entry: CalendarEntry; day: Day }) {
  const { t, i18n } = useTranslation();
  const part = band(entry, day);
  const time = hour(new Date(begins(entry)).toISOString(), i18n.language);
  const until = entry.closes ? `–${hour(entry.closes, i18n.language)}` : "";
  const to = entry.run ? `/runs/${entry.run}` : `/tasks/${entry.task.id}`;
  const own = entry.per_device ? ` · ${t("calendar.per_device")}` : "";
  return (
    <li>
      <Link to={to} className="entry" title={`${entry.task.name} · ${time}${until} · ${t(`occurrence.${entry.state}`)}${own}`}>
        <OccurrenceIcon state={entry.state} size={14} />
        <span className="hidden-label">{t(`occurrence.${entry.state}`)}</span>
        <span className="time">{time}</span>
        <span className="cut">{entry.task.name}</span>
      </Link>
      {part && (
        <span className="band" aria-hidden>
          <span style={{ left: `${part.from * 100}%`, width: `${Math.max(1, (part.to - part.from) * 100)}%` }} />
        </span>
      )}
    </li>
  );
}
