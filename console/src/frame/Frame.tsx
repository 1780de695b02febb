// Rail, top bar and the place of the page; the keys that work everywhere.
import { Menu } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { IconDots } from "@tabler/icons-react";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useMe, useOpenDuplicates, useOverview } from "../api/queries";
import { number } from "../lib/format";
import { useKeys } from "../lib/keys";
import { BrakeBanner } from "./Brake";
import { Mark } from "./Brand";
import { KeyHelp } from "./KeyHelp";
import { Palette } from "./Palette";
import { SCREENS } from "./screens";
import { TopBar } from "./TopBar";

export function Frame() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const phone = useMediaQuery("(max-width: 639px)", false, { getInitialValueInEffect: false });
  const main = useRef<HTMLElement>(null);
  const path = useRouterState({ select: (s) => s.location.pathname });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page starts at its top
  useEffect(() => {
    main.current?.scrollTo(0, 0);
  }, [path]);
  useEffect(() => {
    const open = (e: KeyboardEvent) => {
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") {
        e.preventDefault();
        setPalette(true);
      }
    };
    window.addEventListener("keydown", open);
    return () => window.removeEventListener("keydown", open);
  }, []);
  useKeys([
    { keys: "/", label: t("keys.search"), run: () => setPalette(true) },
    { keys: "?", label: t("keys.help"), run: () => setHelp(true) },
    ...SCREENS.map((s) => ({
      keys: `g ${s.key}`,
      label: t("keys.go", { screen: t(`nav.${s.name}`) }),
      run: () => void navigate({ to: s.to }),
    })),
  ]);
  return (
    <div className="frame">
      <a href="#main" className="skip">
        {t("frame.skip")}
      </a>
      {!phone && <Rail />}
      <TopBar onFind={() => setPalette(true)} onHelp={() => setHelp(true)} />
      <BrakeBanner />
      <main className="main" id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </main>
      {phone && <BottomBar />}
      <Palette opened={palette} onClose={() => setPalette(false)} />
      <KeyHelp opened={help} onClose={() => setHelp(false)} />
    </div>
  );
}

function Rail() {
  const { t, i18n } = useTranslation();
  const me = useMe().data;
  const overview = useOverview().data;
  const duplicates = useOpenDuplicates().data ?? undefined;
  const tally: Record<string, number | undefined> = { queue: overview?.waiting, machines: overview?.devices, fleet: duplicates };
  const said = (name: string) =>
    name === "fleet" && duplicates ? `${t("nav.fleet")}: ${t("duplicate.count", { count: duplicates })}` : undefined;
  return (
    <nav className="rail" aria-label={t("frame.navigation")}>
      <Link to="/" className="brand" aria-label="Muster">
        <Mark />
        <span>Muster</span>
      </Link>
      {SCREENS.map((s) => {
        const count = tally[s.name];
        return (
          <Link
            key={s.to}
            to={s.to}
            className="nav"
            activeOptions={{ exact: s.to === "/", includeSearch: false }}
            activeProps={{ className: "active", "aria-current": "page" }}
            title={said(s.name) ?? t(`nav.${s.name}`)}
            aria-label={said(s.name) ?? t(`nav.${s.name}`)}
          >
            <s.icon size={18} stroke={1.7} aria-hidden />
            <span>{t(`nav.${s.name}`)}</span>
            {count !== undefined && count > 0 && <span className="tally">{number(count, i18n.language)}</span>}
          </Link>
        );
      })}
      <p className="foot">Muster {me?.version}</p>
    </nav>
  );
}

const ON_PHONE = ["now", "queue", "tasks", "machines"];

function BottomBar() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <nav className="bottom" aria-label={t("frame.navigation")}>
      {SCREENS.filter((s) => ON_PHONE.includes(s.name)).map((s) => (
        <Link
          key={s.to}
          to={s.to}
          activeOptions={{ exact: s.to === "/", includeSearch: false }}
          activeProps={{ className: "active", "aria-current": "page" }}
        >
          <s.icon size={20} stroke={1.7} aria-hidden />
          {t(`nav.${s.name}`)}
        </Link>
      ))}
      <Menu position="top-end">
        <Menu.Target>
          <button type="button">
            <IconDots size={20} aria-hidden />
            {t("nav.more")}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          {SCREENS.filter((s) => !ON_PHONE.includes(s.name)).map((s) => (
            <Menu.Item key={s.to} leftSection={<s.icon size={16} aria-hidden />} onClick={() => navigate({ to: s.to })}>
              {t(`nav.${s.name}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </nav>
  );
}
