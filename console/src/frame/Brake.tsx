// The brake: its button in the bar, and the banner that stands above every screen while it is on.
import { ActionIcon, Button, Textarea } from "@mantine/core";
import { IconHandStop } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { brake } from "../api/client";
import { renewWork, useBrake, useMay } from "../api/queries";
import type { Brake } from "../api/types";
import { moment } from "../lib/format";
import { Confirm } from "../parts/Confirm";
import { Time } from "../parts/Time";

const NOTE_CHARS_MAX = 4000;

function useTaken() {
  const client = useQueryClient();
  return async (now: Brake) => {
    client.setQueryData(["brake"], now);
    await renewWork(client);
  };
}

/** Pulls the brake; not there for those who may not, nor while it is on. */
export function BrakeButton({ small }: { small: boolean }) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const now = useBrake().data;
  const taken = useTaken();
  const [asking, setAsking] = useState(false);
  const [note, setNote] = useState("");
  const close = () => {
    setAsking(false);
    setNote("");
  };
  if (!may || !now || (now.on && !asking)) return null;
  const icon = <IconHandStop size={16} stroke={1.8} aria-hidden />;
  return (
    <>
      {small ? (
        <ActionIcon variant="outline" color="red" size={30} onClick={() => setAsking(true)} aria-label={t("brake.pull")}>
          {icon}
        </ActionIcon>
      ) : (
        <Button variant="outline" color="red" leftSection={icon} onClick={() => setAsking(true)}>
          {t("brake.pull")}
        </Button>
      )}
      {asking && (
        <Confirm title={t("brake.pull")} verb={t("brake.pull")} danger act={async () => taken(await brake.pull(note))} onClose={close}>
          <p>{t("brake.pull_what")}</p>
          <Textarea
            label={t("brake.note")}
            description={t("brake.note_how")}
            value={note}
            onChange={(e) => setNote(e.currentTarget.value)}
            maxLength={NOTE_CHARS_MAX}
            rows={3}
            data-autofocus
          />
        </Confirm>
      )}
    </>
  );
}

const since = (brake: Brake, lang: string) => (brake.since ? moment(Date.parse(brake.since), lang) : "");

/** Says on every screen that everything is held. */
export function BrakeBanner() {
  const { t, i18n } = useTranslation();
  const may = useMay("operator");
  const now = useBrake().data;
  const taken = useTaken();
  const [asking, setAsking] = useState(false);
  if (!now?.on) return null;
  return (
    <section className="brake" aria-label={t("brake.brake")}>
      <IconHandStop size={20} stroke={1.8} aria-hidden />
      <div className="grow" role="status">
        <p>
          <strong>{t("brake.on", { since: since(now, i18n.language) })}</strong> · <Time at={now.since} /> ·{" "}
          {t("run.by_whom", { name: now.by ?? "" })}
        </p>
        {now.note && <p className="why">{now.note}</p>}
      </div>
      {may && <Button onClick={() => setAsking(true)}>{t("brake.release")}</Button>}
      {asking && (
        <Confirm
          title={t("brake.release_title")}
          verb={t("brake.release")}
          act={async () => taken(await brake.release())}
          onClose={() => setAsking(false)}
        >
          <p>{t("brake.release_what", { since: since(now, i18n.language) })}</p>
        </Confirm>
      )}
    </section>
  );
}
