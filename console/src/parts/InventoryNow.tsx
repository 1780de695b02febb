// 'Inventory now' for one machine or for a filter: a task with one run, started after the count was said.
import { useNavigate } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { list, tasks } from "../api/client";
import { useSettings } from "../api/queries";
import type { Device, Targets, TaskDoc } from "../api/types";
import { absolute, number } from "../lib/format";
import { type Search, toExpression } from "../lib/search";
import { Confirm } from "./Confirm";

export type InventoryTarget = { device: { id: string; name: string } } | { filter: Search; count: number };

/** Used when the settings cannot be read; the server has the last word anyway. */
const GUARD = 100;

/** The machines of a filter that the query language cannot say, one by one. */
async function named(filter: Search): Promise<Targets> {
  const devices: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await list<Device>("/devices", { ...filter, limit: 1000, cursor });
    devices.push(...page.items.map((d) => d.id));
    cursor = page.next ?? undefined;
  } while (cursor);
  return { devices };
}

export async function targetsOf(target: InventoryTarget): Promise<Targets> {
  if ("device" in target) return { devices: [target.device.id] };
  if (Object.keys(target.filter).length === 0) return { all: true };
  const query = toExpression(target.filter);
  return query === null ? named(target.filter) : { query };
}

export function InventoryNow({ target, onClose }: { target: InventoryTarget; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  const guard = useSettings().data?.size_guard ?? GUARD;
  const count = "device" in target ? 1 : target.count;
  const what = "device" in target ? target.device.name : t("machines.count", { count });
  const start = async () => {
    const doc: TaskDoc = {
      name: t("inventory.task_name", { what, at: absolute(new Date().toISOString(), i18n.language) }),
      labels: ["console"],
      targets: await targetsOf(target),
      delivery: "push",
      steps: [{ id: "inventory", action: { type: "inventory" } }],
    };
    const task = await tasks.create(doc);
    const run = await tasks.start(task.id, { confirm_count: count }).catch(async (refusal) => {
      // A task that never ran would only be in the way.
      await tasks.remove(task.id).catch(() => {});
      throw refusal;
    });
    await navigate({ to: "/runs/$id", params: { id: run.id } });
  };
  return (
    <Confirm
      title={t("inventory.title", { what })}
      verb={t("inventory.now_count", { count })}
      typed={count > guard ? number(count, i18n.language) : undefined}
      act={start}
      onClose={onClose}
    >
      <p>{t("inventory.what", { count })}</p>
      <p className="soft">{t("inventory.how")}</p>
    </Confirm>
  );
}
