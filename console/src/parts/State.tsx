// A state, everywhere the same: icon, word and colour. And the bar and the totals that stand for many of them.
import { Tooltip } from "@mantine/core";
import {
  IconArrowRightDashed,
  IconBan,
  IconCircle,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleHalf2,
  IconClockX,
  IconExclamationCircle,
  IconHelpCircle,
  IconLoader2,
  IconPlayerPause,
} from "@tabler/icons-react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import type { Attempt, Counts, RunSummary, State as StateName } from "../api/types";
import { word } from "../i18n/say";
import { number, percent } from "../lib/format";
import { remainder, runWord, STATES, segments, type Tone, total } from "../lib/states";

const ICONS: Record<StateName, typeof IconCircle> = {
  prepared: IconCircle,
  started: IconCircleHalf2,
  running: IconLoader2,
  ok: IconCircleCheck,
  error: IconExclamationCircle,
  unknown: IconHelpCircle,
  expired: IconClockX,
  cancelled: IconBan,
  skipped: IconArrowRightDashed,
};

/** The state of a try: those of an assignment, and one of its own. */
export function AttemptState({ state }: { state: Attempt["state"] }) {
  const { t } = useTranslation();
  if (state !== "declined") return <State state={state} />;
  return (
    <span className="state st-skipped">
      <StateIcon state="skipped" />
      {t("why.declined")}
    </span>
  );
}

export function StateIcon({ state, size = 16 }: { state: StateName; size?: number }) {
  const Icon = ICONS[state] ?? IconCircleDashed;
  return <Icon size={size} stroke={1.9} aria-hidden className={state === "running" ? "spin" : undefined} />;
}

export function State({ state }: { state: StateName }) {
  const { t } = useTranslation();
  return (
    <span className={`state st-${state}`}>
      <StateIcon state={state} />
      {word(t, "state", state)}
    </span>
  );
}

/** The word for several of a state, which some languages inflect. */
function counted(t: TFunction, state: StateName, count: number): string {
  return word(t, count === 1 ? "state" : "states", state);
}

const RUN_TONE: Record<Tone, StateName> = {
  ok: "ok",
  busy: "running",
  idle: "prepared",
  error: "error",
  unknown: "unknown",
  late: "expired",
  off: "cancelled",
};

/** The state or verdict of a run. */
export function RunState({ run }: { run: Pick<RunSummary, "state" | "verdict"> }) {
  const { t } = useTranslation();
  const { word: name, tone } = runWord(run);
  const state = RUN_TONE[tone];
  return (
    <span className={`state st-${state}`}>
      {name === "paused" ? <IconPlayerPause size={16} aria-hidden /> : <StateIcon state={state} />}
      {word(t, "run_state", name)}
    </span>
  );
}

/** The stacked bar of a run's states; its numbers are in the label and the tooltip, and `Totals` stands beside it. */
export function StateBar({ counts, width }: { counts: Partial<Counts>; width?: number }) {
  const { t, i18n } = useTranslation();
  const parts = segments(counts);
  const words = parts.map((p) => `${number(p.count, i18n.language)} ${counted(t, p.state, p.count)}`).join(" · ");
  return (
    <Tooltip label={words || t("state.none")} multiline>
      <span className="bar" role="img" aria-label={words || t("state.none")} style={{ width, flex: width ? "none" : undefined }}>
        {parts.map((p) => (
          <i key={p.state} className={`st-${p.state}`} style={{ flex: `0 0 ${p.percent}%`, flexShrink: 1 }} />
        ))}
      </span>
    </Tooltip>
  );
}

type TotalsProps = { run: Pick<RunSummary, "counts" | "targeted">; chosen?: string[]; onChoose?: (state: StateName) => void };

/** Every state's count and the number of targets they sum up to; what is not yet in a state is said too. */
export function Totals({ run, chosen = [], onChoose }: TotalsProps) {
  const { t, i18n } = useTranslation();
  const say = (n: number) => number(n, i18n.language);
  const rest = remainder(run);
  const sum = total(run.counts) + rest;
  return (
    <ul className="totals">
      {STATES.filter((s) => (run.counts[s] ?? 0) > 0).map((state) => {
        const inner = (
          <span className={`state st-${state}`}>
            <StateIcon state={state} size={14} />
            <b>{say(run.counts[state])}</b> {counted(t, state, run.counts[state])}
          </span>
        );
        return (
          <li key={state}>
            {onChoose ? (
              <button type="button" aria-pressed={chosen.includes(state)} onClick={() => onChoose(state)}>
                {inner}
              </button>
            ) : (
              inner
            )}
          </li>
        );
      })}
      {rest > 0 && (
        <li>
          <b>{say(rest)}</b> {t("state.not_yet")}
        </li>
      )}
      <li>
        = <b>{say(sum)}</b> {t("run.targeted")}
      </li>
    </ul>
  );
}

/** Bar and share of a run in one line of a list. */
export function RunProgress({ run }: { run: RunSummary }) {
  const { i18n } = useTranslation();
  const done = total(run.counts) - (run.counts.prepared ?? 0) - (run.counts.started ?? 0) - (run.counts.running ?? 0);
  const share = run.targeted > 0 ? done / run.targeted : 0;
  return (
    <span className="row">
      <StateBar counts={run.counts} />
      <span className="num soft" style={{ width: 40 }}>
        {percent(share, i18n.language)}
      </span>
    </span>
  );
}
