// Verdicts of the last 24 hours as stacked bars, drawn by hand: 24 columns need no library. The same numbers stand in a
// table for those who do not see the bars.
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Hour } from "../api/types";
import { hour as hourOf, number } from "../lib/format";

const HEIGHT = 132;
const PARTS = ["ok", "unknown", "error"] as const;

/** A round number at or above the greatest bar, so that the scale can be read. */
export function ceiling(value: number): number {
  if (value <= 5) return 5;
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((m) => m * size).find((m) => m >= value) ?? value;
}

export function HoursChart({ hours }: { hours: Hour[] }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  const [at, setAt] = useState<number | null>(null);
  const top = ceiling(Math.max(0, ...hours.map((h) => Math.max(h.started, h.ok + h.unknown + h.error))));
  const y = (value: number) => (value / top) * HEIGHT;
  const step = 100 / Math.max(1, hours.length);
  const shown = at === null ? null : hours[at];
  const sum = (key: (typeof PARTS)[number] | "started") => number(shown ? shown[key] : hours.reduce((a, h) => a + h[key], 0), lang);
  return (
    <figure>
      <figcaption className="totals" style={{ marginBottom: 10 }}>
        <span style={{ minWidth: 92 }}>{shown ? hourOf(shown.at, lang) : t("now.last_24")}</span>
        <span>
          <b>{sum("started")}</b> {t("now.started")}
        </span>
        {PARTS.map((part) => (
          <span key={part} className="state">
            <i className={`swatch st-${part}`} />
            <b>{sum(part)}</b> {t(`states.${part}`)}
          </span>
        ))}
      </figcaption>
      <svg className="hours" width="100%" height={HEIGHT + 20} aria-hidden="true" onPointerLeave={() => setAt(null)}>
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line x1="0" x2="100%" y1={HEIGHT - HEIGHT * part + 0.5} y2={HEIGHT - HEIGHT * part + 0.5} className="axis" />
            {part > 0 && (
              <text x="0" y={HEIGHT - HEIGHT * part + 12}>
                {number(top * part, lang)}
              </text>
            )}
          </g>
        ))}
        {hours.map((h, i) => {
          let base = HEIGHT;
          return (
            <g key={h.at} opacity={at === null || at === i ? 1 : 0.45} onPointerEnter={() => setAt(i)}>
              <rect x={`${i * step}%`} width={`${step}%`} y={0} height={HEIGHT} fill="transparent" />
              {PARTS.map((part) => {
                const height = y(h[part]);
                base -= height;
                return (
                  <rect
                    key={part}
                    className={`st-${part}`}
                    fill="var(--c)"
                    x={`${i * step + step * 0.16}%`}
                    width={`${step * 0.68}%`}
                    y={base}
                    height={height}
                  />
                );
              })}
              <rect x={`${i * step + step * 0.08}%`} width={`${step * 0.84}%`} y={HEIGHT - y(h.started) - 1} height={2} className="tick" />
              {i % 6 === 0 && (
                <text x={`${i * step + step * 0.16}%`} y={HEIGHT + 15}>
                  {hourOf(h.at, lang)}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <Numbers hours={hours} />
    </figure>
  );
}

function Numbers({ hours }: { hours: Hour[] }) {
  const { t, i18n } = useTranslation();
  return (
    <div className="hidden-label">
      <table>
        <caption>{t("now.hours")}</caption>
        <thead>
          <tr>
            <th scope="col">{t("now.hour")}</th>
            <th scope="col">{t("now.started")}</th>
            {PARTS.map((part) => (
              <th key={part} scope="col">
                {t(`states.${part}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {hours.map((h) => (
            <tr key={h.at}>
              <th scope="row">{hourOf(h.at, i18n.language)}</th>
              <td>{h.started}</td>
              {PARTS.map((part) => (
                <td key={part}>{h[part]}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
