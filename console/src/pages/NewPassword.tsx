import { Button, Modal, PasswordInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { session } from "../api/client";
import { Fault, tell } from "../parts/Feedback";

const LEAST = 12;

/** The fields for a new password; `done` is called after the server took it. */
function PasswordForm({ done }: { done: () => void }) {
  const { t } = useTranslation();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const change = useMutation({ mutationFn: () => session.changePassword(old, fresh), onSuccess: done });
  const short = fresh !== "" && fresh.length < LEAST ? t("password.short", { count: LEAST }) : null;
  const differs = again !== "" && again !== fresh ? t("password.differs") : null;
  const eye = { visibilityToggleButtonProps: { "aria-label": t("signin.show_password") }, required: true, withAsterisk: false };
  return (
    <form
      className="form"
      onSubmit={(e) => {
        e.preventDefault();
        if (fresh.length >= LEAST && fresh === again) change.mutate();
      }}
    >
      <PasswordInput
        {...eye}
        label={t("password.old")}
        autoComplete="current-password"
        value={old}
        onChange={(e) => setOld(e.currentTarget.value)}
      />
      <PasswordInput
        {...eye}
        label={t("password.new")}
        description={t("password.rule", { count: LEAST })}
        autoComplete="new-password"
        value={fresh}
        error={short}
        onChange={(e) => setFresh(e.currentTarget.value)}
      />
      <PasswordInput
        {...eye}
        label={t("password.again")}
        autoComplete="new-password"
        value={again}
        error={differs}
        onChange={(e) => setAgain(e.currentTarget.value)}
      />
      {change.isError && <Fault error={change.error} />}
      <div className="buttons">
        <Button type="submit" variant="filled" size="sm" loading={change.isPending}>
          {t("password.change")}
        </Button>
      </div>
    </form>
  );
}

/** The whole page for someone whose password was given by another person. */
export function NewPassword() {
  const { t } = useTranslation();
  const client = useQueryClient();
  return (
    <main className="door">
      <div className="card" style={{ padding: 28, width: "min(400px, 100%)" }}>
        <h1 style={{ fontSize: 18, marginBottom: 4 }}>{t("password.title")}</h1>
        <p className="soft" style={{ marginBottom: 14 }}>
          {t("password.why")}
        </p>
        <PasswordForm done={() => client.invalidateQueries({ queryKey: ["me"] })} />
      </div>
    </main>
  );
}

export function PasswordDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal opened={opened} onClose={onClose} title={t("password.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <PasswordForm
        done={() => {
          tell(t, t("password.done"));
          onClose();
        }}
      />
    </Modal>
  );
}
