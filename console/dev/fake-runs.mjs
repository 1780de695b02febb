// Invented tasks, their runs and assignments.
import { ago, id, STATES, zero } from "./fake-data.mjs";

export const OPEN = ["running", "started", "prepared"];

const REASONS = {
  waiting: (d) => ({
    key: "waiting_for_contact",
    params: { last_contact: d.agent.last_contact, next_contact: ago(-900) },
    text: "It waits for the machine's next contact.",
    ends: { key: "next_contact", params: { next_contact: ago(-900) }, text: "The next contact." },
  }),
  silent: (d) => ({
    key: "agent_silent",
    params: { last_contact: d.agent.last_contact },
    text: "The agent has been silent.",
    ends: { key: "agent_contact", params: {}, text: "A contact of the agent." },
  }),
  refused: (d) => ({
    key: "wake_refused",
    params: { address: `${d.ips[0]}:62354`, detail: "connection refused" },
    text: "The agent's port refused the connection.",
    ends: { key: "next_contact", params: { next_contact: ago(-900) }, text: "The next contact." },
  }),
  leased: (d) => ({
    key: "leased",
    params: { agent: d.name, until: ago(-240) },
    text: "An agent holds it.",
    ends: { key: "report", params: {}, text: "The agent's report." },
  }),
  retry: () => ({
    key: "retry",
    params: { attempt: 2, of: 3, at: ago(-30) },
    text: "It will be tried again.",
    ends: { key: "time", params: { at: ago(-30) }, text: "The time of the next attempt." },
  }),
  done: (state) => ({
    key: "done",
    params: { state },
    text: "It is over.",
    ends: { key: "nothing", params: {}, text: "Nothing: it is over." },
  }),
};

export function reasonOf(state, d, n) {
  if (state === "prepared") return REASONS[["waiting", "silent", "refused", "retry"][n % 4]](d);
  if (state === "started" || state === "running") return REASONS.leased(d);
  return REASONS.done(state);
}

function spread(total, shares) {
  const counts = zero();
  let left = total;
  for (const [state, share] of shares) {
    counts[state] = Math.min(left, Math.round(total * share));
    left -= counts[state];
  }
  counts[shares[0][0]] += left;
  return counts;
}

export const TASKS = [
  ["Inventory of the whole fleet", { all: true }, "push", ["nightly"], "Every machine reports once more before the weekly report."],
  ["Inventory of servers", { query: 'name.startsWith("srv-")' }, "pull", ["servers"], ""],
  ["Kiosks in Lyon", { query: 'tag == "lyo" && name.startsWith("kiosk-")', exclude: { tags: ["spare"] } }, "push", ["kiosk", "lyo"], ""],
  ["Machines short of memory", { query: "memory_mb < 8000" }, "pull", [], "Which of them still need a second module?"],
  ["Audit sample of November", { devices: [id("d001", 1), id("d001", 4), id("d001", 9)] }, "pull", ["audit"], ""],
];

const yamlOf = (doc) =>
  `name: ${doc.name}\n${doc.description ? `description: ${doc.description}\n` : ""}targets: ${JSON.stringify(doc.targets)}\ndelivery: ${doc.delivery}\nsteps:\n  - id: inventory\n    action: { type: inventory }\n    timeout: 10m\n`;

export function makeRuns(count) {
  const shares = [
    [
      "running",
      null,
      [
        ["prepared", 0.34],
        ["ok", 0.55],
        ["running", 0.05],
        ["started", 0.03],
        ["error", 0.02],
        ["unknown", 0.01],
      ],
      count,
    ],
    [
      "running",
      null,
      [
        ["ok", 0.9],
        ["running", 0.07],
        ["error", 0.03],
      ],
      412,
    ],
    ["waiting", null, [["prepared", 1]], 38],
    ["finished", "ok", [["ok", 1]], 3],
    [
      "finished",
      "partial",
      [
        ["ok", 0.94],
        ["error", 0.04],
        ["unknown", 0.02],
      ],
      1204,
    ],
    ["finished", "ok", [["ok", 1]], 412],
    [
      "finished",
      "error",
      [
        ["error", 0.7],
        ["ok", 0.3],
      ],
      20,
    ],
    [
      "finished",
      "cancelled",
      [
        ["cancelled", 0.6],
        ["ok", 0.4],
      ],
      count,
    ],
    [
      "finished",
      "ok",
      [
        ["ok", 0.97],
        ["expired", 0.02],
        ["skipped", 0.01],
      ],
      880,
    ],
  ];
  return shares.map(([state, verdict, parts, targeted], n) => {
    const task = n % TASKS.length;
    const counts = spread(targeted, parts);
    const ended = state === "finished" ? ago(3600 * n) : null;
    return {
      id: id("c001", n),
      number: 418 - n,
      task: { id: id("b001", task), name: TASKS[task][0], version: 2 },
      state,
      verdict,
      counts,
      targeted,
      created: ago(3600 * (n + 0.3)),
      started: state === "waiting" ? null : ago(3600 * (n + 0.2)),
      ended,
      started_by: n % 3 ? "admin" : null,
      steps: [{ id: "inventory", action: "inventory", counts }],
      progress: state === "finished" ? 1 : 0.6,
      delivery: TASKS[task][2],
      cancel_requested: false,
      paused: false,
      nominal: null,
      not_before: null,
      not_after: task === 0 ? new Date(Date.now() + 7_200_000).toISOString() : null,
      in_flight_max: null,
      handed_out_late: 0,
      forecast:
        state === "finished" ? null : { ends: new Date(Date.now() + 5_400_000).toISOString(), late: 12, absent: 231, measured: 500 },
    };
  });
}

export function makeTask(n, runs) {
  const [name, targets, delivery, labels, description] = TASKS[n];
  const doc = {
    name,
    ...(description ? { description } : {}),
    labels,
    targets,
    ...(n < 2
      ? { schedule: { cron: n ? "0 2 * * 1-5" : "0 0 * * *", zone: n ? "Europe/Paris" : "device" }, window: { not_after: "06:00" } }
      : {}),
    delivery,
    priority: 5,
    retry: { attempts: 3, backoff: "30s", on: ["unknown"] },
    steps: [{ id: "inventory", action: { type: "inventory" }, timeout: "10m" }],
  };
  const own = runs.filter((r) => r.task.id === id("b001", n));
  return {
    id: id("b001", n),
    org: "default",
    version: 2,
    doc,
    yaml: yamlOf(doc),
    created: ago(86400 * 40),
    updated: ago(86400 * (n + 1)),
    author: "admin",
    last_run: own[0] ?? null,
    runs: own.length,
    targets_max: n === 0 ? 5000 : null,
  };
}

export function assignmentOf(run, d, n, state) {
  const started = state === "prepared" ? null : ago(1200 - (n % 900));
  const final = !OPEN.includes(state);
  return {
    id: `${run.id}.${n}`,
    run: run.id,
    task: { id: run.task.id, name: run.task.name },
    step: "inventory",
    device: { id: d.id, name: d.name },
    actor: started ? { agent: d.agent.id, protocol: d.agent.protocol } : null,
    state,
    attempt: started ? 1 + (n % 2) : 0,
    attempts_max: 3,
    slice: null,
    created: run.created,
    started,
    ended: final ? ago(600 - (n % 500)) : null,
    updated: ago(n % 700),
    reason: reasonOf(state, d, n),
    exit_code: final ? (state === "ok" ? 0 : state === "error" ? 2 : null) : null,
    output: final
      ? state === "error"
        ? "inventory: cannot read /sys/class/dmi/id: permission denied"
        : `inventory taken, ${d.software_count} programs, 0.4 s`
      : null,
    output_truncated: false,
    cancel_requested: false,
  };
}

export function* assignmentsOf(run, devices, states) {
  let n = 0;
  for (const state of STATES) {
    for (let i = 0; i < run.counts[state]; i++, n++) {
      if (states.length === 0 || states.includes(state)) yield assignmentOf(run, devices[n % devices.length], n, state);
    }
  }
}
