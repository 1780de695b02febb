import { Button, PasswordInput, Select, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { session } from "../api/client";
import { enter } from "../api/queries";
import { Mark } from "../frame/Brand";
import { LANGUAGES, type Language, setLanguage } from "../i18n";
import { Fault } from "../parts/Feedback";

export function SignIn() {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useMutation({
    mutationFn: () => session.signIn(name.trim(), password),
    onSuccess: (me) => enter(client, me),
    onError: () => setPassword(""),
  });
  document.title = `${t("signin.title")} · Muster`;
  return (
    <main className="door">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          signIn.mutate();
        }}
      >
        <div className="row" style={{ gap: 12 }}>
          <Mark size={30} />
          <h1>{t("signin.title")}</h1>
        </div>
        <TextInput
          label={t("signin.name")}
          value={name}
          autoComplete="username"
          autoFocus
          required
          withAsterisk={false}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        <PasswordInput
          label={t("signin.password")}
          value={password}
          autoComplete="current-password"
          required
          withAsterisk={false}
          visibilityToggleButtonProps={{ "aria-label": t("signin.show_password") }}
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        {signIn.isError && <Fault error={signIn.error} />}
        <Button type="submit" variant="filled" size="sm" loading={signIn.isPending} fullWidth>
          {t("signin.enter")}
        </Button>
        <Select
          aria-label={t("profile.language")}
          size="xs"
          variant="unstyled"
          w={120}
          data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
          value={i18n.language}
          onChange={(v) => v && setLanguage(v as Language)}
        />
      </form>
    </main>
  );
}
