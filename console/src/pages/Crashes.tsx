// What Muster's own agents told of their own ends.
import { Drawer } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { agents } from "../api/client";
import { useList } from "../api/queries";
import type { Crash } from "../api/types";
import { useAddress } from "../lib/listview";
import { type Column, DataTable } from "../parts/DataTable";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { ChoiceFilter, WordFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

const KINDS = ["panic", "killed"] as const;

function useCrashColumns(open: (id: string) => void): Column<Crash>[] {
  const { t } = useTranslation();
  return useMemo(
    () => [
      {
        id: "kind",
        head: t("crash.kind"),
        width: 170,
        cell: (c) => (
          <button type="button" className="plain link" onClick={() => open(c.id)}>
            {t(`crash.${c.kind}`)}
          </button>
        ),
      },
      { id: "machine", head: t("assignment.machine"), width: 190, cell: (c) => c.device_name },
      { id: "at", head: t("crash.at"), width: 150, cell: (c) => <Time at={c.at} /> },
      { id: "version", head: t("crash.version"), width: 90, cell: (c) => c.version },
      { id: "message", head: t("crash.message"), width: 420, cell: (c) => c.message },
      { id: "place", head: t("crash.place"), width: 240, cell: (c) => <span className="mono">{c.place ?? "–"}</span> },
    ],
    [t, open],
  );
}

export function Crashes() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const [open] = useState(() => (id: string) => change({ open: id }));
  const columns = useCrashColumns(open);
  const { open: opened, ...filter } = search;
  const list = useList<Crash>("crashes", "/crashes", filter);
  const kinds = KINDS.map((value) => ({ value, label: t(`crash.${value}`), text: t(`crash.${value}`) }));
  return (
    <div className="page fill">
      <PageHead title={t("nav.fleet")} />
      <FleetTabs now="crashes" />
      <search className="filters" aria-label={t("filter.bar")}>
        <ChoiceFilter label={t("crash.kind")} value={search.kind} options={kinds} onChange={(kind) => change({ kind })} />
        <WordFilter label={t("crash.version")} value={search.version} onChange={(version) => change({ version })} />
      </search>
      <DataTable
        label={t("crash.title")}
        list={list}
        columns={columns}
        rowKey={(c) => c.id}
        narrow={(c) => (
          <div className="two">
            <div className="a">
              <button type="button" className="plain link" onClick={() => open(c.id)}>
                {c.device_name}
              </button>
              <span className="soft">
                <Time at={c.at} />
              </span>
            </div>
            <div className="b">
              {t(`crash.${c.kind}`)} · {c.message}
            </div>
          </div>
        )}
        empty={<Empty title={t("crash.none")} why={t("crash.none_why")} />}
      />
      <Drawer
        opened={!!opened}
        onClose={() => change({ open: undefined })}
        position="right"
        size={560}
        title={t("crash.one")}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        {opened && <CrashBody id={opened} />}
      </Drawer>
    </div>
  );
}

function CrashBody({ id }: { id: string }) {
  const { t } = useTranslation();
  const crash = useQuery({ queryKey: ["crashes", id], queryFn: () => agents.crash(id) });
  if (crash.isError) return <Fault error={crash.error} retry={() => crash.refetch()} />;
  const it = crash.data;
  if (!it) return <Lines count={6} />;
  return (
    <div className="stack" style={{ gap: 14 }}>
      <p>
        <strong>{it.device_name}</strong> · {t(`crash.${it.kind}`)} · <Time at={it.at} />
      </p>
      <p style={{ overflowWrap: "anywhere" }}>{it.message}</p>
      {it.place && <p className="mono">{it.place}</p>}
      <section>
        <h3>{t("crash.log")}</h3>
        {it.log ? (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          <pre className="output" tabIndex={0}>
            {it.log}
          </pre>
        ) : (
          <p className="soft">{t("crash.no_log")}</p>
        )}
      </section>
    </div>
  );
}
