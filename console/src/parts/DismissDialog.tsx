// A person says that two machines are apart, of one pair or of several.
import { Textarea } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { duplicates } from "../api/client";
import { inTurns } from "../lib/turns";
import { tell } from "./Feedback";
import { FormDialog } from "./FormDialog";

export function DismissDialog({ ids, onDone, onClose }: { ids: string[]; onDone: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [note, setNote] = useState("");
  const act = async () => {
    try {
      await inTurns(ids, (id) => duplicates.dismiss(id, note.trim() || undefined));
    } finally {
      await client.invalidateQueries({ predicate: (q) => ["duplicates", "device"].includes(String(q.queryKey[0])) });
    }
    tell(t, t("duplicate.dismissed", { count: ids.length }));
    onDone();
  };
  return (
    <FormDialog
      title={t("duplicate.dismiss_count", { count: ids.length })}
      verb={t("duplicate.dismiss_count", { count: ids.length })}
      act={act}
      onClose={onClose}
    >
      <p>{t("duplicate.dismiss_what", { count: ids.length })}</p>
      <Textarea
        label={t("duplicate.note")}
        description={t("duplicate.note_how")}
        value={note}
        autosize
        minRows={2}
        onChange={(e) => setNote(e.currentTarget.value)}
      />
    </FormDialog>
  );
}
