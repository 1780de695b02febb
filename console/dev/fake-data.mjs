// An invented fleet for looking at the console: names, machines, tasks and runs that never existed. Seeded, so that two
// pictures of the same screen are equal.

export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const STATES = ["ok", "running", "started", "prepared", "unknown", "expired", "cancelled", "skipped", "error"];
const PROTOCOLS = [
  ["muster", ["0.1.0"], 0.42],
  ["glpi", ["1.11", "1.14", "1.15"], 0.28],
  ["fusioninventory", ["2.6", "2.5.2"], 0.2],
  ["ocs", ["2.10.2", "2.9.0"], 0.1],
];
const SYSTEMS = [
  ["linux", ["Debian GNU/Linux 13 (trixie)", "Ubuntu 24.04.3 LTS", "Fedora Linux 43 (Workstation Edition)", "Rocky Linux 9.6"]],
  ["windows", ["Microsoft Windows 11 Pro", "Microsoft Windows 10 Enterprise LTSC", "Microsoft Windows Server 2022 Standard"]],
  ["macos", ["macOS 15.6 Sequoia"]],
];
const MAKES = [
  ["Dell Inc.", ["Latitude 5450", "OptiPlex 7020", "Precision 3680"]],
  ["LENOVO", ["ThinkPad T14 Gen 5", "ThinkCentre M75q Gen 5"]],
  ["HP", ["EliteBook 845 G11", "ProDesk 405 G8"]],
  ["FUJITSU", ["ESPRIMO D7012"]],
  ["Apple Inc.", ["MacBookPro18,3"]],
];
const SITES = ["lyo", "par", "mad", "lis", "gva", "ham"];
const ROOMS = ["ward", "lab", "desk", "kiosk", "srv", "class"];
const CPUS = ["Intel(R) Core(TM) Ultra 5 125U", "AMD Ryzen 5 PRO 8540U", "Intel(R) Core(TM) i5-13500", "AMD EPYC 9124", "Apple M4"];

export const NOW = Date.now();
export const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const hex = (n, width) => Math.floor(n).toString(16).padStart(width, "0");
const id = (kind, n) => `019a${kind}-${hex(n, 4).slice(-4)}-7${hex(n >> 4, 3).slice(-3)}-8a1b-${hex(n * 7919 + 17, 12).slice(-12)}`;

function pick(r, list) {
  return list[Math.floor(r() * list.length)];
}
function weighted(r, list) {
  let x = r();
  for (const entry of list) {
    x -= entry[2];
    if (x < 0) return entry;
  }
  return list[0];
}

export function device(n) {
  const r = random(n * 977 + 3);
  const [protocol, versions] = weighted(r, PROTOCOLS);
  const x = r();
  const [family, systems] = SYSTEMS[x < 0.45 ? 0 : x < 0.93 ? 1 : 2];
  const make = family === "macos" ? MAKES[4] : MAKES[Math.floor(r() * 4)];
  const site = pick(r, SITES);
  const room = family === "linux" && r() < 0.4 ? "srv" : pick(r, ROOMS);
  const online = r() < 0.86;
  const contact = ago(online ? r() * 3600 : 3600 * (2 + r() * 900));
  const mac = `3c:52:82:${hex(r() * 256, 2)}:${hex(r() * 256, 2)}:${hex(r() * 256, 2)}`;
  const ip = `10.${20 + SITES.indexOf(site)}.${Math.floor(r() * 250)}.${1 + Math.floor(r() * 250)}`;
  return {
    id: id("d001", n),
    name: `${room}-${site}-${String(n + 1).padStart(5, "0")}`,
    org: "default",
    agent: { id: id("a001", n), protocol, version: pick(r, versions), last_contact: contact, online },
    os: pick(r, systems),
    os_family: family,
    manufacturer: make[0],
    model: pick(r, make[1]),
    serial: `${hex(r() * 2 ** 28, 7)}`.toUpperCase(),
    uuid: `4c4c4544-${hex(r() * 65536, 4)}-${hex(r() * 65536, 4)}-80${hex(r() * 256, 2)}-${hex(r() * 2 ** 48, 12)}`,
    ips: r() < 0.3 ? [ip, `fe80::${hex(r() * 65536, 4)}:${hex(r() * 65536, 4)}`] : [ip],
    macs: [mac],
    tag: r() < 0.7 ? site : null,
    notes: n % 50 === 0 ? "Spare battery in the drawer." : null,
    first_seen: ago(86400 * (20 + r() * 600)),
    last_inventory: r() < 0.98 ? ago(r() * 90000) : null,
    verified: r() < 0.97,
    memory_mb: pick(r, [7800, 15900, 32100, 64200]),
    cpu: family === "macos" ? CPUS[4] : CPUS[Math.floor(r() * 4)],
    software_count: Math.floor(240 + r() * 2200),
    findings: r() < 0.05 ? 1 : 0,
    version: 3,
  };
}

export function agentOf(d, n) {
  const r = random(n + 99);
  const outcome = pick(r, ["ok", "ok", "ok", "refused", "timeout", "busy"]);
  const way = d.agent.protocol === "muster" ? "connection" : d.agent.protocol === "ocs" ? "none" : "http";
  return {
    id: d.agent.id,
    org: d.org,
    device: { id: d.id, name: d.name },
    protocol: d.agent.protocol,
    version: d.agent.version,
    foreign_id: d.agent.protocol === "muster" ? null : `${d.name}-2026-03-14-09-12-55`,
    agent_id: d.agent.protocol === "glpi" ? d.uuid : null,
    modules: d.agent.protocol === "ocs" ? ["inventory"] : ["inventory", "netdiscovery"],
    verified: d.verified,
    first_contact: d.first_seen,
    last_contact: d.agent.last_contact,
    online: d.agent.online,
    address: d.ips[0],
    port: way === "http" ? 62354 : null,
    incarnation: 1,
    next_contact: d.agent.online ? ago(-r() * 3600) : null,
    wake: {
      way,
      last: way === "http" ? { at: ago(r() * 86400), outcome, detail: outcome === "refused" ? "connection refused" : null } : null,
    },
  };
}

const PROGRAMS = [
  "firefox",
  "libreoffice-core",
  "openssl",
  "bash",
  "curl",
  "git",
  "vim",
  "python3",
  "systemd",
  "openssh-server",
  "cups",
  "chromium",
];

export function sections(d) {
  const r = random(d.serial.length + d.software_count);
  const softwares = Array.from({ length: d.software_count }, (_, i) => ({
    name: i < PROGRAMS.length ? PROGRAMS[i] : `lib${pick(r, PROGRAMS)}-${i}`,
    version: `${Math.floor(r() * 9)}.${Math.floor(r() * 30)}.${Math.floor(r() * 20)}-${1 + Math.floor(r() * 5)}`,
    publisher: pick(r, ["Debian Maintainers", "Mozilla", "The Document Foundation", "Microsoft Corporation"]),
    arch: pick(r, ["x86_64", "noarch"]),
    from: d.os_family === "windows" ? "registry" : "deb",
    filesize: Math.floor(r() * 9e7),
    install_date: ago(r() * 3e7).slice(0, 10),
  }));
  return {
    hardware: {
      name: d.name,
      uuid: d.uuid,
      memory: d.memory_mb,
      swap: 4096,
      chassis_type: "Notebook",
      vmsystem: "Physical",
      defaultgateway: "10.20.0.1",
      dns: "10.20.0.2/10.20.0.3",
      lastloggeduser: "m.keller",
    },
    bios: {
      smanufacturer: d.manufacturer,
      smodel: d.model,
      ssn: d.serial,
      bmanufacturer: d.manufacturer,
      bversion: "1.18.2",
      bdate: "2026-02-11",
      mmodel: "07TYC2",
      assettag: "A-20411",
    },
    operatingsystem: {
      full_name: d.os,
      name: d.os.split(" ")[0],
      kernel_name: d.os_family,
      kernel_version: "6.12.48-amd64",
      arch: "x86_64",
      boot_time: "2026-11-18 07:02:11",
      fqdn: `${d.name}.example.org`,
      install_date: "2025-08-12",
    },
    cpus: [{ name: d.cpu, manufacturer: "Intel", core: 10, thread: 12, speed: 2300, arch: "x86_64", familyname: "Core" }],
    memories: [0, 1].map((i) => ({
      caption: `DIMM ${i}`,
      capacity: Math.round(d.memory_mb / 2),
      type: "DDR5",
      speed: "5600",
      manufacturer: "Samsung",
      serialnumber: `0${i}8842`,
      numslots: i + 1,
    })),
    storages: [
      {
        name: "nvme0n1",
        model: "SAMSUNG MZVL4512HBLU",
        manufacturer: "Samsung",
        disksize: 512110,
        firmware: "GXA7401Q",
        serial: "S676NF0R",
        type: "disk",
        interface: "NVME",
      },
    ],
    drives: [
      {
        volumn: "/dev/mapper/root",
        type: "/",
        filesystem: "ext4",
        total: 240189,
        free: 91683,
        encrypt_name: "LUKS2",
        encrypt_status: "Yes",
      },
      {
        volumn: "/dev/mapper/home",
        type: "/home",
        filesystem: "ext4",
        total: 230189,
        free: 21683,
        encrypt_name: "LUKS2",
        encrypt_status: "Yes",
      },
    ],
    networks: [
      {
        description: "enp0s31f6",
        ipaddress: d.ips[0],
        ipmask: "255.255.0.0",
        ipsubnet: "10.20.0.0",
        ipgateway: "10.20.0.1",
        mac: d.macs[0],
        status: "up",
        type: "ethernet",
        speed: 1000,
        driver: "e1000e",
        virtualdev: false,
      },
      { description: "wlp0s20f3", mac: "a0:51:0b:11:22:33", status: "down", type: "wifi", virtualdev: false, driver: "iwlwifi" },
      { description: "lo", ipaddress: "127.0.0.1", ipmask: "255.0.0.0", status: "up", type: "loopback", virtualdev: true },
    ],
    users: [{ login: "m.keller", domain: "EXAMPLE" }, { login: "root" }],
    monitors: [{ caption: "DELL P2723DE", manufacturer: "Dell", serial: "7XJ21G3", description: "12/2024" }],
    printers: [{ name: "Floor 2", driver: "HP LaserJet M611", port: "ipp://10.20.0.9", network: true }],
    softwares,
  };
}

export const zero = () => Object.fromEntries(STATES.map((s) => [s, 0]));
export { id };
