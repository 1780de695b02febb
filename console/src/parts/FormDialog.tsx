// A small form in a dialog: fields, what went wrong, and the button that does it.
import { Button, Modal } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Fault } from "./Feedback";

type Props = { title: string; verb: string; ready?: boolean; act: () => Promise<unknown>; onClose: () => void; children: ReactNode };

export function FormDialog({ title, verb, ready = true, act, onClose, children }: Props) {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (e: React.FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await act();
    } catch (refusal) {
      setError(refusal);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form className="form" onSubmit={submit}>
        {children}
        {error !== null && <Fault error={error} />}
        <div className="buttons">
          <Button size="sm" onClick={onClose}>
            {t("common.back")}
          </Button>
          <Button size="sm" type="submit" variant="filled" disabled={!ready} loading={busy}>
            {verb}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
