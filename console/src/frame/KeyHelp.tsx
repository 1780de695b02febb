import { Modal } from "@mantine/core";
import { Fragment } from "react";
import { useTranslation } from "react-i18next";
import { useAllKeys } from "../lib/keys";

/** The keys that do something on this screen now. */
export function KeyHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const keys = useAllKeys();
  const fixed = [
    { keys: "Ctrl K", label: t("keys.palette") },
    { keys: "Enter", label: t("keys.open") },
    { keys: "Esc", label: t("keys.close") },
  ];
  return (
    <Modal opened={opened} onClose={onClose} title={t("keys.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <dl className="facts-list">
        {[...keys, ...fixed].map((b) => (
          <Fragment key={b.keys}>
            <dt>
              {b.keys.split(" ").map((k) => (
                <kbd key={k} className="key" style={{ marginRight: 4 }}>
                  {k}
                </kbd>
              ))}
            </dt>
            <dd>{b.label}</dd>
          </Fragment>
        ))}
      </dl>
    </Modal>
  );
}
