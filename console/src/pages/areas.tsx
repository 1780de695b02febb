// The tabs of the two areas that have several pages.
import { useTranslation } from "react-i18next";
import { useMay } from "../api/queries";
import { Tabs } from "../parts/Tabs";

export function FleetTabs({ now }: { now: "agents" | "join" }) {
  const { t } = useTranslation();
  const tabs = [
    { name: "agents", label: t("nav.agents"), to: "/fleet" },
    { name: "join", label: t("nav.join"), to: "/fleet/join" },
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
