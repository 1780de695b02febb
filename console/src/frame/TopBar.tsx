// Search, organization, the live dot, help and the person's own menu.
import { ActionIcon, type MantineColorScheme, Menu, Select, Tooltip, useMantineColorScheme } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconBell, IconKeyboard, IconSearch } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { session, setOrg } from "../api/client";
import { useLink } from "../api/live";
import { leave, useMe, useOverview } from "../api/queries";
import type { Org } from "../api/types";
import { LANGUAGES, type Language, setLanguage } from "../i18n";
import { number, relative } from "../lib/format";
import { PasswordDialog } from "../pages/NewPassword";
import { shout } from "../parts/Feedback";
import { useNow } from "../parts/Time";
import { BrakeButton } from "./Brake";
import { Mark } from "./Brand";

export function TopBar({ onFind, onHelp }: { onFind: () => void; onHelp: () => void }) {
  const { t } = useTranslation();
  const phone = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false });
  const org = useOrgChoice();
  return (
    <section className="top" aria-label={t("frame.bar")}>
      {phone && <Mark />}
      {org && !phone && (
        <Select
          aria-label={t("frame.organization")}
          size="xs"
          w={150}
          data={org.orgs.map((o) => ({ value: o.id, label: o.name }))}
          value={org.now}
          onChange={org.choose}
        />
      )}
      <button type="button" className="find" onClick={onFind} aria-keyshortcuts="/ Control+K">
        <IconSearch size={15} aria-hidden />
        <span className="grow cut">{t("frame.find")}</span>
        <kbd className="key" aria-hidden>
          /
        </kbd>
      </button>
      <span style={{ marginLeft: "auto" }} />
      <LiveDot />
      <Bell />
      <BrakeButton small={phone} />
      {!phone && (
        <Tooltip label={t("keys.help")}>
          <ActionIcon variant="subtle" color="gray" size={30} onClick={onHelp} aria-label={t("keys.help")}>
            <IconKeyboard size={18} stroke={1.6} aria-hidden />
          </ActionIcon>
        </Tooltip>
      )}
      <Profile org={phone ? org : null} />
    </section>
  );
}

/** Messages that nobody has read. */
function Bell() {
  const { t, i18n } = useTranslation();
  const unread = useOverview().data?.unread ?? 0;
  const label = unread > 0 ? t("message.unread", { count: unread }) : t("nav.messages");
  return (
    <Tooltip label={label}>
      <ActionIcon component={Link} to="/messages" className="bell" variant="subtle" color="gray" size={30} aria-label={label}>
        <IconBell size={18} stroke={1.6} aria-hidden />
        {unread > 0 && (
          <span className="badge" aria-hidden>
            {unread > 99 ? "99+" : number(unread, i18n.language)}
          </span>
        )}
      </ActionIcon>
    </Tooltip>
  );
}

type OrgChoice = { orgs: Org[]; now: string | null; choose: (org: string | null) => void };

/** For those who see more than one organization: the one they act in. */
function useOrgChoice(): OrgChoice | null {
  const me = useMe().data;
  const client = useQueryClient();
  const [chosen, setChosen] = useState<string | null>(null);
  if (!me || me.user.org !== null || me.orgs.length < 2) return null;
  const now = chosen ?? me.orgs.find((o) => o.name === "default")?.id ?? me.orgs[0]?.id ?? null;
  const choose = (org: string | null) => {
    setChosen(org);
    setOrg(org);
    client.resetQueries({ predicate: (q) => q.queryKey[0] !== "me" });
  };
  return { orgs: me.orgs, now, choose };
}

function LiveDot() {
  const { t, i18n } = useTranslation();
  const link = useLink();
  const now = useNow();
  const since = relative(new Date(link.since).toISOString(), Math.max(now, link.since), i18n.language);
  const text = link.state === "live" ? t("live.on") : link.state === "lost" ? t("live.lost", { since }) : t("live.connecting");
  const dot = link.state === "live" ? "dot on" : link.state === "lost" ? "dot bad" : "dot";
  return (
    <Tooltip label={link.state === "live" ? t("live.on_tip") : t("live.lost_tip")} multiline w={260}>
      <span className="live" role="status">
        <span className={dot} aria-hidden />
        <span className={link.state === "lost" ? "" : "words"}>{text}</span>
      </span>
    </Tooltip>
  );
}

function Profile({ org }: { org: OrgChoice | null }) {
  const { t, i18n } = useTranslation();
  const me = useMe().data;
  const client = useQueryClient();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [password, setPassword] = useState(false);
  const name = me?.user.name ?? "";
  const signOut = () =>
    session
      .signOut()
      .then(() => leave(client))
      .catch((e) => shout(t, e));
  return (
    <>
      <Menu position="bottom-end" width={220} closeOnItemClick={false}>
        <Menu.Target>
          <ActionIcon variant="default" radius="xl" size={30} aria-label={t("profile.menu", { name })}>
            <span style={{ fontSize: 11.5, fontWeight: 600 }}>{name.slice(0, 2).toUpperCase()}</span>
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            {name} · {me && t(`role.${me.user.role}`)}
          </Menu.Label>
          <Menu.Divider />
          {org && (
            <>
              <Menu.RadioGroup value={org.now ?? ""} onChange={org.choose} aria-label={t("frame.organization")}>
                <Menu.Label>{t("frame.organization")}</Menu.Label>
                {org.orgs.map((o) => (
                  <Menu.RadioItem key={o.id} value={o.id}>
                    {o.name}
                  </Menu.RadioItem>
                ))}
              </Menu.RadioGroup>
              <Menu.Divider />
            </>
          )}
          <Menu.RadioGroup value={colorScheme} onChange={(v) => setColorScheme(v as MantineColorScheme)} aria-label={t("profile.theme")}>
            <Menu.Label>{t("profile.theme")}</Menu.Label>
            {(["light", "dark", "auto"] as const).map((scheme) => (
              <Menu.RadioItem key={scheme} value={scheme}>
                {t(`profile.${scheme}`)}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Divider />
          <Menu.RadioGroup value={i18n.language} onChange={(v) => setLanguage(v as Language)} aria-label={t("profile.language")}>
            <Menu.Label>{t("profile.language")}</Menu.Label>
            {Object.entries(LANGUAGES).map(([code, label]) => (
              <Menu.RadioItem key={code} value={code} lang={code}>
                {label}
              </Menu.RadioItem>
            ))}
          </Menu.RadioGroup>
          <Menu.Divider />
          <Menu.Item closeMenuOnClick onClick={() => setPassword(true)}>
            {t("password.change")}
          </Menu.Item>
          <Menu.Item component="a" href="/api/docs" closeMenuOnClick>
            {t("profile.api")}
          </Menu.Item>
          <Menu.Item closeMenuOnClick onClick={signOut}>
            {t("profile.sign_out")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <PasswordDialog opened={password} onClose={() => setPassword(false)} />
    </>
  );
}
