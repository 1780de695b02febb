// One group: who is in it, who comes and who leaves.
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, groups } from "../api/client";
import { useGroup, useList, useMay } from "../api/queries";
import type { Device, Group, MembersChange } from "../api/types";
import { number } from "../lib/format";
import { Confirm } from "../parts/Confirm";
import { DevicePicker } from "../parts/DevicePicker";
import { Empty, Fault, Lines, shout, tell } from "../parts/Feedback";
import { FormDialog } from "../parts/FormDialog";
import { MachineLink } from "../parts/Machine";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { GroupDialog } from "./Groups";

export function GroupPage() {
  const { t } = useTranslation();
  const { id } = useParams({ strict: false }) as { id: string };
  const group = useGroup(id);
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.groups"), to: "/groups" }]}
        title={group.data?.name ?? "…"}
        facts={
          group.data && (
            <>
              <span>{t("machines.count", { count: group.data.count })}</span>
              {group.data.description && <span>{group.data.description}</span>}
              <span>
                {t("task.updated")} <Time at={group.data.updated} />
              </span>
            </>
          )
        }
        actions={group.data && <Actions group={group.data} />}
      />
      {group.isError && <Fault error={group.error} retry={() => group.refetch()} />}
      {group.isLoading && <Lines />}
      {group.data?.query && (
        <div className="copy-line">
          <pre>{group.data.query}</pre>
        </div>
      )}
      {group.data?.refreshing && <p className="soft">{t("group.refreshing")}</p>}
      {group.data && <Members group={group.data} />}
    </div>
  );
}

async function renew(client: ReturnType<typeof useQueryClient>): Promise<void> {
  await client.invalidateQueries({ predicate: (q) => ["groups", "group", "devices"].includes(String(q.queryKey[0])) });
}

function Actions({ group }: { group: Group }) {
  const { t } = useTranslation();
  const may = useMay("operator");
  const client = useQueryClient();
  const navigate = useNavigate();
  const [open, setOpen] = useState<"add" | "change" | "delete" | null>(null);
  const close = () => setOpen(null);
  const remove = async () => {
    await groups.remove(group.id);
    await navigate({ to: "/groups" });
    await renew(client);
  };
  return (
    <>
      <Button component={Link} to="/machines" search={{ group: group.name } as never}>
        {t("group.as_list")}
      </Button>
      {may && (
        <>
          {group.query === null && (
            <Button variant="filled" onClick={() => setOpen("add")}>
              {t("group.members")}
            </Button>
          )}
          <Button onClick={() => setOpen("change")}>{t("group.change")}</Button>
          <Button variant="outline" color="red" onClick={() => setOpen("delete")}>
            {t("group.delete")}
          </Button>
        </>
      )}
      {open === "add" && <MembersDialog group={group} onClose={close} />}
      {open === "change" && <GroupDialog group={group} onClose={close} />}
      {open === "delete" && (
        <Confirm title={t("group.delete")} verb={t("group.delete")} danger typed={group.name} act={remove} onClose={close}>
          <p>{t("group.delete_what")}</p>
        </Confirm>
      )}
    </>
  );
}

/** Machines by name, or all that a query selects; the server is asked how many first, and the number is typed where it is large. */
function MembersDialog({ group, onClose }: { group: Group; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const [by, setBy] = useState<"devices" | "query">("devices");
  const [act, setAct] = useState<"add" | "remove">("add");
  const [ids, setIds] = useState<string[]>([]);
  const [query, setQuery] = useState("");
  const [asked, setAsked] = useState<number | null>(null);
  const change: MembersChange = by === "devices" ? { [act]: ids } : { query, act };
  const go = async (confirm_count?: number) => {
    try {
      const done = await groups.members(group.id, { ...change, confirm_count });
      tell(t, t("group.moved", { count: done.added + done.removed }));
      await renew(client);
      onClose();
    } catch (refusal) {
      if (refusal instanceof ApiError && refusal.key === "group/size-guard" && refusal.problem.count !== undefined && !confirm_count) {
        setAsked(refusal.problem.count);
        return;
      }
      throw refusal;
    }
  };
  if (asked !== null) {
    return (
      <Confirm
        title={t("group.members")}
        verb={t("group.move", { count: asked })}
        typed={number(asked, i18n.language)}
        act={() => go(asked)}
        onClose={onClose}
      >
        <p>{t("group.move_what", { count: asked })}</p>
      </Confirm>
    );
  }
  const ready = by === "devices" ? ids.length > 0 : query.trim() !== "";
  return (
    <FormDialog title={t("group.members")} verb={t(`group.${act}`)} ready={ready} act={() => go()} onClose={onClose}>
      <SegmentedControl
        aria-label={t("group.members")}
        value={act}
        onChange={(v) => setAct(v as typeof act)}
        data={(["add", "remove"] as const).map((value) => ({ value, label: t(`group.${value}`) }))}
      />
      <SegmentedControl
        aria-label={t("task.targets")}
        value={by}
        onChange={(v) => setBy(v as typeof by)}
        data={(["devices", "query"] as const).map((value) => ({ value, label: t(`task.by_${value}`) }))}
      />
      {by === "devices" ? (
        <DevicePicker ids={ids} onChange={setIds} />
      ) : (
        <TextInput
          label={t("filter.query")}
          description={t("task.query_how")}
          value={query}
          spellCheck={false}
          onChange={(e) => setQuery(e.currentTarget.value)}
        />
      )}
    </FormDialog>
  );
}

function Members({ group }: { group: Group }) {
  const { t } = useTranslation();
  const may = useMay("operator") && group.query === null;
  const client = useQueryClient();
  const list = useList<Device>("devices", "/devices", { group: group.id, sort: "name" });
  const leave = async (device: Device) => {
    try {
      await groups.members(group.id, { remove: [device.id] });
      await renew(client);
    } catch (refusal) {
      shout(t, refusal);
    }
  };
  return (
    <SimpleTable<Device>
      label={t("nav.machines")}
      list={list}
      rowKey={(d) => d.id}
      empty={<Empty title={t("group.empty")} why={t("group.empty_why")} />}
      columns={[
        { head: t("device.name"), cell: (d) => <MachineLink device={d} /> },
        { head: t("device.system"), cell: (d) => d.os },
        { head: t("device.serial"), cell: (d) => d.serial },
        {
          head: t("group.remove"),
          quiet: true,
          cell: (d) =>
            may && (
              <Button onClick={() => leave(d)} aria-label={t("group.remove_one", { name: d.name })}>
                {t("group.remove")}
              </Button>
            ),
        },
      ]}
    />
  );
}
