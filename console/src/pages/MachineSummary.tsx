// The first look at a machine, and its network ports.
import { IconAlertTriangle } from "@tabler/icons-react";
import { Fragment, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useInventory } from "../api/queries";
import type { DeviceDetail, Row } from "../api/types";
import { maybe, word } from "../i18n/say";
import { mebibytes, number, percent } from "../lib/format";
import { asRows, plainText } from "../lib/inventory";
import { Empty, Fault, Lines } from "../parts/Feedback";
import { Time } from "../parts/Time";

type Fact = [label: string, value: ReactNode];

function Facts({ title, facts }: { title: string; facts: Fact[] }) {
  return (
    <section className="card">
      <h2>{title}</h2>
      <dl className="facts-list body">
        {facts
          .filter(([, value]) => value !== null && value !== undefined && value !== "")
          .map(([label, value]) => (
            <Fragment key={label}>
              <dt>{label}</dt>
              <dd>{value}</dd>
            </Fragment>
          ))}
      </dl>
    </section>
  );
}

const text = (row: Row | undefined, key: string) => plainText(row?.[key]);

export function Summary({ d }: { d: DeviceDetail }) {
  const { t, i18n } = useTranslation();
  const inventory = useInventory(d.id, "hardware,bios,operatingsystem,cpus,drives,users");
  const section = (name: string) => asRows(inventory.data?.sections[name]);
  const [hardware] = section("hardware");
  const [bios] = section("bios");
  const [os] = section("operatingsystem");
  const users = section("users").map((u) => [text(u, "domain"), text(u, "login")].filter(Boolean).join("\\"));
  const size = (mb: number | null) => (mb === null ? "" : mebibytes(mb, i18n.language));
  const firmware = [text(bios, "bmanufacturer"), text(bios, "bversion"), text(bios, "bdate")].filter(Boolean).join(" · ");
  return (
    <div className="grid even">
      {d.finding_list.length > 0 && <Findings d={d} />}
      <Facts
        title={t("machine.hardware")}
        facts={[
          [t("device.manufacturer"), d.manufacturer],
          [t("device.model"), d.model],
          [t("device.serial"), d.serial && <span className="mono">{d.serial}</span>],
          [t("device.uuid"), d.uuid && <span className="mono">{d.uuid}</span>],
          [t("device.cpu"), d.cpu],
          [t("device.memory"), size(d.memory_mb)],
          [t("machine.chassis"), text(hardware, "chassis_type")],
          [t("machine.firmware"), firmware],
          [t("machine.virtual"), text(hardware, "vmsystem")],
        ]}
      />
      <Facts
        title={t("device.os")}
        facts={[
          [t("device.name"), d.os],
          [t("field.kernel_version"), text(os, "kernel_version")],
          [t("field.arch"), text(os, "arch")],
          [t("field.fqdn"), text(os, "fqdn")],
          [t("field.boot_time"), text(os, "boot_time")],
          [t("device.programs"), number(d.software_count, i18n.language)],
          [t("machine.users"), users.join(", ")],
        ]}
      />
      <Facts
        title={t("machine.record")}
        facts={[
          [t("device.last_inventory"), <Time key="i" at={d.last_inventory} empty={t("device.never")} />],
          [t("device.last_contact"), <Time key="c" at={d.agent?.last_contact} empty={t("device.never")} />],
          [t("device.first_seen"), <Time key="f" at={d.first_seen} />],
          [t("device.verified"), d.verified ? t("common.yes") : t("common.no")],
          [t("device.tag"), d.tag],
          [t("device.ip"), d.ips.join(", ")],
          [t("device.notes"), d.notes],
        ]}
      />
      <Drives drives={section("drives")} />
      {inventory.isError && <Fault error={inventory.error} retry={() => inventory.refetch()} />}
    </div>
  );
}

/** What was odd in the last report: what it is, what it says, and what a person can do about it. */
function Findings({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  return (
    <section className="card wide">
      <h2>
        {t("identity.findings")} <span className="soft">{t("finding.count", { count: d.finding_list.length })}</span>
      </h2>
      <ul className="lines findings">
        {d.finding_list.map((f) => (
          <li key={f.kind + f.detail + f.at}>
            <span className="tint st-expired">
              <IconAlertTriangle size={16} aria-hidden />
            </span>
            <div className="grow">
              <p>
                <strong>{word(t, "finding", f.kind)}</strong>{" "}
                <span className="soft">
                  <Time at={f.at} />
                </span>
              </p>
              <p>{f.detail}</p>
              <p className="soft">{maybe(t, `finding_help.${f.kind}`) ?? t("finding_help.other")}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Drives({ drives }: { drives: Row[] }) {
  const { t, i18n } = useTranslation();
  const sized = drives.filter((d) => typeof d.total === "number" && d.total > 0);
  if (sized.length === 0) return null;
  return (
    <section className="card">
      <h2>{t("section.drives")}</h2>
      <dl className="split">
        {sized.map((drive, i) => {
          const all = drive.total as number;
          const used = all - (typeof drive.free === "number" ? drive.free : 0);
          const name = text(drive, "type") || text(drive, "letter") || text(drive, "volumn");
          return (
            <div key={i} style={{ "--part": `${(used / all) * 100}%` } as React.CSSProperties}>
              <dt className="cut">
                {name} <span className="soft">{text(drive, "filesystem")}</span>
              </dt>
              <dd>
                {percent(used / all, i18n.language)} <span className="soft">{mebibytes(all, i18n.language)}</span>
              </dd>
            </div>
          );
        })}
      </dl>
    </section>
  );
}

export function Network({ d }: { d: DeviceDetail }) {
  const { t } = useTranslation();
  const inventory = useInventory(d.id, "networks,hardware");
  const ports = asRows(inventory.data?.sections.networks);
  const [hardware] = asRows(inventory.data?.sections.hardware);
  if (inventory.isError) return <Fault error={inventory.error} retry={() => inventory.refetch()} />;
  if (inventory.isLoading) return <Lines />;
  if (ports.length === 0) return <Empty title={t("machine.no_network")} why={t("machine.no_section_why")} />;
  const columns = ["description", "ipaddress", "ipmask", "mac", "type", "status", "speed", "ipgateway"] as const;
  return (
    <>
      <div className="facts">
        <span>
          {t("field.defaultgateway")}: <strong>{text(hardware, "defaultgateway") || "–"}</strong>
        </span>
        <span>
          {t("field.dns")}: <strong>{text(hardware, "dns").replaceAll("/", ", ") || "–"}</strong>
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section className="card" style={{ overflowX: "auto" }} tabIndex={0} aria-label={t("section.networks")}>
        <table className="data auto" style={{ minWidth: 820 }}>
          <thead>
            <tr>
              {columns.map((c) => (
                <th key={c} scope="col">
                  {t(`field.${c}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {ports.map((port, i) => (
              <tr key={i}>
                {columns.map((c) => (
                  <td key={c} className={c === "mac" ? "mono" : undefined}>
                    {c === "description" ? (
                      <strong>{text(port, c)}</strong>
                    ) : (
                      text(port, c === "ipaddress" && !port.ipaddress ? "ipaddress6" : c)
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
