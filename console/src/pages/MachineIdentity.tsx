// By what a machine is known: its agents with their evidence, what it may be confused with, what was joined and parted.
import { Button } from "@mantine/core";
import { IconArrowMerge, IconArrowsSplit2 } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices, duplicates } from "../api/client";
import { renewIdentity, useIdentity, useMay } from "../api/queries";
import type { Candidate, DeviceDetail, DeviceRef, Identity as IdentityData, IdentityEntry } from "../api/types";
import { say, word } from "../i18n/say";
import { CandidateKindMark, EvidenceTable, useCandidateReason } from "../parts/Candidate";
import { Confirm } from "../parts/Confirm";
import { DismissDialog } from "../parts/DismissDialog";
import { Fault, Lines, shout, tell } from "../parts/Feedback";
import { MachineLink, protocolName } from "../parts/Machine";
import { MergeDialog } from "../parts/MergeDialog";
import { SplitDialog } from "../parts/SplitDialog";
import { Time } from "../parts/Time";
import { IdentityAgent } from "./IdentityAgent";
import { MergeWith } from "./MergeWith";

type Asking =
  | { act: "choose" }
  | { act: "merge"; other: DeviceRef; clone: boolean }
  | { act: "split"; agent?: string }
  | { act: "dismiss"; candidate: string }
  | { act: "undo"; entry: IdentityEntry };

export function Identity({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const identity = useIdentity(d.id);
  const may = useMay("operator");
  const navigate = useNavigate();
  const [asking, setAsking] = useState<Asking | null>(null);
  const close = () => setAsking(null);
  const go = (to: { id: string }) => {
    close();
    if (to.id !== d.id) void navigate({ to: "/machines/$id", params: { id: to.id }, search: { tab: "identity" } as never });
  };
  if (identity.isError) return <Fault error={identity.error} retry={() => identity.refetch()} />;
  if (!identity.data) return <Lines count={10} />;
  const { agents, candidates, log } = identity.data;
  return (
    <>
      {may && (
        <div className="row wrap">
          <Button leftSection={<IconArrowMerge size={15} aria-hidden />} onClick={() => setAsking({ act: "choose" })}>
            {t("identity.merge_with")}
          </Button>
          {agents.length > 1 && (
            <Button leftSection={<IconArrowsSplit2 size={15} aria-hidden />} onClick={() => setAsking({ act: "split" })}>
              {t("identity.split")}
            </Button>
          )}
        </div>
      )}
      {candidates.length > 0 && (
        <section className="card">
          <h2>
            {t("identity.candidates")} <span className="soft">{t("duplicate.count", { count: candidates.length })}</span>
          </h2>
          <ul className="lines">
            {candidates.map((c) => (
              <li key={c.id}>
                <OneCandidate
                  c={c}
                  self={d.id}
                  may={may}
                  merge={(other) => setAsking({ act: "merge", other, clone: c.kind === "clone" })}
                  dismiss={() => setAsking({ act: "dismiss", candidate: c.id })}
                />
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="grid even">
        {agents.length === 0 && <p className="card body soft">{t("identity.no_agent")}</p>}
        {agents.map((known) => (
          <IdentityAgent
            key={known.agent.id}
            known={known}
            may={may}
            split={agents.length > 1 ? () => setAsking({ act: "split", agent: known.agent.id }) : undefined}
          />
        ))}
      </div>
      <Log log={log} may={may} undo={(entry) => setAsking({ act: "undo", entry })} />
      {asking?.act === "choose" && (
        <MergeWith d={d} onChosen={(other) => setAsking({ act: "merge", other, clone: false })} onClose={close} />
      )}
      {asking?.act === "merge" && <MergeDialog pair={[d, asking.other]} clone={asking.clone} onDone={go} onClose={close} />}
      {asking?.act === "split" && <SplitDialog identity={identity.data as IdentityData} first={asking.agent} onDone={go} onClose={close} />}
      {asking?.act === "dismiss" && <DismissDialog ids={[asking.candidate]} onDone={close} onClose={close} />}
      {asking?.act === "undo" && <Undo entry={asking.entry} onDone={go} onClose={close} />}
    </>
  );
}

type CandidateProps = { c: Candidate; self: string; may: boolean; merge: (other: DeviceRef) => void; dismiss: () => void };

function OneCandidate({ c, self, may, merge, dismiss }: CandidateProps) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const why = useCandidateReason();
  const other = c.devices.find((x) => x.id !== self);
  const reopen = () =>
    duplicates
      .reopen(c.id)
      .then(() => renewIdentity(client))
      .catch((e) => shout(t, e));
  return (
    <div className="stack">
      <div className="row wrap spread">
        <span className="row wrap">
          <CandidateKindMark kind={c.kind} />
          {other && <MachineLink device={other} />}
          <span className="chip">{t("duplicate.points_count", { count: c.points })}</span>
          <span className="soft">
            <Time at={c.at} />
          </span>
        </span>
        {may && (
          <span className="row wrap">
            {c.state === "open" && other && <Button onClick={() => merge(other)}>{t("duplicate.merge")}</Button>}
            {c.state === "open" && <Button onClick={dismiss}>{t("duplicate.dismiss")}</Button>}
            {c.state === "dismissed" && <Button onClick={reopen}>{t("duplicate.reopen")}</Button>}
          </span>
        )}
      </div>
      <p>{why(c)}</p>
      <EvidenceTable candidate={c} />
    </div>
  );
}

function Log({ log, may, undo }: { log: IdentityEntry[]; may: boolean; undo: (entry: IdentityEntry) => void }) {
  const { t, i18n } = useTranslation();
  return (
    <section className="card">
      <h2>{t("identity.log")}</h2>
      {log.length === 0 && <p className="body soft">{t("identity.log_empty")}</p>}
      <ol className="lines">
        {log.map((e) => (
          <li key={e.id} className="log-line">
            <span className="soft">
              <Time at={e.at} />
            </span>
            <div className="grow">
              <p>
                <strong>{word(t, "identity_act", e.kind)}</strong>
                {e.undone && <span className="chip">{t("identity.undone")}</span>}{" "}
                <span className="soft">
                  {e.agents.map((a) => protocolName(a.protocol)).join(", ")}
                  {e.from && e.to && ` · ${e.from.name} → ${e.to.name}`}
                </span>
              </p>
              <p className="soft">
                {e.reason.params.by === e.actor ? "" : `${e.actor} · `}
                {say(t, i18n.language, "identity_reason", e.reason)}
              </p>
            </div>
            {may && e.can_undo && <Button onClick={() => undo(e)}>{t("identity.undo")}</Button>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Undo({ entry, onDone, onClose }: { entry: IdentityEntry; onDone: (d: DeviceDetail) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const names = { from: entry.from?.name ?? "–", to: entry.to?.name ?? "–", count: entry.agents.length };
  const act = async () => {
    const looked = await devices.undo(entry.id);
    await renewIdentity(client);
    tell(t, t("identity.undo_done"));
    onDone(looked);
  };
  return (
    <Confirm title={t("identity.undo_title")} verb={t("identity.undo")} act={act} onClose={onClose}>
      <p>{entry.kind === "split" ? t("identity.undo_split", names) : t("identity.undo_merge", names)}</p>
    </Confirm>
  );
}
