// Names and secrets by which agents of others show that they belong here.
import { Switch, TextInput } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { agentCredentials } from "../api/client";
import { useMay, useSettings } from "../api/queries";
import type { AgentCredential } from "../api/types";
import { agentLines } from "../lib/agentlines";
import { CopyLine } from "../parts/CopyLine";
import { FormDialog } from "../parts/FormDialog";
import { type Made, type MakeProps, Secrets } from "../parts/Secrets";
import { FleetTabs } from "./areas";

export function AgentCredentials() {
  const { t } = useTranslation();
  const may = useMay("admin");
  return (
    <Secrets<AgentCredential>
      resource="agent-credentials"
      title={t("nav.credentials")}
      area={{ label: t("nav.fleet"), to: "/fleet" }}
      tabs={<FleetTabs now="credentials" />}
      facts={t("credential.how")}
      may={may}
      words={{
        add: t("credential.new"),
        none: t("credential.none"),
        none_why: t("credential.none_why"),
        remove: t("credential.delete"),
        remove_what: t("credential.delete_what"),
      }}
      columns={[
        { head: t("frame.organization"), cell: (x) => x.org },
        { head: t("credential.verifies"), cell: (x) => (x.verified ? t("common.yes") : t("common.no")) },
      ]}
      Form={NewCredential}
      remove={agentCredentials.remove}
      once={(made) => <Lines made={made} />}
      below={() => <Demanded />}
    />
  );
}

/** The lines that agents' configuration needs. */
function Lines({ made }: { made: Made<AgentCredential> }) {
  const { t } = useTranslation();
  return (
    <>
      <p className="soft">{t("credential.lines")}</p>
      {agentLines(made.row.name, made.secret).map(([name, text]) => (
        <div key={name}>
          <p className="label">{name}</p>
          <CopyLine text={text} label={name} />
        </div>
      ))}
    </>
  );
}

/** Whether agents must show one at all. */
function Demanded() {
  const { t } = useTranslation();
  const demanded = useSettings().data?.agent_auth;
  if (!demanded) return null;
  return (
    <p className="soft">
      {t(`credential.demanded_${demanded}`)} <Link to="/settings">{t("credential.to_setting")}</Link>
    </p>
  );
}

function NewCredential({ onClose, onMade }: MakeProps<AgentCredential>) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const [verified, setVerified] = useState(false);
  const act = async () => {
    const { secret: given, ...row } = await agentCredentials.create({ name: name.trim(), verified, ...(secret ? { secret } : {}) });
    onMade({ row, secret: given });
  };
  return (
    <FormDialog title={t("credential.new")} verb={t("credential.create")} ready={name.trim() !== ""} act={act} onClose={onClose}>
      <TextInput
        label={t("user.name")}
        description={t("credential.name_how")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        autoComplete="off"
        spellCheck={false}
        data-autofocus
      />
      <TextInput
        label={t("credential.secret")}
        description={t("credential.secret_how")}
        value={secret}
        onChange={(e) => setSecret(e.currentTarget.value)}
        autoComplete="off"
        spellCheck={false}
      />
      <Switch
        label={t("credential.verified")}
        description={t("credential.verified_how")}
        checked={verified}
        onChange={(e) => setVerified(e.currentTarget.checked)}
      />
    </FormDialog>
  );
}
