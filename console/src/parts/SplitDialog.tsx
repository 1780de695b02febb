// Agents of one machine become a machine of their own.
import { Checkbox, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import { renewIdentity } from "../api/queries";
import type { DeviceDetail, Identity } from "../api/types";
import { tell } from "./Feedback";
import { FormDialog } from "./FormDialog";
import { protocolName } from "./Machine";

type Props = { identity: Identity; first?: string; onDone: (fresh: DeviceDetail) => void; onClose: () => void };

export function SplitDialog({ identity, first, onDone, onClose }: Props) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [ids, setIds] = useState<string[]>(first ? [first] : []);
  const [name, setName] = useState("");
  const { agents, device } = identity;
  const flip = (id: string) => setIds(ids.includes(id) ? ids.filter((x) => x !== id) : [...ids, id]);
  const all = ids.length === agents.length;
  const act = async () => {
    const fresh = await devices.split(device.id, ids, name.trim() || undefined);
    await renewIdentity(client);
    tell(t, t("split.done", { name: fresh.name }));
    onDone(fresh);
  };
  return (
    <FormDialog
      title={t("split.title", { name: device.name })}
      verb={t("split.verb", { count: ids.length })}
      ready={ids.length > 0 && !all}
      act={act}
      onClose={onClose}
    >
      <fieldset className="plain-set">
        <legend className="label">{t("split.which")}</legend>
        {agents.map(({ agent, evidence }) => (
          <Checkbox
            key={agent.id}
            checked={ids.includes(agent.id)}
            onChange={() => flip(agent.id)}
            label={`${protocolName(agent.protocol)} ${agent.version ?? ""}`}
            description={[agent.foreign_id ?? agent.agent_id, evidence.find((e) => e.kind === "serial" || e.kind === "uuid")?.value]
              .filter(Boolean)
              .join(" · ")}
          />
        ))}
      </fieldset>
      <TextInput label={t("split.name")} description={t("split.name_how")} value={name} onChange={(e) => setName(e.currentTarget.value)} />
      <section className="note">
        <h3>{t("merge.what")}</h3>
        <ul className="bullets">
          <li>
            {ids.length === 0 ? t("split.none") : all ? t("split.not_all") : t("split.moves", { count: ids.length, name: device.name })}
          </li>
          <li>{t("split.apart")}</li>
          <li>{t("merge.back")}</li>
        </ul>
      </section>
    </FormDialog>
  );
}
