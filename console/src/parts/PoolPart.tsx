// The pool that does a run: who is in it, and what each did.
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { useRunPool } from "../api/queries";
import type { Actors, PoolShare, PoolStanding, Run } from "../api/types";
import { number } from "../lib/format";
import { Empty, Fault, Lines } from "./Feedback";
import { MachineLink } from "./Machine";

/** Who is in a pool, in one line. */
export function poolInWords(t: TFunction, actors: Actors): string {
  if ("agents" in actors) return t("agent.count", { count: actors.agents.length });
  const { selector, max } = actors.pool ?? {};
  const of = [...(selector?.groups ?? []), ...(selector?.subnets ?? [])];
  const who = of.length > 0 ? of.join(", ") : t("pool.all");
  return max ? `${who} · ${t("pool.at_most", { count: max })}` : who;
}

/** How a pool stands, in one line. */
export function standingInWords(t: TFunction, it: PoolStanding): string {
  return t("pool.standing", { count: it.members, online: it.online });
}

export function PoolPart({ run }: { run: Run }) {
  const { t, i18n } = useTranslation();
  const pool = useRunPool(run.id, run.state !== "finished");
  if (pool.isError) return <Fault error={pool.error} retry={() => pool.refetch()} />;
  if (!pool.data) return <Lines />;
  const it = pool.data;
  const most = Math.max(1, ...it.shares.map((share) => share.done.addresses + share.working.addresses));
  return (
    <section className="card">
      <div className="card-head">
        <h2>{t("pool.shares")}</h2>
        <span className="soft">
          {standingInWords(t, it)} · {t("pool.working", { count: it.working })} · {t("pool.addresses_count", { count: it.addresses })} ·{" "}
          {t("pool.slices", { count: it.slices })}
        </span>
      </div>
      {it.shares.length === 0 ? (
        <Empty title={t("pool.nobody")} why={t(it.members === 0 ? "pool.no_member_why" : "pool.nobody_why")} />
      ) : (
        <div style={{ overflowX: "auto" }}>
          <table className="data auto">
            <thead>
              <tr>
                <th scope="col">{t("assignment.machine")}</th>
                <th scope="col" style={{ width: "40%" }}>
                  {t("pool.share")}
                </th>
                <th scope="col" className="num">
                  {t("pool.done")}
                </th>
                <th scope="col" className="num">
                  {t("pool.in_hands")}
                </th>
                <th scope="col" className="num">
                  {t("pool.failed")}
                </th>
              </tr>
            </thead>
            <tbody>
              {it.shares.map((share) => (
                <Share key={share.agent} share={share} most={most} lang={i18n.language} all={it.addresses} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

type ShareProps = { share: PoolShare; most: number; lang: string; all: number };

function Share({ share, most, lang, all }: ShareProps) {
  const { t } = useTranslation();
  const { done, working, failed } = share;
  const part = Math.round((done.addresses / Math.max(1, all)) * 1000) / 10;
  return (
    <tr>
      <td>{share.device ? <MachineLink device={share.device} /> : <span className="soft">{t("pool.gone")}</span>}</td>
      <td>
        <span
          className="share-bar"
          style={{ "--done": `${(done.addresses / most) * 100}%`, "--now": `${(working.addresses / most) * 100}%` } as React.CSSProperties}
        >
          <span className="num">{number(part, lang)} %</span>
        </span>
      </td>
      <td className="num">{number(done.addresses, lang)}</td>
      <td className="num">{working.slices > 0 ? number(working.addresses, lang) : "–"}</td>
      <td className="num">{failed.slices > 0 ? number(failed.addresses, lang) : "–"}</td>
    </tr>
  );
}
