// Messages that tasks raised for people.
import { Button, Switch } from "@mantine/core";
import { IconAlertTriangle, IconInfoCircle, IconMailOpened, IconXboxX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { messages } from "../api/client";
import { useList, useMay } from "../api/queries";
import type { Message } from "../api/types";
import { useAddress } from "../lib/listview";
import { Empty, Fault, Lines, shout } from "../parts/Feedback";
import { LoadMore } from "../parts/LoadMore";
import { PageHead } from "../parts/PageHead";
import { Time } from "../parts/Time";

const LOOK = {
  info: { icon: IconInfoCircle, tone: "st-started" },
  warning: { icon: IconAlertTriangle, tone: "st-expired" },
  error: { icon: IconXboxX, tone: "st-error" },
} as const;

export function Messages() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const may = useMay("operator");
  const client = useQueryClient();
  const unread = search.unread === "true";
  const list = useList<Message>("messages", "/messages", { unread: unread || undefined });
  const newest = list.items[0];
  const mark = async (message: Message, all: boolean) => {
    try {
      await messages.read(message.id, all);
      await client.invalidateQueries({ predicate: (q) => ["messages", "overview"].includes(String(q.queryKey[0])) });
    } catch (refusal) {
      shout(t, refusal);
    }
  };
  return (
    <div className="page">
      <PageHead
        title={t("nav.messages")}
        facts={t("message.how")}
        actions={
          may &&
          newest &&
          list.items.some((m) => !m.read) && (
            <Button leftSection={<IconMailOpened size={15} aria-hidden />} onClick={() => mark(newest, true)}>
              {t("message.read_all")}
            </Button>
          )
        }
      />
      <Switch
        label={t("message.only_unread")}
        checked={unread}
        onChange={(e) => change({ unread: e.currentTarget.checked ? "true" : undefined })}
      />
      {list.query.isError && <Fault error={list.query.error} retry={() => list.query.refetch()} />}
      {list.query.isLoading && <Lines />}
      <section className="card" aria-label={t("nav.messages")}>
        {!list.query.isLoading && list.items.length === 0 && (
          <Empty title={t(unread ? "message.none_unread" : "message.none")} why={t("message.none_why")} />
        )}
        <ul className="lines">
          {list.items.map((message) => (
            <MessageLine key={message.id} message={message} mark={may ? () => mark(message, false) : undefined} />
          ))}
        </ul>
        <LoadMore list={list} />
      </section>
    </div>
  );
}

function MessageLine({ message, mark }: { message: Message; mark?: () => void }) {
  const { t } = useTranslation();
  const { icon: Icon, tone } = LOOK[message.level];
  return (
    <li className="row" style={{ alignItems: "flex-start", gap: 12 }}>
      <span className={`tint ${tone}`} style={{ display: "inline-flex", paddingTop: 2 }}>
        <Icon size={17} stroke={1.8} aria-hidden />
        <span className="hidden-label">{t(`message.${message.level}`)}</span>
      </span>
      <div className="grow" style={{ minWidth: 0 }}>
        <p style={{ fontWeight: message.read ? 450 : 650, overflowWrap: "anywhere" }}>{message.title}</p>
        {message.text && <p style={{ whiteSpace: "pre-line", overflowWrap: "anywhere" }}>{message.text}</p>}
        <p className="soft hint">
          <Time at={message.at} /> ·{" "}
          {message.run ? (
            <Link to="/runs/$id" params={{ id: message.run }} className="link">
              {message.task}
            </Link>
          ) : (
            message.task
          )}
          {message.read && ` · ${t("message.read_by", { name: message.read.by })}`}
        </p>
      </div>
      {!message.read && mark && (
        <Button style={{ flex: "none" }} onClick={mark} aria-label={t("message.read_one", { title: message.title })}>
          {t("message.read")}
        </Button>
      )}
    </li>
  );
}
