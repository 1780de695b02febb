// Groups: named lists of machines and those that follow a query, as targets of tasks and as a filter of lists.
import { Button, SegmentedControl, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { groups } from "../api/client";
import { useList, useMay } from "../api/queries";
import type { Group } from "../api/types";
import { number } from "../lib/format";
import { useAddress } from "../lib/listview";
import { Empty } from "../parts/Feedback";
import { TextFilter } from "../parts/Filters";
import { FormDialog } from "../parts/FormDialog";
import { PageHead } from "../parts/PageHead";
import { QueryField } from "../parts/QueryField";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

export function Groups() {
  const { t, i18n } = useTranslation();
  const [search, change] = useAddress();
  const may = useMay("operator");
  const [making, setMaking] = useState(false);
  const list = useList<Group>("groups", "/groups", { q: search.q });
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.groups")}
        facts={t("group.how")}
        actions={may && <Button onClick={() => setMaking(true)}>{t("group.new")}</Button>}
      />
      <FleetTabs now="groups" />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("group.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
      </search>
      <SimpleTable<Group>
        label={t("nav.groups")}
        list={list}
        rowKey={(g) => g.id}
        empty={<Empty title={t(search.q ? "group.none_match" : "group.none")} why={t("group.none_why")} />}
        columns={[
          {
            head: t("group.name"),
            cell: (g) => (
              <Link to="/groups/$id" params={{ id: g.id }} className="link">
                {g.name}
              </Link>
            ),
          },
          { head: t("task.description"), cell: (g) => g.description },
          { head: t("group.kind"), cell: (g) => (g.query === null ? t("group.kind_static") : <span className="mono">{g.query}</span>) },
          { head: t("nav.machines"), right: true, cell: (g) => number(g.count, i18n.language) },
          { head: t("task.updated"), cell: (g) => <Time at={g.updated} /> },
        ]}
      />
      {making && <GroupDialog onClose={() => setMaking(false)} />}
    </div>
  );
}

/** Makes a group, or changes its name, what it is for and what its members follow. */
export function GroupDialog({ group, onClose }: { group?: Group; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState(group?.name ?? "");
  const [description, setDescription] = useState(group?.description ?? "");
  const [query, setQuery] = useState(group?.query ?? null);
  const act = async () => {
    const said = { name: name.trim(), description: description.trim(), ...(query === null ? {} : { query: query.trim() }) };
    const kept = group ? await groups.change(group.id, said, group.version) : await groups.create(said);
    await client.invalidateQueries({ predicate: (q) => ["groups", "group"].includes(String(q.queryKey[0])) });
    onClose();
    if (!group) await navigate({ to: "/groups/$id", params: { id: kept.id } });
  };
  const verb = t(group ? "group.change" : "group.new");
  return (
    <FormDialog title={verb} verb={verb} ready={name.trim() !== "" && query?.trim() !== ""} act={act} onClose={onClose}>
      <TextInput label={t("group.name")} value={name} onChange={(e) => setName(e.currentTarget.value)} data-autofocus required />
      <Textarea
        label={t("task.description")}
        value={description}
        autosize
        minRows={2}
        onChange={(e) => setDescription(e.currentTarget.value)}
      />
      {!group && (
        <SegmentedControl
          aria-label={t("group.kind")}
          value={query === null ? "static" : "dynamic"}
          onChange={(kind) => setQuery(kind === "dynamic" ? "" : null)}
          data={(["static", "dynamic"] as const).map((value) => ({ value, label: t(`group.kind_${value}`) }))}
        />
      )}
      {query !== null && <QueryField value={query} onChange={setQuery} />}
    </FormDialog>
  );
}
