// One machine: who it is, what it has, what changed, what was asked of it.
import { Button, Menu } from "@mantine/core";
import { IconBolt, IconChevronDown } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, devices } from "../api/client";
import { useDevice, useMay, useMe } from "../api/queries";
import type { DeviceDetail, DeviceRef } from "../api/types";
import { number } from "../lib/format";
import { useAddress } from "../lib/listview";
import { Confirm } from "../parts/Confirm";
import { Empty, Fault, Lines, shout, tell } from "../parts/Feedback";
import { InventoryNow } from "../parts/InventoryNow";
import { MachineLink, Presence, protocolName } from "../parts/Machine";
import { type Crumb, PageHead } from "../parts/PageHead";
import { Tabs } from "../parts/Tabs";
import { Time } from "../parts/Time";
import { Changes } from "./MachineChanges";
import { EditMachine } from "./MachineEdit";
import { Identity } from "./MachineIdentity";
import { InventoryTab } from "./MachineInventory";
import { MoveMachine } from "./MachineMove";
import { Network, Summary } from "./MachineSummary";
import { MachineTasks } from "./MachineTasks";

const TABS = ["summary", "inventory", "changes", "tasks", "network", "identity"] as const;
type Tab = (typeof TABS)[number];
/** What a tab keeps in the address is nothing to the next. */
const NOTHING = Object.fromEntries(
  ["section", "q", "state", "open", "mode", "from", "to", "agent", "kind", "since", "until"].map((key) => [key, undefined]),
);

export function Machine() {
  const { t, i18n } = useTranslation();
  const { id } = useParams({ strict: false }) as { id: string };
  const device = useDevice(id);
  const [search, change] = useAddress();
  const crumbs = [{ label: t("nav.machines"), to: "/machines" }];
  const tab: Tab = TABS.find((name) => name === search.tab) ?? "summary";
  if (device.isError) {
    const into = device.error instanceof ApiError ? device.error.problem.into : undefined;
    if (into) return <Merged crumbs={crumbs} into={into} />;
    return (
      <div className="page">
        <PageHead crumbs={crumbs} title={t("machine.one")} />
        <Fault error={device.error} retry={() => device.refetch()} />
      </div>
    );
  }
  const d = device.data;
  const tally: Partial<Record<Tab, number>> = {
    inventory: d?.sections.length,
    tasks: d?.open_assignments,
  };
  const count = (name: Tab) => (tally[name] ? number(tally[name] as number, i18n.language) : undefined);
  return (
    <div className={tab === "inventory" || (tab === "changes" && search.mode !== "compare") ? "page fill" : "page"}>
      <PageHead crumbs={crumbs} title={d?.name ?? "…"} facts={d && <Facts d={d} />} actions={d && <Actions d={d} />} />
      <Tabs
        label={t("machine.parts")}
        now={tab}
        tabs={TABS.map((name) => ({ name, label: t(`machine.tab_${name}`), count: count(name) }))}
        onChange={(name) => change({ ...NOTHING, tab: name === "summary" ? undefined : name })}
      />
      {!d && <Lines count={8} />}
      {d && tab === "summary" && <Summary d={d} />}
      {d && tab === "inventory" && <InventoryTab d={d} />}
      {d && tab === "changes" && <Changes d={d} />}
      {d && tab === "tasks" && <MachineTasks id={d.id} />}
      {d && tab === "network" && <Network d={d} />}
      {d && tab === "identity" && <Identity key={d.id} d={d} />}
    </div>
  );
}

/** An old link to a machine that is part of another now. */
function Merged({ crumbs, into }: { crumbs: Crumb[]; into: DeviceRef }) {
  const { t } = useTranslation();
  return (
    <div className="page">
      <PageHead crumbs={crumbs} title={t("machine.one")} />
      <Empty title={t("machine.merged", { name: into.name })} why={t("machine.merged_why")}>
        <MachineLink device={into} />
      </Empty>
    </div>
  );
}

function Facts({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  return (
    <>
      <Presence agent={d.agent} />
      {(d.manufacturer || d.model) && <span>{[d.manufacturer, d.model].filter(Boolean).join(" ")}</span>}
      {d.serial && <span className="mono">{d.serial}</span>}
      {d.os && <span>{d.os}</span>}
      {d.agents.map((a) => (
        <span key={a.id}>
          {protocolName(a.protocol)} {a.version}
        </span>
      ))}
      <span>
        {t("device.last_contact")}: <Time at={d.agent?.last_contact} empty={t("device.never")} />
      </span>
      {!d.verified && <span className="chip">{t("device.unverified")}</span>}
    </>
  );
}

function Actions({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const navigate = useNavigate();
  const [open, setOpen] = useState<"inventory" | "edit" | "move" | "delete" | null>(null);
  const close = () => setOpen(null);
  const me = useMe().data;
  const movable = me?.user.org === null && me.orgs.length > 1;
  if (!may) return null;
  const verify = async () => {
    try {
      await devices.change(d.id, { verified: !d.verified }, d.version);
      await client.invalidateQueries({ queryKey: ["device", d.id] });
      tell(t, t(d.verified ? "machine.now_unverified" : "machine.now_verified", { name: d.name }));
    } catch (error) {
      shout(t, error);
    }
  };
  const remove = async () => {
    await devices.remove(d.id);
    await navigate({ to: "/machines" });
    await client.invalidateQueries({ queryKey: ["devices"] });
  };
  return (
    <>
      <Button leftSection={<IconBolt size={15} aria-hidden />} onClick={() => setOpen("inventory")}>
        {t("inventory.now")}
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button rightSection={<IconChevronDown size={14} aria-hidden />}>{t("machine.actions")}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => setOpen("edit")}>{t("machine.edit")}</Menu.Item>
          <Menu.Item onClick={verify}>{t(d.verified ? "machine.unverify" : "machine.verify")}</Menu.Item>
          {movable && <Menu.Item onClick={() => setOpen("move")}>{t("machine.move")}</Menu.Item>}
          <Menu.Divider />
          <Menu.Item c="var(--danger)" onClick={() => setOpen("delete")}>
            {t("machine.delete")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {open === "inventory" && <InventoryNow target={{ device: d }} onClose={close} />}
      {open === "edit" && <EditMachine d={d} onClose={close} />}
      {open === "move" && <MoveMachine d={d} onClose={close} />}
      {open === "delete" && (
        <Confirm
          title={t("machine.delete_title", { name: d.name })}
          verb={t("machine.delete")}
          danger
          typed={d.name}
          act={remove}
          onClose={close}
        >
          <p>{t("machine.delete_what")}</p>
          <p className="soft">{t("machine.delete_back")}</p>
        </Confirm>
      )}
    </>
  );
}
