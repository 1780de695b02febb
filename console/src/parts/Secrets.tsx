// A list of what machines and scripts show to be let in (tokens, credentials): a new one shows its secret once, each can be deleted.
import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import { Confirm } from "./Confirm";
import { Empty } from "./Feedback";
import { Once } from "./Once";
import { PageHead } from "./PageHead";
import { type SimpleColumn, SimpleTable } from "./SimpleTable";
import { Time } from "./Time";

type Named = { id: string; name: string; created: string };
/** A new one with its secret. */
export type Made<R> = { row: R; secret: string };
/** What a form for a new one gets. */
export type MakeProps<R> = { onClose: () => void; onMade: (made: Made<R>) => void };

type Props<R> = {
  /** The resource of the API, which is the name of its query too. */
  resource: string;
  title: string;
  area: { label: string; to: string };
  tabs: ReactNode;
  facts: string;
  /** Whether the person may make and delete them. */
  may: boolean;
  words: { add: string; none: string; none_why: string; remove: string; remove_what: string };
  /** Between the name, which is the first, and when it was made, the last. */
  columns: SimpleColumn<R>[];
  Form: (props: MakeProps<R>) => ReactNode;
  remove: (id: string) => Promise<unknown>;
  /** What is shown with a new secret. */
  once?: (made: Made<R>) => ReactNode;
  /** What stands below the list. */
  below?: (made: Made<R> | null) => ReactNode;
};

export function Secrets<R extends Named>({ resource, title, area, tabs, facts, may, words, columns, Form, remove, once, below }: Props<R>) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const list = useList<R>(resource, `/${resource}`, {});
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<Made<R> | null>(null);
  const [gone, setGone] = useState<R | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: [resource] });
  const keep = (it: Made<R>) => {
    setMade(it);
    setAdding(false);
    refresh();
  };
  const drop = async (row: R) => {
    await remove(row.id);
    if (made?.row.id === row.id) setMade(null);
    await refresh();
  };
  const add = may && (
    <Button leftSection={<IconPlus size={15} aria-hidden />} onClick={() => setAdding(true)}>
      {words.add}
    </Button>
  );
  const all: SimpleColumn<R>[] = [
    { head: t("user.name"), cell: (x) => <strong>{x.name}</strong> },
    ...columns,
    { head: t("user.created"), cell: (x) => <Time at={x.created} /> },
    ...(may ? [deletion<R>(t("common.delete"), (name) => t("token.delete_title", { name }), setGone)] : []),
  ];
  return (
    <div className="page">
      <PageHead crumbs={[area]} title={title} facts={facts} actions={add} />
      {tabs}
      {made && (
        <Once name={made.row.name} secret={made.secret} onClose={() => setMade(null)}>
          {once?.(made)}
        </Once>
      )}
      <SimpleTable label={title} list={list} rowKey={(x) => x.id} empty={<Empty title={words.none} why={words.none_why} />} columns={all} />
      {below?.(made)}
      {adding && <Form onClose={() => setAdding(false)} onMade={keep} />}
      {gone && (
        <Confirm
          title={t("token.delete_title", { name: gone.name })}
          verb={words.remove}
          danger
          act={() => drop(gone)}
          onClose={() => setGone(null)}
        >
          <p>{words.remove_what}</p>
        </Confirm>
      )}
    </div>
  );
}

function deletion<R extends Named>(word: string, label: (name: string) => string, act: (row: R) => void): SimpleColumn<R> {
  return {
    head: word,
    quiet: true,
    right: true,
    width: 110,
    cell: (x) => (
      <Button size="compact-xs" color="red" variant="outline" onClick={() => act(x)} aria-label={label(x.name)}>
        {word}
      </Button>
    ),
  };
}
