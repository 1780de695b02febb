import { Button, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { tokens } from "../api/client";
import { useList } from "../api/queries";
import type { Role, Token, WithSecret } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Empty } from "../parts/Feedback";
import { ExpiryField, inDays, OrgField, RoleField } from "../parts/Fields";
import { FormDialog } from "../parts/FormDialog";
import { Once } from "../parts/Once";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { SettingsTabs } from "./areas";

export function Tokens() {
  const { t } = useTranslation();
  const client = useQueryClient();
  const list = useList<Token>("tokens", "/tokens", {});
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<WithSecret<Token> | null>(null);
  const [gone, setGone] = useState<Token | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["tokens"] });
  const add = (
    <Button leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setAdding(true)}>
      {t("token.new")}
    </Button>
  );
  return (
    <div className="page">
      <PageHead crumbs={[{ label: t("nav.settings"), to: "/settings" }]} title={t("nav.tokens")} facts={t("token.how")} actions={add} />
      <SettingsTabs now="tokens" />
      {made && <Once name={made.name} token={made.token} onClose={() => setMade(null)} />}
      <SimpleTable
        label={t("nav.tokens")}
        list={list}
        rowKey={(x) => x.id}
        empty={<Empty title={t("token.none")} why={t("token.how")} />}
        columns={[
          { head: t("user.name"), cell: (x) => <strong>{x.name}</strong> },
          { head: t("user.role"), cell: (x) => t(`role.${x.role}`) },
          { head: t("frame.organization"), cell: (x) => x.org ?? t("user.every_org") },
          { head: t("token.last_used"), cell: (x) => <Time at={x.last_used} empty={t("common.never")} /> },
          { head: t("user.expires"), cell: (x) => <Time at={x.expires} empty={t("common.never")} /> },
          { head: t("user.created"), cell: (x) => <Time at={x.created} /> },
          {
            head: t("common.delete"),
            quiet: true,
            right: true,
            width: 110,
            cell: (x) => (
              <Button
                size="compact-xs"
                color="red"
                variant="outline"
                onClick={() => setGone(x)}
                aria-label={t("token.delete_title", { name: x.name })}
              >
                {t("common.delete")}
              </Button>
            ),
          },
        ]}
      />
      {adding && (
        <NewToken
          onClose={() => setAdding(false)}
          onMade={(token) => {
            setMade(token);
            setAdding(false);
            refresh();
          }}
        />
      )}
      {gone && (
        <Confirm
          title={t("token.delete_title", { name: gone.name })}
          verb={t("token.delete")}
          danger
          act={() => tokens.remove(gone.id).then(refresh)}
          onClose={() => setGone(null)}
        >
          <p>{t("token.delete_what")}</p>
        </Confirm>
      )}
    </div>
  );
}

function NewToken({ onClose, onMade }: { onClose: () => void; onMade: (token: WithSecret<Token>) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [org, setOrg] = useState("");
  const [days, setDays] = useState("90");
  const act = async () => {
    const expires = inDays(days);
    onMade(await tokens.create({ name: name.trim(), role, ...(org ? { org } : {}), ...(expires ? { expires } : {}) }));
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
