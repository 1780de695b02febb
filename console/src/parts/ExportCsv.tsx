// 'Export CSV': all rows of the filter, in the columns that are shown, as the server writes them.
import { Button, Tooltip } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { csv, type ListParams } from "../api/client";
import { number } from "../lib/format";
import { save } from "../lib/save";
import { shout, tell } from "./Feedback";

/** As many rows as the server hands over in one file. */
const ROWS_MAX = 100_000;

type Props = {
  resource: string;
  params: ListParams;
  /** The API's names of the columns; none for all that it has. */
  columns: string[];
  count: number | null;
};

export function ExportCsv({ resource, params, columns, count }: Props) {
  const { t, i18n } = useTranslation();
  const [busy, setBusy] = useState(false);
  const act = async () => {
    setBusy(true);
    try {
      const { name, file } = await csv(resource, params, columns);
      save(name, file);
      tell(t, t("export.done", { name }));
    } catch (error) {
      shout(t, error);
    } finally {
      setBusy(false);
    }
  };
  const most = number(ROWS_MAX, i18n.language);
  const how = count !== null && count <= ROWS_MAX ? t("export.how") : t("export.how_most", { most });
  return (
    <Tooltip label={how} multiline w={260}>
      <Button leftSection={<IconDownload size={15} aria-hidden />} loading={busy} disabled={count === 0} onClick={act}>
        {count === null ? t("export.csv") : t("export.csv_count", { count: Math.min(count, ROWS_MAX) })}
      </Button>
    </Tooltip>
  );
}
