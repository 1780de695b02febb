import { Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ListQuery } from "../api/queries";
import { number } from "../lib/format";

/** For short lists without virtual rows: the next page on request. */
export function LoadMore<R>({ list }: { list: ListQuery<R> }) {
  const { t, i18n } = useTranslation();
  if (!list.query.hasNextPage) return null;
  return (
    <div style={{ padding: 10, textAlign: "center" }}>
      <Button loading={list.query.isFetchingNextPage} onClick={() => list.query.fetchNextPage()}>
        {t("list.more", { loaded: number(list.items.length, i18n.language) })}
      </Button>
    </div>
  );
}
