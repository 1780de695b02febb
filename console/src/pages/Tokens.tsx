import { TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tokens } from "../api/client";
import type { Role, Token } from "../api/types";
import { ExpiryField, inDays, OrgField, RoleField } from "../parts/Fields";
import { FormDialog } from "../parts/FormDialog";
import { type MakeProps, Secrets } from "../parts/Secrets";
import { Time } from "../parts/Time";
import { SettingsTabs } from "./areas";

export function Tokens() {
  const { t } = useTranslation();
  return (
    <Secrets<Token>
      resource="tokens"
      title={t("nav.tokens")}
      area={{ label: t("nav.settings"), to: "/settings" }}
      tabs={<SettingsTabs now="tokens" />}
      facts={t("token.how")}
      may
      words={{
        add: t("token.new"),
        none: t("token.none"),
        none_why: t("token.how"),
        remove: t("token.delete"),
        remove_what: t("token.delete_what"),
      }}
      columns={[
        { head: t("user.role"), cell: (x) => t(`role.${x.role}`) },
        { head: t("frame.organization"), cell: (x) => x.org ?? t("user.every_org") },
        { head: t("token.last_used"), cell: (x) => <Time at={x.last_used} empty={t("common.never")} /> },
        { head: t("user.expires"), cell: (x) => <Time at={x.expires} empty={t("common.never")} /> },
      ]}
      Form={NewToken}
      remove={tokens.remove}
    />
  );
}

function NewToken({ onClose, onMade }: MakeProps<Token>) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [org, setOrg] = useState("");
  const [days, setDays] = useState("90");
  const act = async () => {
    const expires = inDays(days);
    const body = { name: name.trim(), role, ...(org ? { org } : {}), ...(expires ? { expires } : {}) };
    const { token, ...row } = await tokens.create(body);
    onMade({ row, secret: token });
  };
  return (
    <FormDialog title={t("token.new")} verb={t("token.create")} ready={name.trim() !== ""} act={act} onClose={onClose}>
      <TextInput
        label={t("user.name")}
        description={t("token.name_how")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        data-autofocus
      />
      <RoleField value={role} onChange={setRole} />
      <OrgField value={org} onChange={setOrg} />
      <ExpiryField value={days} onChange={setDays} />
    </FormDialog>
  );
}
