// What became of an occurrence: icon, word and colour.
import { IconCircleDashed, IconCircleX, IconClockPause, IconMoodEmpty, IconPlayerPlay } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import type { CalendarEntry } from "../api/types";
import { word } from "../i18n/say";

const LOOK = {
  coming: { icon: IconCircleDashed, tone: "st-prepared" },
  started: { icon: IconPlayerPlay, tone: "st-ok" },
  missed: { icon: IconCircleX, tone: "st-error" },
  held: { icon: IconClockPause, tone: "st-expired" },
  empty: { icon: IconMoodEmpty, tone: "st-cancelled" },
} as const;

export function OccurrenceIcon({ state, size = 15 }: { state: CalendarEntry["state"]; size?: number }) {
  const { icon: Icon, tone } = LOOK[state];
  return (
    <span className={`tint ${tone}`} style={{ display: "inline-flex", flex: "none" }}>
      <Icon size={size} stroke={1.9} aria-hidden />
    </span>
  );
}

export function OccurrenceWord({ state, detail }: { state: CalendarEntry["state"]; detail: string | null }) {
  const { t } = useTranslation();
  return (
    <span className="row" style={{ gap: 6, display: "inline-flex" }}>
      <OccurrenceIcon state={state} />
      <span>
        {t(`occurrence.${state}`)}
        {detail && <span className="soft"> · {word(t, "occurrence_why", detail)}</span>}
      </span>
    </span>
  );
}
