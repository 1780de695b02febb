import { Button, Modal, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { devices } from "../api/client";
import type { DeviceDetail } from "../api/types";
import { Fault } from "../parts/Feedback";

/** What a person writes about a machine. Two people who edit at once are told: the version read must still be the one. */
export function EditMachine({ d, onClose }: { d: DeviceDetail; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState(d.name);
  const [tag, setTag] = useState(d.tag ?? "");
  const [notes, setNotes] = useState(d.notes ?? "");
  const save = useMutation({
    mutationFn: () => devices.change(d.id, { name: name.trim(), tag: tag.trim() || null, notes: notes.trim() || null }, d.version),
    onSuccess: async () => {
      await client.invalidateQueries({ predicate: (q) => q.queryKey[0] === "device" || q.queryKey[0] === "devices" });
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={t("machine.edit")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        className="form"
        onSubmit={(e) => {
          e.preventDefault();
          save.mutate();
        }}
      >
        <TextInput label={t("device.name")} value={name} required withAsterisk={false} onChange={(e) => setName(e.currentTarget.value)} />
        <TextInput label={t("device.tag")} value={tag} onChange={(e) => setTag(e.currentTarget.value)} />
        <Textarea
          label={t("device.notes")}
          value={notes}
          autosize
          minRows={3}
          maxRows={10}
          onChange={(e) => setNotes(e.currentTarget.value)}
        />
        {save.isError && <Fault error={save.error} />}
        <div className="buttons">
          <Button size="sm" onClick={onClose}>
            {t("common.back")}
          </Button>
          <Button size="sm" type="submit" variant="filled" loading={save.isPending}>
            {t("common.save")}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
