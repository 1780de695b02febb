// Saved reports: questions in SQL about the published views.
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useList } from "../api/queries";
import type { Report } from "../api/types";
import { useAddress } from "../lib/listview";
import { Empty } from "../parts/Feedback";
import { TextFilter } from "../parts/Filters";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { Time } from "../parts/Time";
import { FleetTabs } from "./areas";

export function Reports() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const list = useList<Report>("reports", "/reports", { q: search.q });
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.fleet"), to: "/fleet" }]}
        title={t("nav.reports")}
        facts={t("report.how")}
        actions={
          <Button component={Link} to="/reports/new">
            {t("report.new")}
          </Button>
        }
      />
      <FleetTabs now="reports" />
      <search className="filters" aria-label={t("filter.bar")}>
        <TextFilter label={t("report.search")} value={search.q ?? ""} onChange={(q) => change({ q })} />
      </search>
      <SimpleTable<Report>
        label={t("nav.reports")}
        list={list}
        rowKey={(r) => r.id}
        empty={<Empty title={t(search.q ? "report.none_match" : "report.none")} why={t("report.none_why")} />}
        columns={[
          {
            head: t("report.name"),
            cell: (r) => (
              <Link to="/reports/$id" params={{ id: r.id }} className="link">
                {r.name}
              </Link>
            ),
          },
          { head: t("task.description"), cell: (r) => r.description },
          { head: t("report.author"), cell: (r) => r.author },
          { head: t("task.updated"), cell: (r) => <Time at={r.updated} /> },
        ]}
      />
    </div>
  );
}
