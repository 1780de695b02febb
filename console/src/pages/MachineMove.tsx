import { Select } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import { useMe } from "../api/queries";
import type { DeviceDetail } from "../api/types";
import { tell } from "../parts/Feedback";
import { FormDialog } from "../parts/FormDialog";

/** A machine comes to another organization; it is not seen in this one afterwards. */
export function MoveMachine({ d, onClose }: { d: DeviceDetail; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const others = (useMe().data?.orgs ?? []).filter((it) => it.name !== d.org);
  const [org, setOrg] = useState(others.length === 1 ? (others[0]?.id ?? null) : null);
  const act = async () => {
    const moved = await devices.change(d.id, { org: org ?? "" }, d.version);
    await navigate({ to: "/machines" });
    await client.invalidateQueries({ queryKey: ["devices"] });
    tell(t, t("machine.moved", { name: d.name, org: moved.org }));
  };
  return (
    <FormDialog title={t("machine.move_title", { name: d.name })} verb={t("machine.move_do")} ready={!!org} act={act} onClose={onClose}>
      <p>{t("machine.move_what")}</p>
      <Select
        label={t("machine.move_to")}
        data={others.map((it) => ({ value: it.id, label: it.name }))}
        value={org}
        onChange={setOrg}
        searchable
      />
    </FormDialog>
  );
}
