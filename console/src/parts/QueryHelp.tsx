// The query language in short, in the drawer beside the list.
import { Drawer } from "@mantine/core";
import { Fragment } from "react";
import { useTranslation } from "react-i18next";

const FIELDS = {
  text: ["name", "tag", "os", "os_family", "manufacturer", "model", "serial", "uuid", "protocol", "agent_version", "cpu"],
  number: ["memory_mb", "software_count"],
  flag: ["verified"],
  any: ["ip", "mac", "software"],
} as const;

const EXAMPLES = [
  'os_family == "linux" && memory_mb < 4096',
  'software == "firefox" && !(tag in ["kiosk", "lab"])',
  'name.startsWith("pc-") && ip.startsWith("10.20.")',
  "!has(device.serial) || !verified",
];

export function QueryHelp({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const kinds = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      size={420}
      title={t("query.title")}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <div className="stack">
        <p>{t("query.intro")}</p>
        <h3>{t("query.examples")}</h3>
        {EXAMPLES.map((e) => (
          <div className="copy-line" key={e}>
            <pre>{e}</pre>
          </div>
        ))}
        <h3>{t("query.fields")}</h3>
        <dl className="facts-list">
          {kinds.map((kind) => (
            <Fragment key={kind}>
              <dt>{t(`query.${kind}`)}</dt>
              <dd className="mono">{FIELDS[kind].join(", ")}</dd>
            </Fragment>
          ))}
        </dl>
        <p className="soft">{t("query.missing")}</p>
      </div>
    </Drawer>
  );
}
