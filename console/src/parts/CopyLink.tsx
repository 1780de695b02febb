// A link to exactly what is shown, with what the address leaves open filled in.
import { Button } from "@mantine/core";
import { IconCheck, IconLink } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { parseSearch, stringifySearch } from "../lib/search";
import { copy } from "./CopyLine";

const SHOWN_MS = 2000;

export function CopyLink({ search }: { search: Record<string, string> }) {
  const { t } = useTranslation();
  const [done, setDone] = useState(false);
  const act = async () => {
    const all = { ...parseSearch(location.search.slice(1)), ...search };
    await copy(location.origin + location.pathname + stringifySearch(all));
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  };
  return (
    <Button leftSection={done ? <IconCheck size={15} aria-hidden /> : <IconLink size={15} aria-hidden />} onClick={act}>
      {done ? t("common.copied") : t("common.copy_link")}
    </Button>
  );
}
