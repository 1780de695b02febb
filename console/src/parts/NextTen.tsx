// The next occurrences of a schedule, with the offset of the wall they are shown on and where it changes.
import { useTranslation } from "react-i18next";
import type { Ahead, Coming } from "../api/types";
import { moment } from "../lib/format";
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
      <ol className="coming">
        {ahead.next.map((it, n) => (
          <li key={it.nominal}>
            <Occurrence it={it} before={ahead.next[n - 1]} lang={i18n.language} />
          </li>
        ))}
      </ol>
    </>
  );
}

function Occurrence({ it, before, lang }: { it: Coming; before?: Coming; lang: string }) {
  const { t } = useTranslation();
  const offset = offsetOf(it.local);
  const wall = it.local.slice(0, it.local.length - offset.length);
  // The wall's own time, said without the reader's zone coming in between.
  const shown = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" }).format(Date.parse(`${wall}Z`));
  const moved = before !== undefined && offsetOf(before.local) !== offset;
  return (
    <>
      <span>{shown}</span> <span className={moved ? "moved" : "soft"}>{offset}</span>
      {it.opens === null ? (
        <span className="soft"> · {t("when.never_opens")}</span>
      ) : (
        it.closes && <span className="soft"> · {t("window.until", { to: moment(Date.parse(it.closes), lang) })}</span>
      )}
    </>
  );
}
