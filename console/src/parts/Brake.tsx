// The brake of an organization: the button that pulls it, and the banner that says on every screen that it is on.
import { Button, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Trans, useTranslation } from "react-i18next";
import { brake } from "../api/client";
import { useBrake, useMay } from "../api/queries";
import { Confirm } from "./Confirm";
import { Time } from "./Time";

const KEY = ["settings", "brake"];

export function BrakeBanner() {
  const { t } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const now = useBrake().data;
  if (!now?.on || now.since === null) return null;
  return (
    <div className="brake" role="status">
      <p>
        <strong>{t("brake.on")}</strong> <Trans i18nKey="brake.by" values={{ name: now.by }} components={{ at: <Time at={now.since} /> }} />
        {now.note !== null && ` ${t("brake.why", { note: now.note })}`}
      </p>
      {may && (
        <Button size="sm" variant="default" onClick={() => setAsking(true)}>
          {t("brake.release")}
        </Button>
      )}
      {asking && (
        <Confirm
          title={t("brake.release")}
          verb={t("brake.release")}
          act={async () => client.setQueryData(KEY, await brake.release())}
          onClose={() => setAsking(false)}
        >
          <p>{t("brake.release_what")}</p>
        </Confirm>
      )}
    </div>
  );
}

export function BrakeButton() {
  const { t } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [note, setNote] = useState("");
  const now = useBrake().data;
  if (!may || now === undefined || now.on) return null;
  return (
    <>
      <Button variant="outline" color="red" onClick={() => setAsking(true)}>
        {t("brake.pull")}
      </Button>
      {asking && (
        <Confirm
          title={t("brake.pull")}
          verb={t("brake.pull")}
          danger
          act={async () => client.setQueryData(KEY, await brake.pull(note))}
          onClose={() => setAsking(false)}
        >
          <p>{t("brake.pull_what")}</p>
          <TextInput label={t("brake.note")} value={note} onChange={(e) => setNote(e.currentTarget.value)} maxLength={200} data-autofocus />
        </Confirm>
      )}
    </>
  );
}
