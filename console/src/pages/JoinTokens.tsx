// How machines come to this server: tokens for our own agent, and the line each known agent needs.
import { NumberInput, Select, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { joinTokens } from "../api/client";
import { useList, useMay } from "../api/queries";
import type { Group, JoinToken } from "../api/types";
import { number } from "../lib/format";
import { CopyLine } from "../parts/CopyLine";
import { ExpiryField, inDays } from "../parts/Fields";
import { FormDialog } from "../parts/FormDialog";
import { type MakeProps, Secrets } from "../parts/Secrets";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

export function JoinTokens() {
  const { t, i18n } = useTranslation();
  const may = useMay("admin");
  return (
    <Secrets<JoinToken>
      resource="join-tokens"
      title={t("nav.join")}
      area={{ label: t("nav.fleet"), to: "/fleet" }}
      tabs={<FleetTabs now="join" />}
      facts={t("join.how")}
      may={may}
      words={{
        add: t("join.new"),
        none: t("join.none"),
        none_why: t("join.none_why"),
        remove: t("token.delete"),
        remove_what: t("join.delete_what"),
      }}
      columns={[
        { head: t("frame.organization"), cell: (x) => x.org },
        {
          head: t("join.uses_left"),
          right: true,
          cell: (x) => (x.uses_left === null ? t("common.unlimited") : number(x.uses_left, i18n.language)),
        },
        { head: t("join.used"), right: true, cell: (x) => number(x.used, i18n.language) },
        { head: t("user.expires"), cell: (x) => <Time at={x.expires} empty={t("common.never")} /> },
      ]}
      Form={NewJoinToken}
      remove={joinTokens.remove}
      once={(made) => <CopyLine text={ownAgent(made.secret)} label="muster-agent" />}
      below={(made) => <Commands token={made?.secret} />}
    />
  );
}

const ownAgent = (token: string) => `muster-agent --server ${location.origin} --join ${token}`;

/** Copyable lines that point each kind of agent at this server. */
function Commands({ token }: { token: string | undefined }) {
  const { t } = useTranslation();
  const lines: [string, string][] = [
    ["Muster", ownAgent(token ?? "TOKEN")],
    [
      t("join.installer"),
      `muster admin installer --server ${location.origin} --package muster-agent.deb --verified --out install-agent.sh`,
    ],
    ["FusionInventory", `fusioninventory-agent --server ${location.origin}/ --force`],
    ["GLPI", `glpi-agent --server ${location.origin}/ --force`],
    ["OCS", `ocsinventory-agent --nolocal --server=${location.origin}/ocsinventory --force`],
  ];
  return (
    <section className="card">
      <h2>{t("join.commands")}</h2>
      <div className="body stack">
        <p className="soft">{t("join.commands_how")}</p>
        {lines.map(([name, text]) => (
          <div key={name}>
            <p className="label">{name}</p>
            <CopyLine text={text} label={name} />
          </div>
        ))}
      </div>
    </section>
  );
}

function NewJoinToken({ onClose, onMade }: MakeProps<JoinToken>) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [uses, setUses] = useState<number | string>(50);
  const [days, setDays] = useState("7");
  const [verified, setVerified] = useState(true);
  const [group, setGroup] = useState<string | null>(null);
  const known = useList<Group>("groups", "/groups", { sort: "name" });
  const act = async () => {
    const expires = inDays(days);
    const body = {
      name: name.trim(),
      verified,
      ...(typeof uses === "number" ? { uses } : {}),
      ...(expires ? { expires } : {}),
      ...(group ? { group } : {}),
    };
    const { token, ...row } = await joinTokens.create(body);
    onMade({ row, secret: token });
  };
  return (
    <FormDialog title={t("join.new")} verb={t("join.create")} ready={name.trim() !== ""} act={act} onClose={onClose}>
      <TextInput
        label={t("user.name")}
        description={t("join.name_how")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        data-autofocus
      />
      <NumberInput label={t("join.uses")} description={t("join.uses_how")} min={1} value={uses} onChange={setUses} />
      <ExpiryField value={days} onChange={setDays} />
      <Select
        label={t("join.group")}
        description={t("join.group_how")}
        data={known.items.filter((g) => g.kind === "static").map((g) => ({ value: g.id, label: g.name }))}
        value={group}
        onChange={setGroup}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("filter.clear_one", { name: t("join.group") }) }}
      />
      <Switch label={t("join.verified")} checked={verified} onChange={(e) => setVerified(e.currentTarget.checked)} />
    </FormDialog>
  );
}
