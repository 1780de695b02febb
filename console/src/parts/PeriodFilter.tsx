// A period as a filter: some time back from now, or from one instant to another.
import { Button, Checkbox, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { day } from "../lib/format";
import { fromField, instant, isPeriod, PERIODS, spelled, toField } from "../lib/period";
import { Chip } from "./Filters";

type Props = {
  label: string;
  since: string | undefined;
  until: string | undefined;
  onChange: (patch: { since?: string; until?: string }) => void;
};

/** 'the last 7 days', 'since 3 Mar', '3 Mar – 9 Mar'. */
export function usePeriodText() {
  const { t, i18n } = useTranslation();
  return (since: string | undefined, until: string | undefined): string => {
    const now = Date.now();
    const back = since && !until ? spelled(since) : null;
    if (back) return t(`period.last_${back.unit}`, { count: back.count });
    const from = instant(since, now);
    const to = instant(until, now);
    if (from !== null && to !== null) return `${day(from, i18n.language)} – ${day(to, i18n.language)}`;
    if (from !== null) return t("period.since", { date: day(from, i18n.language) });
    return to === null ? "" : t("period.until", { date: day(to, i18n.language) });
  };
}

export function PeriodFilter({ label, since, until, onChange }: Props) {
  const { t } = useTranslation();
  const say = usePeriodText();
  const clear = () => onChange({ since: undefined, until: undefined });
  return (
    <Chip label={label} value={since || until} shown={say(since, until)} onClear={clear}>
      {(close) => (
        <div className="stack">
          <div className="stack choices">
            {PERIODS.map((p) => (
              <Checkbox
                key={p}
                checked={since === p && !until}
                label={say(p, undefined)}
                onChange={() => {
                  if (since === p && !until) clear();
                  else onChange({ since: p, until: undefined });
                  close();
                }}
              />
            ))}
          </div>
          <Between since={since} until={until} onChange={onChange} close={close} verb={t("filter.apply")} />
        </div>
      )}
    </Chip>
  );
}

type BetweenProps = Omit<Props, "label"> & { close: () => void; verb: string };

function Between({ since, until, onChange, close, verb }: BetweenProps) {
  const { t } = useTranslation();
  const field = (text: string | undefined) => {
    const at = text && !isPeriod(text) ? instant(text, Date.now()) : null;
    return at === null ? "" : toField(at);
  };
  const [from, setFrom] = useState(field(since));
  const [to, setTo] = useState(field(until));
  // biome-ignore lint/correctness/useExhaustiveDependencies: the fields follow the address
  useEffect(() => {
    setFrom(field(since));
    setTo(field(until));
  }, [since, until]);
  return (
    <form
      className="stack"
      onSubmit={(e) => {
        e.preventDefault();
        onChange({ since: fromField(from) || undefined, until: fromField(to) || undefined });
        close();
      }}
    >
      <TextInput size="xs" type="datetime-local" label={t("period.from")} value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
      <TextInput size="xs" type="datetime-local" label={t("period.to")} value={to} onChange={(e) => setTo(e.currentTarget.value)} />
      <Button type="submit" disabled={!from && !to}>
        {verb}
      </Button>
    </form>
  );
}
