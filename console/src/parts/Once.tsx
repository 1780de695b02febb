import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { CopyLine } from "./CopyLine";

/** A secret that is shown one time. */
export function Once({ name, secret, onClose, children }: { name: string; secret: string; onClose: () => void; children?: ReactNode }) {
  const { t } = useTranslation();
  return (
    <section className="note stack" aria-label={name}>
      <p>
        <strong>{t("token.once", { name })}</strong>
      </p>
      <CopyLine text={secret} label={name} />
      {children}
      <div>
        <Button onClick={onClose}>{t("token.kept")}</Button>
      </div>
    </section>
  );
}
