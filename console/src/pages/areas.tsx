// The tabs of the two areas that have several pages.
import { useTranslation } from "react-i18next";
import { useMay, useOpenDuplicates } from "../api/queries";
import { number } from "../lib/format";
import { Tabs } from "../parts/Tabs";

export function FleetTabs({
  now,
}: {
  now: "agents" | "reports" | "changes" | "software" | "duplicates" | "groups" | "join" | "credentials" | "crashes";
}) {
  const { t, i18n } = useTranslation();
  const open = useOpenDuplicates().data;
  const admin = useMay("admin");
  const tabs = [
    { name: "agents", label: t("nav.agents"), to: "/fleet" },
    { name: "groups", label: t("nav.groups"), to: "/groups" },
    { name: "changes", label: t("nav.changes"), to: "/fleet/changes" },
    { name: "software", label: t("nav.software"), to: "/fleet/software" },
    {
      name: "duplicates",
      label: t("nav.duplicates"),
      to: "/fleet/duplicates",
      count: open ? number(open, i18n.language) : undefined,
    },
    { name: "reports", label: t("nav.reports"), to: "/reports" },
    { name: "crashes", label: t("nav.crashes"), to: "/fleet/crashes" },
    { name: "join", label: t("nav.join"), to: "/fleet/join" },
    ...(admin ? [{ name: "credentials", label: t("nav.credentials"), to: "/fleet/credentials" }] : []),
  ];
  return <Tabs label={t("nav.fleet")} now={now} tabs={tabs} />;
}

export function SettingsTabs({ now }: { now: "general" | "users" | "tokens" | "audit" }) {
  const { t } = useTranslation();
  const admin = useMay("admin");
  const tabs = [
    { name: "general", label: t("nav.general"), to: "/settings" },
    ...(admin ? [{ name: "users", label: t("nav.users"), to: "/settings/users" }] : []),
    { name: "tokens", label: t("nav.tokens"), to: "/settings/tokens" },
    ...(admin ? [{ name: "audit", label: t("nav.audit"), to: "/settings/audit" }] : []),
  ];
  return <Tabs label={t("nav.settings")} now={now} tabs={tabs} />;
}
