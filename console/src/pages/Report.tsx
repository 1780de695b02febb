// One report: its question, the views it may ask, its answer, and the answers that are kept.
import { Button, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { reports } from "../api/client";
import { useList, useMay, useReport } from "../api/queries";
import type { Answer, Report, ReportResult } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Empty, Fault, Lines, tell } from "../parts/Feedback";
import { PageHead } from "../parts/PageHead";
import { SimpleTable } from "../parts/SimpleTable";
import { AnswerTable, ViewsHelp } from "../parts/Sql";
import { Time } from "../parts/Time";

const FIRST = "SELECT os_family, count(*) AS machines\nFROM devices\nGROUP BY os_family\nORDER BY machines DESC";

export function ReportNew() {
  return <Editor />;
}

export function ReportPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const report = useReport(id);
  if (report.isError) {
    return (
      <div className="page">
        <Fault error={report.error} retry={() => report.refetch()} />
      </div>
    );
  }
  if (!report.data) return <Lines />;
  return <Editor key={report.data.id} report={report.data} />;
}

function Editor({ report }: { report?: Report }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const may = useMay("operator");
  const [said, setSaid] = useState({ name: report?.name ?? "", description: report?.description ?? "", query: report?.query ?? FIRST });
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState<string | null>(null);
  const [asks, setAsks] = useState(false);
  const act = (name: string, what: () => Promise<unknown>) => async () => {
    setBusy(name);
    setError(null);
    try {
      await what();
    } catch (refusal) {
      setError(refusal);
    } finally {
      setBusy(null);
    }
  };
  const renew = () => client.invalidateQueries({ predicate: (q) => ["reports", "report", "results"].includes(String(q.queryKey[0])) });
  const ask = act("ask", async () => setAnswer(await reports.ask(said.query)));
  const save = act("save", async () => {
    const kept = report ? await reports.change(report.id, said, report.version) : await reports.create(said);
    await renew();
    tell(t, t("report.saved"));
    if (!report) await navigate({ to: "/reports/$id", params: { id: kept.id } });
  });
  const run = act("run", async () => {
    if (report) setAnswer(await reports.run(report.id));
    await renew();
  });
  const changed = !report || said.query !== report.query || said.name !== report.name || said.description !== report.description;
  return (
    <div className="page">
      <PageHead
        crumbs={[{ label: t("nav.reports"), to: "/reports" }]}
        title={report?.name ?? t("report.new")}
        facts={t("report.editor_how")}
        actions={
          report &&
          may && (
            <>
              <Button disabled={changed} loading={busy === "run"} onClick={run}>
                {t("report.run")}
              </Button>
              <Button color="red" onClick={() => setAsks(true)}>
                {t("report.delete")}
              </Button>
            </>
          )
        }
      />
      <div className="grid editor">
        <section className="card body-pad stack" aria-label={t("report.question")}>
          <TextInput
            label={t("report.name")}
            value={said.name}
            disabled={!may}
            onChange={(e) => setSaid({ ...said, name: e.currentTarget.value })}
          />
          <TextInput
            label={t("task.description")}
            value={said.description}
            disabled={!may}
            onChange={(e) => setSaid({ ...said, description: e.currentTarget.value })}
          />
          <Textarea
            label={t("report.question")}
            value={said.query}
            spellCheck={false}
            autosize
            minRows={6}
            maxRows={20}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12.5, lineHeight: 1.55 } }}
            onChange={(e) => setSaid({ ...said, query: e.currentTarget.value })}
            onKeyDown={(e) => {
              if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) void ask();
            }}
          />
          {error !== null && <Fault error={error} />}
          <div className="row wrap">
            <Button variant="filled" loading={busy === "ask"} disabled={said.query.trim() === ""} onClick={ask}>
              {t("report.ask")}
            </Button>
            {may && (
              <Button loading={busy === "save"} disabled={!changed || said.name.trim() === ""} onClick={save}>
                {t("report.save")}
              </Button>
            )}
          </div>
        </section>
        <ViewsHelp />
      </div>
      {answer && <AnswerTable answer={answer} name={said.name.trim() || "answer"} />}
      {report && <Kept report={report} show={setAnswer} />}
      {asks && report && (
        <Confirm
          title={t("report.delete")}
          verb={t("report.delete")}
          act={async () => {
            await reports.remove(report.id);
            await navigate({ to: "/reports" });
            await renew();
          }}
          onClose={() => setAsks(false)}
        >
          {t("report.delete_what")}
        </Confirm>
      )}
    </div>
  );
}

function Kept({ report, show }: { report: Report; show: (answer: Answer) => void }) {
  const { t } = useTranslation();
  const list = useList<ReportResult>("results", `/reports/${encodeURIComponent(report.id)}/results`, {});
  const [error, setError] = useState<unknown>(null);
  const open = (result: ReportResult) => reports.result(report.id, result.id).then(show, setError);
  return (
    <>
      <h2>{t("report.kept")}</h2>
      {error !== null && <Fault error={error} />}
      <SimpleTable<ReportResult>
        label={t("report.kept")}
        list={list}
        rowKey={(r) => r.id}
        empty={<Empty title={t("report.none_kept")} why={t("report.none_kept_why")} />}
        columns={[
          { head: t("report.at"), cell: (r) => <Time at={r.at} /> },
          { head: t("report.by"), cell: (r) => r.by },
          { head: t("report.rows_head"), right: true, cell: (r) => `${r.count}${r.more ? "+" : ""}` },
          {
            head: t("report.show"),
            quiet: true,
            cell: (r) => (
              <Button size="compact-xs" onClick={() => open(r)}>
                {t("report.show")}
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}
