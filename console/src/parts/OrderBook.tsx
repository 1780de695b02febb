// What a machine keeps and begins by its own clock; nothing where it keeps nothing.
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import { Time } from "./Time";

export function OrderBook({ device }: { device: string }) {
  const { t } = useTranslation();
  const book = useQuery({ queryKey: ["device", device, "book"], queryFn: () => devices.book(device) });
  const items = book.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section className="card" aria-label={t("book.title")} style={{ marginBottom: 16 }}>
      <h2>{t("book.title")}</h2>
      <p className="soft hint" style={{ padding: "10px 14px 0" }}>
        {t("book.how")}
      </p>
      <table className="data auto" aria-label={t("book.title")}>
        <thead>
          <tr>
            <th scope="col">{t("assignment.task")}</th>
            <th scope="col">{t("book.held")}</th>
            <th scope="col">{t("book.valid")}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((entry) => (
            <tr key={entry.task.id}>
              <td>
                <Link to="/tasks/$id" params={{ id: entry.task.id }} className="link">
                  {entry.task.name}
                </Link>
              </td>
              <td>{entry.held ? <Time at={entry.held} /> : <span className="soft">{t("book.not_told")}</span>}</td>
              <td>
                <Time at={entry.valid} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
