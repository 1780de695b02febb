// A query being typed, and what it selects at this moment.
import { TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { ApiError, list } from "../api/client";
import type { Device } from "../api/types";

const NAMED = 5;

export function QueryField({ value, onChange }: { value: string; onChange: (query: string) => void }) {
  const { t } = useTranslation();
  const [asked] = useDebouncedValue(value.trim(), 250);
  const found = useQuery({
    queryKey: ["devices", "preview", asked],
    queryFn: ({ signal }) => list<Device>("/devices", { query: asked, sort: "name", limit: NAMED }, signal),
    enabled: asked !== "",
    placeholderData: keepPreviousData,
    retry: false,
  });
  const fault = found.error instanceof ApiError ? (found.error.problem.errors?.[0]?.detail ?? found.error.problem.detail) : undefined;
  const names = found.data?.items.map((d) => d.name) ?? [];
  const more = (found.data?.total ?? 0) > names.length;
  return (
    <>
      <TextInput
        label={t("filter.query")}
        description={t("group.query_how")}
        placeholder={'os_family == "linux" && memory_mb < 4096'}
        value={value}
        error={asked !== "" && fault}
        spellCheck={false}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        onChange={(e) => onChange(e.currentTarget.value)}
        required
      />
      {asked !== "" && !fault && found.data && (
        <p aria-live="polite">
          {found.data.total !== null && <b>{t("group.selects", { count: found.data.total })}</b>}
          {names.length > 0 && (
            <span className="soft">
              {" "}
              · {names.join(", ")}
              {more ? " …" : ""}
            </span>
          )}
        </p>
      )}
    </>
  );
}
