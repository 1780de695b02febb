// Invented programs across the invented fleet: which there are, their versions, who has them, what appeared lately.
import { ago, random } from "./fake-data.mjs";

const MAKERS = {
  Mozilla: ["Firefox", "Thunderbird", "Firefox ESR"],
  "The Document Foundation": ["LibreOffice", "LibreOffice Help Pack"],
  "Microsoft Corporation": ["Microsoft Edge", "Visual Studio Code", "Microsoft 365 Apps", "Windows Terminal", ".NET Runtime", "Teams"],
  "Google LLC": ["Google Chrome", "Android Studio"],
  "Debian Maintainers": ["openssl", "bash", "curl", "git", "vim", "python3", "systemd", "openssh-server", "cups", "linux-image-amd64"],
  "Igor Pavlov": ["7-Zip"],
  VideoLAN: ["VLC media player"],
  "Oracle and/or its affiliates": ["Oracle VM VirtualBox", "Java SE Development Kit"],
  "Adobe Inc.": ["Adobe Acrobat Reader", "Adobe Creative Cloud"],
  "JetBrains s.r.o.": ["IntelliJ IDEA", "PyCharm"],
  "PostgreSQL Global Development Group": ["PostgreSQL"],
  "": ["acme-label-printer", "ward-terminal", "Kiosk Shell"],
};
const NEWCOMERS = [
  { name: "AnyDesk", publisher: "AnyDesk Software GmbH", version: "9.0.4" },
  { name: "Steam", publisher: "Valve Corporation", version: "2.10.91" },
  { name: "acme-label-printer 3", publisher: "", version: "3.0.1" },
  { name: "OBS Studio", publisher: "OBS Project", version: "31.1.2" },
  { name: "qBittorrent", publisher: "The qBittorrent project", version: "5.1.2" },
];
const NAMED = Object.entries(MAKERS).flatMap(([publisher, names]) => names.map((name) => ({ name, publisher })));

const hash = (text) => [...text].reduce((a, c) => (Math.imul(a, 31) + c.charCodeAt(0)) >>> 0, 7);
const arches = (publisher) => (publisher === "Debian Maintainers" ? ["amd64", "arm64"] : ["x86_64"]);

/** How many programs a fleet of this size has: many small libraries beside the known ones. */
const programsOf = (size) => NAMED.length + Math.round(Math.min(18_000, 60 * Math.sqrt(size) + 40));

function program(n, size) {
  const known = NAMED[n];
  const base = NAMED[n % NAMED.length];
  const name = known?.name ?? `lib${base.name.toLowerCase().replace(/[^a-z0-9]+/g, "")}${n}`;
  const publisher = known?.publisher ?? (n % 5 ? "Debian Maintainers" : base.publisher);
  const r = random(hash(name));
  const share = known ? 0.08 + 0.88 * r() : 0.3 * r() ** 3;
  const devices = Math.max(1, Math.round(share * size));
  return { name, publisher, devices, versions: versionsOf(name, publisher, devices) };
}

function versionsOf(name, publisher, devices) {
  const r = random(hash(name) + 1);
  const count = Math.max(1, Math.min(devices, Math.round(1 + 14 * r() ** 2)));
  const major = 1 + Math.floor(r() * 140);
  const list = [];
  let left = devices;
  for (let i = 0; i < count; i++) {
    const here = i === count - 1 ? left : Math.max(1, Math.min(left - (count - 1 - i), Math.round(left * (0.25 + 0.45 * r()))));
    const version = `${major - Math.floor(i / 3)}.${9 - (i % 3) * 3}.${Math.floor(r() * 20)}`;
    list.push({ name, version, publisher, arch: arches(publisher)[i % arches(publisher).length], devices: here });
    left -= here;
  }
  return list;
}

const part = (version) => version.split(".").map(Number);
export function compareVersions(a, b) {
  const [x, y] = [part(a), part(b)];
  for (let i = 0; i < 3; i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) - (y[i] ?? 0);
  return 0;
}

export function software(devices) {
  const size = devices.length;
  const all = Array.from({ length: programsOf(size) }, (_, n) => program(n, size));
  const rows = all.map((p) => ({
    name: p.name,
    publisher: p.publisher,
    versions: p.versions.length,
    newest: p.versions[0].version,
    devices: p.devices,
  }));
  const named = (params) => all.filter((p) => p.name.toLowerCase() === (params.get("name") ?? "").toLowerCase());
  const inRange = (params) => (v) => {
    const [exact, below, from, arch] = ["version", "below", "from", "arch"].map((k) => params.get(k));
    if (exact && v.version !== exact) return false;
    if (arch && v.arch !== arch) return false;
    return !(below && compareVersions(v.version, below) >= 0) && !(from && compareVersions(v.version, from) < 0);
  };

  const list = (params) => {
    const q = (params.get("q") ?? "").toLowerCase();
    const wanted = (params.get("name") ?? "").toLowerCase();
    const publisher = params.get("publisher");
    const found = rows.filter((p) => {
      if (wanted && p.name.toLowerCase() !== wanted) return false;
      if (publisher && p.publisher !== publisher) return false;
      return !q || p.name.toLowerCase().includes(q) || p.publisher.toLowerCase().includes(q);
    });
    const sort = params.get("sort") ?? "name";
    const sign = sort.startsWith("-") ? -1 : 1;
    const by = sort.replace("-", "");
    found.sort((a, b) => sign * (by === "devices" ? a.devices - b.devices : a.name.localeCompare(b.name)));
    return { rows: found, more: { as_of: ago(190) } };
  };
  const versions = (params) => {
    const found = named(params)
      .flatMap((p) => p.versions)
      .filter(inRange(params));
    const sign = (params.get("sort") ?? "-version").startsWith("-") ? -1 : 1;
    return { rows: found.sort((a, b) => sign * compareVersions(a.version, b.version)) };
  };
  const holders = (params) => {
    const found = named(params).flatMap((p) => {
      const start = hash(p.name) % size;
      let at = start;
      return p.versions.flatMap((v) => {
        const mine = Array.from({ length: v.devices }, () => devices[at++ % size]);
        return inRange(params)(v) ? mine.map((d, i) => holder(d, v, i)) : [];
      });
    });
    const sign = (params.get("sort") ?? "version").startsWith("-") ? -1 : 1;
    return { rows: found.sort((a, b) => sign * compareVersions(a.version, b.version)) };
  };
  const appeared = (params) => {
    const days = Number(/^(\d+)d$/.exec(params.get("since") ?? "7d")?.[1] ?? (params.get("since")?.endsWith("h") ? 1 : 30));
    const q = (params.get("q") ?? "").toLowerCase();
    const few = Math.min(all.length, Math.round((size > 100 ? 40 : 4) * Math.sqrt(days)));
    const found = Array.from({ length: few }, (_, i) => {
      const p = all[(i * 37) % all.length];
      const v = p.versions[0];
      const r = random(i + 5);
      const last = r() * Math.min(days, 1 + i * 0.7) * 86_400;
      const fresh = i % 6 === 2 && i / 6 < NEWCOMERS.length;
      return {
        ...v,
        ...(fresh && NEWCOMERS[Math.floor(i / 6)]),
        devices: fresh ? 1 + Math.floor(r() * 4) : Math.max(1, Math.round(v.devices * 0.4)),
        first_at: ago(Math.min(days * 86_400, last + r() * 2 * 86_400)),
        last_at: ago(last),
        new_to_fleet: fresh,
      };
    }).filter((p) => !q || p.name.toLowerCase().includes(q));
    const sort = params.get("sort") ?? "-last_at";
    const by = sort.replace("-", "");
    const sign = sort.startsWith("-") ? -1 : 1;
    found.sort((a, b) => sign * (by === "devices" ? a.devices - b.devices : String(a[by]).localeCompare(String(b[by]))));
    return { rows: found, more: { since: ago(days * 86_400) } };
  };
  const holder = (d, v, i) => ({
    device: { id: d.id, name: d.name, os: d.os, last_inventory: d.last_inventory },
    name: v.name,
    version: v.version,
    publisher: v.publisher,
    arch: v.arch,
    since: i % 3 ? ago(86_400 * (1 + (i % 90))) : null,
  });
  /** The ids of the devices that have a program in a range, for the filter of the list of devices. */
  const having = (params) => {
    const ask = new URLSearchParams();
    for (const [to, from] of [
      ["name", "software"],
      ["below", "software_below"],
      ["from", "software_from"],
    ])
      if (params.get(from)) ask.set(to, params.get(from));
    return new Set(holders(ask).rows.map((h) => h.device.id));
  };
  return { list, versions, holders, appeared, having };
}
