// Invented changes: of one device, between two dates, across the fleet.
import { ago, random } from "./fake-data.mjs";

const DAY = 86_400;

function updates(n, count) {
  const r = random(n + 31);
  const names = ["firefox", "openssl", "curl", "libreoffice-core", "bash", "systemd", "linux-image-amd64", "python3", "git", "cups"];
  return Array.from({ length: count }, (_, i) => {
    const name = i < names.length ? names[(n + i) % names.length] : `lib${names[i % names.length]}-${n}-${i}`;
    const [major, minor, patch] = [1 + Math.floor(r() * 140), Math.floor(r() * 20), Math.floor(r() * 30)];
    const row = { name, publisher: "Debian Maintainers", arch: "x86_64", from: "deb" };
    return { before: { ...row, version: `${major}.${minor}.${patch}-1` }, after: { ...row, version: `${major}.${minor}.${patch + 1}-1` } };
  });
}

const MEMORY = {
  caption: "DIMM 1",
  capacity: 16384,
  type: "DDR5",
  speed: "5600",
  manufacturer: "Samsung",
  serialnumber: "018842",
  numslots: 2,
};
const CARD = { description: "enp0s31f6", mac: "3c:52:82:10:44:a1", ipmask: "255.255.0.0", type: "ethernet", status: "up", speed: 1000 };
const SYSTEM = { full_name: "Debian GNU/Linux 13 (trixie)", name: "Debian", kernel_name: "linux", arch: "x86_64" };
const PRINTER = { name: "Floor 1", driver: "HP LaserJet M402", port: "ipp://10.20.0.8", network: true };

const KINDS = [
  (n) => {
    const all = updates(n, 1 + (n % 7) * 3);
    const fresh = n % 3 ? [] : [{ name: "libnss3", version: "3.118-1", publisher: "Debian Maintainers", arch: "x86_64" }];
    const gone = n % 4 ? [] : [{ name: "xterm", version: "398-1", publisher: "Debian Maintainers", arch: "x86_64" }];
    return ["softwares", [...all.map((u) => u.after), ...fresh], [...all.map((u) => u.before), ...gone]];
  },
  () => ["memories", [MEMORY], []],
  (n) => ["networks", [{ ...CARD, ipaddress: `10.20.${n % 200}.17` }], [{ ...CARD, ipaddress: `10.20.${(n + 3) % 200}.214` }]],
  (n) => [
    "operatingsystem",
    [{ ...SYSTEM, kernel_version: `6.12.${48 + (n % 5)}-amd64` }],
    [{ ...SYSTEM, kernel_version: `6.12.${47 + (n % 5)}-amd64` }],
  ],
  () => ["printers", [], [PRINTER]],
  () => ["users", [{ login: "a.martin", domain: "EXAMPLE" }], [{ login: "m.keller", domain: "EXAMPLE" }]],
];

const FIRSTS = ["softwares", "hardware", "bios", "networks", "memories", "operatingsystem", "drives", "storages", "printers", "users"];

/** All changes of a device, newest first. */
export function historyOf(d, agents) {
  const entries = Array.from({ length: 120 }, (_, n) => {
    const [section, added, removed] = KINDS[n % 5 === 3 ? 3 : n % 3 === 0 ? 0 : n % KINDS.length](n);
    return {
      id: `h${n}.${section}`,
      at: ago(7200 + n * 1.7 * DAY),
      section,
      agent: agents[n % agents.length].id,
      kind: section === "printers" ? "removed" : "changed",
      added,
      removed,
      added_count: added.length,
      removed_count: removed.length,
    };
  });
  const firsts = FIRSTS.map((section) => ({
    id: `f.${section}`,
    at: ago(7200 + 121 * 1.7 * DAY),
    section,
    agent: agents[0].id,
    kind: "first",
    added: [],
    removed: [],
    added_count: section === "softwares" ? d.software_count : 2,
    removed_count: 0,
  }));
  return [...entries, ...firsts];
}

/** A period of the address ('7d', an instant) in milliseconds. */
function instant(text) {
  if (!text) return null;
  const back = /^(\d+)([mhdw])$/.exec(text);
  return back ? Date.now() - Number(back[1]) * { m: 60, h: 3600, d: DAY, w: 7 * DAY }[back[2]] * 1000 : Date.parse(text);
}

const many = (params, key) => (params.get(key) ?? "").split(",").filter(Boolean);

export function filtered(entries, params) {
  const [sections, kinds] = [many(params, "section"), many(params, "kind")];
  const [since, until] = [instant(params.get("since")), instant(params.get("until"))];
  const [agent, device, q] = [params.get("agent"), params.get("device"), (params.get("q") ?? "").toLowerCase()];
  return entries.filter((e) => {
    if (sections.length && !sections.includes(e.section)) return false;
    if (kinds.length && !kinds.includes(e.kind)) return false;
    if (agent && e.agent !== agent) return false;
    if (device && e.device?.id !== device) return false;
    if (q && !`${e.device?.name} ${e.sample?.join(" ")}`.toLowerCase().includes(q)) return false;
    const at = Date.parse(e.at);
    return !(since !== null && at < since) && !(until !== null && at >= until);
  });
}

const fieldsOf = (a, b) =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((k) => JSON.stringify(a[k]) !== JSON.stringify(b[k]));

/** What differs between two dates: the longer apart, the more. */
export function compared(d, agents, params) {
  const from = instant(params.get("from")) ?? Date.now();
  const to = instant(params.get("to")) ?? Date.now();
  const days = Math.max(0, (to - from) / 1000 / DAY);
  const pair = (u) => ({ ...u, fields: fieldsOf(u.before, u.after) });
  const count = Math.round(Math.min(420, 3 + days * 4));
  const section = (name, added, removed, changed, exact = true) => ({
    section: name,
    agent: agents[0].id,
    added,
    removed,
    changed: changed.map(pair),
    added_count: added.length,
    removed_count: removed.length,
    changed_count: changed.length,
    exact,
  });
  const fresh = Array.from({ length: Math.round(count / 6) }, (_, i) => ({
    name: ["libnss3", "fonts-noto", "jq", "ripgrep"][i % 4] + (i > 3 ? `-${i}` : ""),
    version: `${3 + i}.1${i}-1`,
    publisher: "Debian Maintainers",
    arch: "x86_64",
  }));
  const all = [
    section(
      "softwares",
      fresh,
      days > 5 ? [{ name: "xterm", version: "398-1", publisher: "Debian Maintainers", arch: "x86_64" }] : [],
      updates(4, count),
      days < 200,
    ),
    section(
      "operatingsystem",
      [],
      [],
      [{ before: { ...SYSTEM, kernel_version: "6.12.41-amd64" }, after: { ...SYSTEM, kernel_version: "6.12.48-amd64" } }],
    ),
  ];
  if (days > 3) {
    all.push(
      section(
        "networks",
        [],
        [],
        [{ before: { ...CARD, ipaddress: "10.20.7.214", speed: 100 }, after: { ...CARD, ipaddress: "10.20.31.17" } }],
      ),
    );
    all.push(section("memories", [MEMORY], [], []));
    all.push(section("printers", [{ name: "Floor 2", driver: "HP LaserJet M611", port: "ipp://10.20.0.9", network: true }], [PRINTER], []));
  }
  const wanted = many(params, "section");
  return {
    device: { id: d.id, name: d.name },
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    sections: days < 0.01 ? [] : all.filter((s) => !wanted.length || wanted.includes(s.section)),
  };
}

const label = (row) =>
  [row.name ?? row.full_name ?? row.description ?? row.caption ?? row.login, row.version ?? row.kernel_version ?? row.ipaddress]
    .filter(Boolean)
    .join(" ");

/** Changes on all devices, newest first. */
export function fleetChanges(devices) {
  const most = Math.min(60_000, devices.length * 40);
  return Array.from({ length: most }, (_, n) => {
    const d = devices[(n * 7919) % devices.length];
    const isFirst = n % 61 === 60;
    const [section, added, removed] = KINDS[n % 4 === 1 ? n % KINDS.length : 0](n % 97);
    const sample = [...added.map((r) => `+ ${label(r)}`), ...removed.map((r) => `- ${label(r)}`)].slice(0, 5);
    return {
      id: `c${n}.${section}`,
      at: ago(60 + (n * 40 * DAY) / most),
      device: { id: d.id, name: d.name },
      agent: d.agent.id,
      section,
      kind: isFirst ? "first" : section === "printers" ? "removed" : "changed",
      added_count: isFirst ? 412 : added.length,
      removed_count: isFirst ? 0 : removed.length,
      sample: isFirst ? [] : sample,
    };
  });
}
