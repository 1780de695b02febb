import { ActionIcon, Button, Menu, PasswordInput, TextInput } from "@mantine/core";
import { IconDots, IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { users } from "../api/client";
import { useList, useMe } from "../api/queries";
import type { Role, User } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Empty, shout } from "../parts/Feedback";
import { OrgField, RoleField } from "../parts/Fields";
import { FormDialog } from "../parts/FormDialog";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { SettingsTabs } from "./areas";

type Asked = { what: "new" } | { what: "role" | "password" | "delete"; user: User };

export function Users() {
  const { t } = useTranslation();
  const list = useList<User>("users", "/users", {});
  const [asked, setAsked] = useState<Asked | null>(null);
  const client = useQueryClient();
  const close = () => {
    setAsked(null);
    client.invalidateQueries({ queryKey: ["users"] });
  };
  const add = (
    <Button leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setAsked({ what: "new" })}>
      {t("user.new")}
    </Button>
  );
  return (
    <div className="page">
      <PageHead crumbs={[{ label: t("nav.settings"), to: "/settings" }]} title={t("nav.users")} actions={add} />
      <SettingsTabs now="users" />
      <SimpleTable
        label={t("nav.users")}
        list={list}
        rowKey={(u) => u.id}
        empty={<Empty title={t("user.none")}>{add}</Empty>}
        columns={[
          {
            head: t("user.name"),
            cell: (u) => (
              <>
                <strong>{u.name}</strong> {u.disabled && <span className="chip">{t("user.disabled")}</span>}
              </>
            ),
          },
          { head: t("user.role"), cell: (u) => t(`role.${u.role}`) },
          { head: t("frame.organization"), cell: (u) => u.org ?? t("user.every_org") },
          { head: t("user.last_login"), cell: (u) => <Time at={u.last_login} empty={t("common.never")} /> },
          { head: t("user.created"), cell: (u) => <Time at={u.created} /> },
          { head: t("common.more"), quiet: true, right: true, width: 60, cell: (u) => <UserMenu user={u} ask={setAsked} /> },
        ]}
      />
      {asked?.what === "new" && <NewUser onClose={close} />}
      {asked?.what === "role" && <ChangeRole user={asked.user} onClose={close} />}
      {asked?.what === "password" && <GivePassword user={asked.user} onClose={close} />}
      {asked?.what === "delete" && (
        <Confirm
          title={t("user.delete_title", { name: asked.user.name })}
          verb={t("user.delete")}
          danger
          typed={asked.user.name}
          act={() => users.remove(asked.user.id)}
          onClose={close}
        >
          <p>{t("user.delete_what")}</p>
        </Confirm>
      )}
    </div>
  );
}

function UserMenu({ user, ask }: { user: User; ask: (asked: Asked) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const self = useMe().data?.user.id === user.id;
  const flip = () =>
    users
      .change(user.id, { disabled: !user.disabled })
      .then(() => client.invalidateQueries({ queryKey: ["users"] }))
      .catch((e) => shout(t, e));
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("user.actions", { name: user.name })}>
          <IconDots size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => ask({ what: "role", user })}>{t("user.change_role")}</Menu.Item>
        <Menu.Item onClick={() => ask({ what: "password", user })}>{t("user.give_password")}</Menu.Item>
        <Menu.Item disabled={self} onClick={flip}>
          {t(user.disabled ? "user.enable" : "user.disable")}
        </Menu.Item>
        <Menu.Item c="var(--danger)" disabled={self} onClick={() => ask({ what: "delete", user })}>
          {t("user.delete")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function NewUser({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [org, setOrg] = useState("");
  const act = async () => {
    await users.create({ name: name.trim(), password, role, ...(org ? { org } : {}) });
    onClose();
  };
  return (
    <FormDialog title={t("user.new")} verb={t("user.create")} ready={name.trim() !== "" && password !== ""} act={act} onClose={onClose}>
      <TextInput label={t("user.name")} value={name} onChange={(e) => setName(e.currentTarget.value)} autoComplete="off" data-autofocus />
      <FirstPassword value={password} onChange={setPassword} />
      <RoleField value={role} onChange={setRole} />
      <OrgField value={org} onChange={setOrg} />
    </FormDialog>
  );
}

function FirstPassword({ value, onChange }: { value: string; onChange: (v: string) => void }) {
  const { t } = useTranslation();
  return (
    <PasswordInput
      label={t("user.first_password")}
      description={t("user.first_password_how")}
      value={value}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": t("signin.show_password") }}
      onChange={(e) => onChange(e.currentTarget.value)}
    />
  );
}

function ChangeRole({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const [role, setRole] = useState<Role>(user.role);
  return (
    <FormDialog title={user.name} verb={t("common.save")} act={() => users.change(user.id, { role }).then(onClose)} onClose={onClose}>
      <RoleField value={role} onChange={setRole} />
    </FormDialog>
  );
}

function GivePassword({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation();
  const [password, setPassword] = useState("");
  return (
    <FormDialog
      title={user.name}
      verb={t("user.give_password")}
      ready={password !== ""}
      act={() => users.change(user.id, { password }).then(onClose)}
      onClose={onClose}
    >
      <FirstPassword value={password} onChange={setPassword} />
    </FormDialog>
  );
}
