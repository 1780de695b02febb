// The next occurrences of a schedule, with the offset of the wall they are shown on and where it changes.
import { useTranslation } from "react-i18next";
import type { Ahead, Coming } from "../api/types";
import { offsetOf } from "../lib/when";

export function NextTen({ ahead }: { ahead: Ahead }) {
  const { t, i18n } = useTranslation();
  if (ahead.next.length === 0) return <p className="soft">{t("when.nothing_comes")}</p>;
  return (
    <>
      <p className="soft hint">
        {ahead.per_device
          ? t("when.shown_own", { zone: ahead.zone ?? "" })
          : t("when.shown_in", { zone: ahead.zone ?? offsetOf(ahead.next[0]?.local ?? "") })}
      </p>
      {ahead.kept && <p>{t("when.kept", ahead.kept)}</p>}
      <ol className="coming">
        {ahead.next.map((it, n) => (
          <li key={it.nominal}>
            <Occurrence it={it} before={ahead.next[n - 1]} zone={ahead.zone ?? undefined} lang={i18n.language} />
          </li>
        ))}
      </ol>
    </>
  );
}

type Props = { it: Coming; before?: Coming; zone?: string; lang: string };

function Occurrence({ it, before, zone, lang }: Props) {
  const { t } = useTranslation();
  const offset = offsetOf(it.local);
  const wall = it.local.slice(0, it.local.length - offset.length);
  // The wall's own time, said without the reader's zone coming in between.
  const shown = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(Date.parse(`${wall}Z`));
  // The end by the same wall; with its date only when that is another day.
  const end = it.closes ? new Date(it.closes) : null;
  const far = end !== null && end.getTime() - Date.parse(it.opens ?? it.starts) >= 86_400_000;
  const closes =
    end && new Intl.DateTimeFormat(lang, { ...(far ? { dateStyle: "medium" } : {}), timeStyle: "short", timeZone: zone }).format(end);
  const moved = before !== undefined && offsetOf(before.local) !== offset;
  return (
    <>
      <span>{shown}</span> <span className={moved ? "moved" : "soft"}>{offset}</span>
      {it.opens === null ? (
        <span className="soft"> · {t("when.never_opens")}</span>
      ) : (
        closes && <span className="soft"> · {t("window.until", { to: closes })}</span>
      )}
    </>
  );
}
