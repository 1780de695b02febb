// Two machines become one: which stays, and what will happen, said before it does.
import { Button, Modal } from "@mantine/core";
import { useQueries, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import { renewIdentity } from "../api/queries";
import type { DeviceDetail, DeviceRef } from "../api/types";
import { survivor } from "../lib/survivor";
import { Fault, Lines, tell } from "./Feedback";
import { protocolName } from "./Machine";
import { Time } from "./Time";

type Props = {
  pair: [DeviceRef, DeviceRef];
  /** The machines are two, one a copy of the other: merging them is rarely right. */
  clone?: boolean;
  onDone: (stays: DeviceDetail) => void;
  onClose: () => void;
};

export function MergeDialog({ pair, clone, onDone, onClose }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const read = useQueries({ queries: pair.map((d) => ({ queryKey: ["device", d.id], queryFn: () => devices.read(d.id) })) });
  const both = read.flatMap((q) => q.data ?? []);
  const [chosen, setChosen] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const stays = both.find((d) => d.id === (chosen ?? survivor(both)?.id));
  const goes = both.find((d) => d.id !== stays?.id);
  const failed = read.find((q) => q.isError);
  const submit = async (e: React.FormEvent) => {
    e.preventDefault();
    if (!stays || !goes) return;
    setBusy(true);
    setError(null);
    try {
      const done = await devices.merge(stays.id, [goes.id]);
      await renewIdentity(client);
      tell(t, t("merge.done", { goes: goes.name, stays: stays.name }));
      onDone(done);
    } catch (fault) {
      setError(fault);
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} size={560} title={t("merge.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form className="form" onSubmit={submit}>
        {failed && <Fault error={failed.error} retry={() => failed.refetch()} />}
        {!failed && both.length < 2 && <Lines count={5} />}
        {both.length === 2 && (
          <>
            {clone && <p className="note">{t("merge.clone")}</p>}
            <fieldset className="plain-set survivors">
              <legend className="label">{t("merge.which")}</legend>
              {both.map((d) => (
                <Survivor key={d.id} d={d} checked={d.id === stays?.id} choose={() => setChosen(d.id)} />
              ))}
            </fieldset>
            {stays && goes && <Preview stays={stays} goes={goes} />}
          </>
        )}
        {error !== null && <Fault error={error} />}
        <div className="buttons">
          <Button size="sm" onClick={onClose}>
            {t("common.back")}
          </Button>
          <Button size="sm" type="submit" variant="filled" disabled={!stays || !goes} loading={busy}>
            {stays ? t("merge.verb", { name: stays.name }) : t("merge.title")}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

function Survivor({ d, checked, choose }: { d: DeviceDetail; checked: boolean; choose: () => void }) {
  const { t } = useTranslation();
  return (
    <label className="survivor" data-checked={checked}>
      <input type="radio" name="survivor" checked={checked} onChange={choose} />
      <span className="grow">
        <strong>{d.name}</strong>
        <span className="soft">
          {[d.os, d.serial, ...d.agents.map((a) => protocolName(a.protocol))].filter(Boolean).join(" · ")}
          {" · "}
          {t("device.last_contact")}: <Time at={d.agent?.last_contact} empty={t("device.never")} />
        </span>
      </span>
    </label>
  );
}

function Preview({ stays, goes }: { stays: DeviceDetail; goes: DeviceDetail }) {
  const { t } = useTranslation();
  const unverified = [...stays.agents, ...goes.agents].filter((a) => !a.verified).length;
  const names = { stays: stays.name, goes: goes.name };
  const agents = goes.agents.map((a) => `${protocolName(a.protocol)} ${a.version ?? ""}`.trim()).join(", ");
  return (
    <section className="note">
      <h3>{t("merge.what")}</h3>
      <ul className="bullets">
        <li>{goes.agents.length > 0 ? t("merge.agents", { ...names, count: goes.agents.length, agents }) : t("merge.no_agents", names)}</li>
        <li>{t("merge.history", names)}</li>
        <li>{t("merge.hidden", names)}</li>
        {goes.open_assignments > 0 && <li>{t("merge.work", { ...names, count: goes.open_assignments })}</li>}
        <li>{unverified > 0 ? t("merge.trust", { count: unverified }) : t("merge.trust_all")}</li>
        <li>{t("merge.back")}</li>
      </ul>
    </section>
  );
}
