// The machines of a filter as a CSV file, read page by page.
import type { TFunction } from "i18next";
import { list } from "../api/client";
import type { Device } from "../api/types";
import { download, toCsv } from "../lib/csv";
import type { Search } from "../lib/search";
import { shout } from "../parts/Feedback";

const FIELDS: [string, (d: Device) => unknown][] = [
  ["id", (d) => d.id],
  ["name", (d) => d.name],
  ["organization", (d) => d.org],
  ["os", (d) => d.os],
  ["manufacturer", (d) => d.manufacturer],
  ["model", (d) => d.model],
  ["serial", (d) => d.serial],
  ["uuid", (d) => d.uuid],
  ["ips", (d) => d.ips],
  ["macs", (d) => d.macs],
  ["tag", (d) => d.tag],
  ["protocol", (d) => d.agent?.protocol],
  ["agent_version", (d) => d.agent?.version],
  ["last_contact", (d) => d.agent?.last_contact],
  ["last_inventory", (d) => d.last_inventory],
  ["first_seen", (d) => d.first_seen],
  ["verified", (d) => d.verified],
  ["cpu", (d) => d.cpu],
  ["memory_mb", (d) => d.memory_mb],
  ["software_count", (d) => d.software_count],
];

/** Column heads are the API's field names, so that a script reads the file the same in every language. */
export async function exportMachines(filter: Search, t: TFunction, progress: (rows: number) => void): Promise<void> {
  const rows: unknown[][] = [];
  let cursor: string | undefined;
  try {
    do {
      const page = await list<Device>("/devices", { ...filter, limit: 1000, cursor });
      for (const device of page.items) rows.push(FIELDS.map(([, read]) => read(device)));
      cursor = page.next ?? undefined;
      progress(rows.length);
    } while (cursor);
    const head = FIELDS.map(([name]) => name);
    download(`machines-${new Date().toISOString().slice(0, 10)}.csv`, toCsv(head, rows));
  } catch (error) {
    shout(t, error);
  }
}
