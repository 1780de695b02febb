// A question before an act that is hard to take back; big or final ones want a word or a number typed.
import { Button, Modal, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Fault } from "./Feedback";

type Props = {
  title: string;
  children: ReactNode;
  verb: string;
  /** What must be typed, such as the machine's name or the count. */
  typed?: string;
  danger?: boolean;
  act: () => Promise<unknown>;
  onClose: () => void;
};

/** Digits typed with or without the separators of the reader's language. */
const plain = (text: string) => (/^[\d\s.,'\u00A0\u202F\u2019]+$/.test(text) ? text.replace(/\D/g, "") : text.trim());

export function Confirm({ title, children, verb, typed, danger, act, onClose }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const ready = typed === undefined || plain(text) === plain(typed);
  const submit = async (e: React.FormEvent) => {
    e.preventDefault();
    if (!ready) return;
    setBusy(true);
    setError(null);
    try {
      await act();
      onClose();
    } catch (fault) {
      setError(fault);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form className="form" onSubmit={submit}>
        <div className="stack">{children}</div>
        {typed !== undefined && (
          <TextInput
            label={t("confirm.type", { text: typed })}
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
          />
        )}
        {error !== null && <Fault error={error} />}
        <div className="buttons">
          <Button size="sm" onClick={onClose}>
            {t("common.back")}
          </Button>
          <Button
            size="sm"
            type="submit"
            variant={danger ? "outline" : "filled"}
            color={danger ? "red" : undefined}
            disabled={!ready}
            loading={busy}
          >
            {verb}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
