// Invented pairs, evidence and the log of merges and splits. Decisions are kept for as long as the server runs.
import { agentOf, ago, id, random } from "./fake-data.mjs";

const WORTH = { key: 100, agent_id: 60, deviceid: 60, uuid: 50, serial: 50, mac: 40, name: 15 };

/** Some devices are spoken for by two agents. */
export function agentsOf(d, n) {
  const own = agentOf(d, n);
  own.quarantine = n % 7 === 2 ? { since: ago(86_400 * 2), by: "ada", reason: "it answers for two machines" } : null;
  own.book_drifted = n % 7 === 2 ? ago(86_400 * 3) : null;
  if (n % 5 !== 0) return [own];
  const foreign = d.agent.protocol !== "muster";
  const second = {
    ...own,
    id: id("a002", n),
    protocol: foreign ? "muster" : "ocs",
    version: foreign ? "0.1.0" : "2.10.2",
    foreign_id: foreign ? null : `${d.name}-2024-02-02-08-00-01`,
    agent_id: null,
    verified: n % 10 !== 0,
    first_contact: ago(86_400 * 19),
    wake: { way: foreign ? "connection" : "none", last: null },
  };
  return [own, second];
}

function evidenceOf(agent, d) {
  const all = [
    agent.protocol === "muster" && ["key", "SHA256:9f3c1ad0774e52b86a0d11ce4f2b97a3"],
    agent.agent_id && ["agent_id", agent.agent_id],
    agent.foreign_id && ["deviceid", agent.foreign_id],
    ["uuid", d.uuid],
    ["serial", d.serial],
    ["mac", d.macs[0]],
    ["name", d.name],
  ].filter(Boolean);
  return all.map(([kind, value]) => ({ kind, value, worth: WORTH[kind] }));
}

const short = (d) =>
  Object.fromEntries(
    ["id", "name", "os", "serial", "uuid", "macs", "agent", "first_seen", "last_inventory", "verified"].map((k) => [k, d[k]]),
  );

function candidate(n, a, b) {
  const r = random(n + 11);
  const clone = n % 7 === 3;
  const other = {
    ...short(b),
    os: r() < 0.8 ? a.os : b.os,
    serial: clone ? b.serial : a.serial,
    macs: clone ? b.macs : a.macs,
    uuid: clone || r() < 0.4 ? b.uuid : a.uuid,
  };
  const point = (kind, same, value, against) => ({
    kind,
    value: same ? value : `${a[kind] ?? value} / ${b[kind] ?? value}`,
    points: same ? WORTH[kind] : against,
    shared: same,
  });
  const evidence = clone
    ? [
        { kind: "deviceid", value: `${a.name}-2026-03-14-09-12-55`, points: 60, shared: true },
        point("uuid", false, a.uuid, -100),
        point("serial", false, a.serial, -60),
      ]
    : [
        point("serial", true, a.serial, -60),
        { kind: "mac", value: a.macs[0], points: 40, shared: true },
        point("uuid", other.uuid === a.uuid, a.uuid, -100),
        { kind: "name", value: `${a.name} / ${b.name}`, points: 0, shared: false },
      ];
  const points = evidence.reduce((sum, e) => sum + e.points, 0);
  const reason = clone
    ? { key: "same_id_other_hardware", params: { id: `${a.name}-2026-03-14-09-12-55` }, text: "Both use one id." }
    : points < 0
      ? { key: "same_hardware_other_host", params: { value: a.serial, points }, text: "Same hardware." }
      : { key: "hardware_alike", params: { points }, text: "Their hardware is alike." };
  const state = n % 9 === 4 ? "dismissed" : n % 9 === 7 ? "merged" : "open";
  const note = state === "dismissed" ? "Two ward terminals with the same placeholder serial number." : null;
  return {
    id: id("e001", n),
    at: ago(3600 * (2 + n * 5)),
    kind: clone ? "clone" : "duplicate",
    devices: [short(a), other],
    points,
    evidence,
    state,
    reason,
    note,
  };
}

function log(d, n, devices) {
  const other = devices[(n + 1) % devices.length];
  const agent = { id: d.agent.id, protocol: d.agent.protocol, foreign_id: `${d.name}-2026-03-14-09-12-55` };
  const [self, gone] = [
    { id: d.id, name: d.name },
    { id: other.id, name: `old-${other.name}` },
  ];
  const by = { key: "by_person", params: { by: "marta.keller" }, text: "marta.keller said so." };
  return [
    {
      id: "l1",
      at: ago(86_400 * 2),
      actor: "marta.keller",
      kind: "merge",
      agents: [agent],
      from: gone,
      to: self,
      reason: by,
      undone: false,
      can_undo: true,
    },
    {
      id: "l2",
      at: ago(86_400 * 9),
      actor: "marta.keller",
      kind: "split",
      agents: [agent],
      from: self,
      to: gone,
      reason: by,
      undone: true,
      can_undo: false,
    },
    {
      id: "l3",
      at: ago(86_400 * 19),
      actor: "system",
      kind: "joined",
      agents: [{ ...agent, protocol: "muster", foreign_id: null }],
      from: null,
      to: self,
      reason: { key: "same_hardware", params: { points: 140 }, text: "Its hardware fits." },
      undone: false,
      can_undo: false,
    },
    {
      id: "l4",
      at: ago(86_400 * 120),
      actor: "system",
      kind: "renamed_agent",
      agents: [agent],
      from: null,
      to: self,
      reason: { key: "old_deviceid", params: { deviceid: `old-${d.name}` }, text: "Its DEVICEID was another." },
      undone: false,
      can_undo: false,
    },
  ];
}

export function identity(devices, index) {
  const size = devices.length;
  const count = size < 2 ? 0 : size < 10 ? 2 : Math.min(900, Math.round(size / 60));
  const all = Array.from({ length: count }, (_, n) => candidate(n, devices[(n * 2) % size], devices[(n * 2 + 1) % size]));
  const many = (params, key) => (params.get(key) ?? "").split(",").filter(Boolean);
  const of = (d) => {
    const agents = agentsOf(d, index.get(d.id));
    return {
      device: { id: d.id, name: d.name },
      agents: agents.map((a) => ({ agent: a, evidence: evidenceOf(a, d) })),
      candidates: all.filter((c) => c.state === "open" && c.devices.some((x) => x.id === d.id)),
      log: log(d, index.get(d.id), devices),
    };
  };
  const list = (params) => {
    const states = many(params, "state").length ? many(params, "state") : ["open"];
    const [kinds, q, device] = [many(params, "kind"), (params.get("q") ?? "").toLowerCase(), params.get("device")];
    const found = all.filter((c) => {
      if (!states.includes(c.state) || (kinds.length && !kinds.includes(c.kind))) return false;
      if (device && !c.devices.some((d) => d.id === device)) return false;
      return !q || c.devices.some((d) => `${d.name} ${d.serial} ${d.macs}`.toLowerCase().includes(q));
    });
    const sort = params.get("sort") ?? "-points";
    const sign = sort.startsWith("-") ? -1 : 1;
    found.sort((a, b) => sign * (sort.endsWith("at") ? a.at.localeCompare(b.at) : a.points - b.points));
    return found;
  };
  const decide = (key, state, note) => Object.assign(all.find((c) => c.id === key) ?? all[0], { state, note: note ?? null });
  const merged = (ids) => {
    for (const c of all) if (c.state === "open" && c.devices.every((d) => ids.includes(d.id))) c.state = "merged";
  };
  return { of, list, one: (key) => all.find((c) => c.id === key), decide, merged };
}
