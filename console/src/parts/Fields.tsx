// Fields that several forms share.
import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useMe } from "../api/queries";
import type { Role } from "../api/types";

export function RoleField({ value, onChange }: { value: Role; onChange: (role: Role) => void }) {
  const { t } = useTranslation();
  return (
    <Select
      label={t("user.role")}
      description={t(`role.${value}_may`)}
      data={(["viewer", "operator", "admin"] as const).map((role) => ({ value: role, label: t(`role.${role}`) }))}
      value={value}
      onChange={(v) => v && onChange(v as Role)}
    />
  );
}

/** Only those who see every organization may choose one; the empty choice is all of them. */
export function OrgField({ value, onChange }: { value: string; onChange: (org: string) => void }) {
  const { t } = useTranslation();
  const me = useMe().data;
  if (!me || me.user.org !== null) return null;
  const data = [{ value: "", label: t("user.every_org") }, ...me.orgs.map((o) => ({ value: o.name, label: o.name }))];
  return <Select label={t("frame.organization")} data={data} value={value} onChange={(v) => onChange(v ?? "")} />;
}

const DAY_MS = 86_400_000;
const DAYS = [1, 7, 30, 90, 365];

export function ExpiryField({ value, onChange }: { value: string; onChange: (days: string) => void }) {
  const { t } = useTranslation();
  const data = [
    ...DAYS.map((d) => ({ value: String(d), label: t("user.in_days", { count: d }) })),
    { value: "", label: t("common.never") },
  ];
  return <Select label={t("user.expires")} data={data} value={value} onChange={(v) => onChange(v ?? "")} />;
}

export const inDays = (days: string): string | undefined =>
  days === "" ? undefined : new Date(Date.now() + Number(days) * DAY_MS).toISOString();
