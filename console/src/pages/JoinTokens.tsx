// How machines come to this server: tokens for our own agent, and the line each known agent needs.
import { Button, NumberInput, Switch, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { joinTokens } from "../api/client";
import { useList, useMay } from "../api/queries";
import type { JoinToken, WithSecret } from "../api/types";
import { number } from "../lib/format";
import { Confirm } from "../parts/Confirm";
import { CopyLine } from "../parts/CopyLine";
import { Empty } from "../parts/Feedback";
import { ExpiryField, inDays } from "../parts/Fields";
import { FormDialog } from "../parts/FormDialog";
import { Once } from "../parts/Once";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

export function JoinTokens() {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const may = useMay("admin");
  const list = useList<JoinToken>("join-tokens", "/join-tokens", {});
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<WithSecret<JoinToken> | null>(null);
  const [gone, setGone] = useState<JoinToken | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["join-tokens"] });
  const add = may && (
    <Button leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setAdding(true)}>
      {t("join.new")}
    </Button>
  );
  return (
    <div className="page">
      <PageHead crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]} title={t("nav.join")} facts={t("join.how")} actions={add} />
      <FleetTabs now="join" />
      {made && (
        <Once name={made.name} token={made.token} onClose={() => setMade(null)}>
          <CopyLine text={ownAgent(made.token)} label="muster-agent" />
        </Once>
      )}
      <SimpleTable
        label={t("nav.join")}
        list={list}
        rowKey={(x) => x.id}
        empty={<Empty title={t("join.none")} why={t("join.none_why")} />}
        columns={[
          { head: t("user.name"), cell: (x) => <strong>{x.name}</strong> },
          { head: t("frame.organization"), cell: (x) => x.org },
          {
            head: t("join.uses_left"),
            right: true,
            cell: (x) => (x.uses_left === null ? t("common.unlimited") : number(x.uses_left, i18n.language)),
          },
          { head: t("join.used"), right: true, cell: (x) => number(x.used, i18n.language) },
          { head: t("user.expires"), cell: (x) => <Time at={x.expires} empty={t("common.never")} /> },
          { head: t("user.created"), cell: (x) => <Time at={x.created} /> },
          ...(may
            ? [
                {
                  head: t("common.delete"),
                  quiet: true,
                  right: true,
                  width: 110,
                  cell: (x: JoinToken) => (
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
              ]
            : []),
        ]}
      />
      <Commands token={made?.token} />
      {adding && (
        <NewJoinToken
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
          act={() => joinTokens.remove(gone.id).then(refresh)}
          onClose={() => setGone(null)}
        >
          <p>{t("join.delete_what")}</p>
        </Confirm>
      )}
    </div>
  );
}

const ownAgent = (token: string) => `muster-agent --server ${location.origin} --join ${token}`;

/** Copyable lines that point each kind of agent at this server. */
function Commands({ token }: { token: string | undefined }) {
  const { t } = useTranslation();
  const lines: [string, string][] = [
    ["Muster", ownAgent(token ?? "TOKEN")],
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

function NewJoinToken({ onClose, onMade }: { onClose: () => void; onMade: (token: WithSecret<JoinToken>) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [uses, setUses] = useState<number | string>(50);
  const [days, setDays] = useState("7");
  const [verified, setVerified] = useState(true);
  const act = async () => {
    const expires = inDays(days);
    const body = { name: name.trim(), verified, ...(typeof uses === "number" ? { uses } : {}), ...(expires ? { expires } : {}) };
    onMade(await joinTokens.create(body));
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
      <Switch label={t("join.verified")} checked={verified} onChange={(e) => setVerified(e.currentTarget.checked)} />
    </FormDialog>
  );
}
