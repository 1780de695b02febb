// What schedules will start in the next 24 hours: each start a tick on the same line of hours, windows as bands behind them.
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useCalendar } from "../api/queries";
import type { CalendarEntry } from "../api/types";
import { begins } from "../lib/calendar";
import { hour } from "../lib/format";
import { bar } from "../lib/nextday";
import { Fault, Lines } from "./Feedback";
import { useNow } from "./Time";

const DAY_MS = 86_400_000;
const QUARTER_MS = 900_000;
/** Starts that are drawn before the rest is only counted. */
const SHOWN = 8;

export function NextDay() {
  const { t, i18n } = useTranslation();
  // Asked for by quarters of an hour, so that the line stands still while it is looked at.
  const from = Math.floor(useNow() / QUARTER_MS) * QUARTER_MS;
  const calendar = useCalendar(new Date(from).toISOString(), new Date(from + DAY_MS).toISOString());
  const entries = (calendar.data?.items ?? []).filter((e) => e.state === "coming" || e.state === "held");
  const ticks = [0, 6, 12, 18, 24].map((hours) => ({ hours, at: new Date(from + hours * 3_600_000).toISOString() }));
  const rest = entries.length - SHOWN;
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t("now.next")}</h2>
        <Link to="/calendar" className="text-link soft" style={{ fontWeight: 450 }}>
          {t("nav.calendar")}
        </Link>
      </div>
      {calendar.isError && <Fault error={calendar.error} retry={() => calendar.refetch()} />}
      {calendar.isLoading && <Lines count={3} />}
      {calendar.data && entries.length === 0 && <p className="body soft">{t("now.next_none")}</p>}
      {entries.length > 0 && (
        <div className="body next-day">
          <ul>
            {entries.slice(0, SHOWN).map((entry) => (
              <Start key={entry.task.id + entry.nominal} entry={entry} from={from} />
            ))}
          </ul>
          <div className="axis" aria-hidden>
            {ticks.map(({ hours, at }) => (
              <span key={hours} style={{ left: `${(hours / 24) * 100}%` }}>
                {hour(at, i18n.language)}
              </span>
            ))}
          </div>
          {(rest > 0 || calendar.data?.more) && (
            <Link to="/calendar" className="text-link soft">
              {rest > 0 ? t("calendar.rest", { count: rest }) : t("calendar.more")}
            </Link>
          )}
        </div>
      )}
    </section>
  );
}

function Start({ entry, from }: { entry: CalendarEntry; from: number }) {
  const { t, i18n } = useTranslation();
  const time = hour(new Date(begins(entry)).toISOString(), i18n.language);
  const until = entry.closes ? `–${hour(entry.closes, i18n.language)}` : "";
  const { tick, band } = bar(entry, from, from + DAY_MS);
  const own = entry.per_device ? ` · ${t("calendar.per_device")}` : "";
  return (
    <li>
      <Link to="/tasks/$id" params={{ id: entry.task.id }} className="name" title={`${entry.task.name} · ${time}${until}${own}`}>
        <span className="time">{`${time}${until}`}</span>
        <span className="cut">{entry.task.name}</span>
      </Link>
      <span className="track" aria-hidden>
        {band && (
          <span className="window" style={{ left: `${band.from * 100}%`, width: `${Math.max(0.5, (band.to - band.from) * 100)}%` }} />
        )}
        <i style={{ left: `${tick * 100}%` }} />
      </span>
    </li>
  );
}
