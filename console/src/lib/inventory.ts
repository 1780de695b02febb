// How canonical inventory sections (named as in the GLPI inventory format) become tables: which columns, in which order.
import type { Inventory, Row } from "../api/types";

/** Fields worth a column, first the one a row is known by. What is not named here follows by frequency. */
const COLUMNS: Record<string, string[]> = {
  softwares: ["name", "version", "publisher", "arch", "install_date", "filesize", "from"],
  networks: ["description", "ipaddress", "ipaddress6", "ipmask", "mac", "type", "status", "speed", "driver"],
  drives: ["type", "volumn", "label", "filesystem", "total", "free", "encrypt_name", "serial"],
  storages: ["name", "model", "manufacturer", "disksize", "type", "interface", "serial", "firmware"],
  memories: ["caption", "capacity", "type", "speed", "manufacturer", "serialnumber", "numslots"],
  cpus: ["name", "manufacturer", "core", "thread", "speed", "arch"],
  users: ["login", "domain"],
  local_users: ["login", "name", "home", "shell"],
  local_groups: ["name", "id", "member"],
  monitors: ["caption", "manufacturer", "serial", "description"],
  printers: ["name", "driver", "port", "network", "shared", "serial"],
  controllers: ["name", "manufacturer", "type", "pcislot", "driver"],
  usbdevices: ["name", "caption", "manufacturer", "serial", "vendorid", "productid"],
  processes: ["cmd", "user", "pid", "mem", "cpuusage", "started"],
  virtualmachines: ["name", "status", "vmtype", "memory", "vcpu", "uuid"],
  videos: ["name", "chipset", "memory", "resolution"],
  sounds: ["name", "manufacturer", "description"],
  batteries: ["name", "manufacturer", "capacity", "chemistry", "serial"],
  envs: ["key", "val"],
  antivirus: ["name", "company", "version", "enabled", "uptodate"],
  licenseinfos: ["name", "fullname", "key", "productid"],
  logical_volumes: ["lv_name", "size", "attr", "vg_uuid"],
  volume_groups: ["vg_name", "size", "free", "lv_count", "pv_count"],
  physical_volumes: ["device", "size", "free", "format"],
};

/** Sections whose changes are kept: all but those that are different each time they are read. */
export const FACT_SECTIONS: readonly string[] = [
  "antivirus",
  "batteries",
  "bios",
  "controllers",
  "cpus",
  "drives",
  "firewalls",
  "hardware",
  "inputs",
  "licenseinfos",
  "local_groups",
  "local_users",
  "logical_volumes",
  "memories",
  "monitors",
  "networks",
  "operatingsystem",
  "physical_volumes",
  "printers",
  "slots",
  "softwares",
  "sounds",
  "storages",
  "usbdevices",
  "users",
  "videos",
  "virtualmachines",
  "volume_groups",
];

/** Long blobs that no one reads in a table. */
const HIDDEN = new Set(["base64", "edid"]);
const MOST_COLUMNS = 8;

/** Sizes in MiB, by section. */
const MEBIBYTES: Record<string, string[]> = {
  hardware: ["memory", "swap"],
  memories: ["capacity"],
  drives: ["total", "free"],
  storages: ["disksize"],
  videos: ["memory"],
  virtualmachines: ["memory"],
  logical_volumes: ["size"],
  volume_groups: ["size", "free"],
  physical_volumes: ["size", "free"],
};
export const isMebibytes = (section: string, field: string): boolean => MEBIBYTES[section]?.includes(field) ?? false;
export const isBytes = (section: string, field: string): boolean => section === "softwares" && field === "filesize";

/** The columns of a section's rows; with `every`, also the fields that a table leaves out. */
export function columnsOf(section: string, rows: Row[], every = false): string[] {
  const seen = new Map<string, number>();
  for (const row of rows) for (const key of Object.keys(row)) seen.set(key, (seen.get(key) ?? 0) + 1);
  const wanted = (COLUMNS[section] ?? []).filter((key) => seen.has(key));
  const rest = [...seen]
    .filter(([key]) => !HIDDEN.has(key) && !wanted.includes(key))
    .sort((a, b) => b[1] - a[1])
    .map(([key]) => key);
  if (every) return [...wanted, ...rest];
  return COLUMNS[section] && wanted.length > 0 ? wanted : [...wanted, ...rest].slice(0, MOST_COLUMNS);
}

export const asRows = (section: Row | Row[] | undefined): Row[] =>
  section === undefined ? [] : Array.isArray(section) ? section : [section];

export function plainText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(plainText).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export type Hit = { section: string; rows: Row[]; count: number };
const HITS_SHOWN = 50;

/** Rows of all sections in which a field holds the text. */
export function find(inventory: Inventory, text: string): Hit[] {
  const wanted = text.toLocaleLowerCase();
  const hits: Hit[] = [];
  for (const [section, content] of Object.entries(inventory.sections)) {
    const rows = asRows(content).filter((row) =>
      Object.entries(row).some(([key, value]) => !HIDDEN.has(key) && plainText(value).toLocaleLowerCase().includes(wanted)),
    );
    if (rows.length > 0) hits.push({ section, rows: rows.slice(0, HITS_SHOWN), count: rows.length });
  }
  return hits;
}

export function ordered(rows: Row[], by: string, down: boolean): Row[] {
  const compare = (a: Row, b: Row) => {
    const [x, y] = [a[by], b[by]];
    if (typeof x === "number" && typeof y === "number") return x - y;
    return plainText(x).localeCompare(plainText(y), undefined, { numeric: true, sensitivity: "base" });
  };
  return rows.toSorted((a, b) => (down ? -compare(a, b) : compare(a, b)));
}
