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
  ["Browser update", { devices: [id("d001", 1), id("d001", 4), id("d001", 9)] }, "pull", ["audit"], ""],
];

const SCRIPT = { type: "run_script", script: "true" };
/** The steps of those tasks that are jobs. */
const JOBS = {
  2: {
    mode: "server_job",
    steps: [
      { id: "wake", action: { type: "wake_agents" } },
      { id: "look", action: { type: "inventory" }, timeout: "10m", barrier: { quorum: "90%", deadline: "2h", stragglers: "drop" } },
      { id: "tell", action: { type: "raise_message", title: "{{steps.look.state}}" }, when: "steps.look.counts.error > 5" },
      { id: "restart", action: { type: "power_control", do: "restart" }, on_error: "continue" },
      { id: "done", action: { type: "send_email", to: ["it@example.org"], subject: "Kiosks are done" } },
    ],
  },
  4: {
    steps: [
      { id: "ask", action: SCRIPT, outputs: { version: "regex(Firefox ([0-9]+))" }, timeout: "2m" },
      {
        id: "install",
        action: { ...SCRIPT, arguments: ["{{steps.ask.version}}"] },
        when: 'steps.ask.outputs.version < 140 && device.os.family == "linux"',
        on_error: { run: "tidy", max: 2 },
      },
      { id: "tidy", action: SCRIPT },
      { id: "report", action: { type: "inventory" } },
    ],
  },
};
const ONE = [{ id: "inventory", action: { type: "inventory" }, timeout: "10m" }];
const isServers = (step) => ["wake_agents", "raise_message", "send_email"].includes(step.action.type);
const stepsOf = (task) => JOBS[task]?.steps ?? ONE;

/** What the steps of a run came to; of a job fewer at each step. */
function stepCounts(task, counts, targeted) {
  return stepsOf(task).map((step, n) => {
    const scope = isServers(step) ? "server" : "client";
    const mine = scope === "server" ? { ...zero(), [n === 2 ? "skipped" : "ok"]: 1 } : { ...counts };
    if (n === 2 && scope === "client")
      Object.assign(mine, zero(), { ok: Math.round(targeted / 20), skipped: targeted - Math.round(targeted / 20) });
    return { id: step.id, action: step.action.type, scope, counts: mine };
  });
}

/** The targets of a run of several steps. */
export function targetsOf(run, devices) {
  const steps = run.steps.filter((s) => s.scope === "client").map((s) => s.id);
  const states = STATES.flatMap((state) => Array.from({ length: Math.min(40, run.counts[state] ?? 0) }, () => state));
  return states.map((state, n) => {
    const at = n % steps.length;
    const result = (s, i) => [
      s,
      { state: i < at || state === "ok" ? (i === 2 ? "skipped" : "ok") : state, exit_code: i === at ? 1 : 0, outputs: {} },
    ];
    const reached = OPEN.includes(state) ? steps.slice(0, at) : steps.slice(0, state === "ok" ? undefined : at + 1);
    const d = devices[n % devices.length];
    return {
      device: { id: d.id, name: d.name },
      state: state === "started" ? "running" : state,
      step: state === "prepared" ? null : steps[state === "ok" ? steps.length - 1 : at],
      round: 1 + (n % 7 === 0 ? 1 : 0),
      steps: Object.fromEntries(reached.map(result)),
      updated: ago(60 * n),
    };
  });
}

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
  return shares.map(([state0, verdict, parts, targeted], n) => {
    const state = n === 1 ? "halted" : state0;
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
      addresses: null,
      created: ago(3600 * (n + 0.3)),
      started: state === "waiting" ? null : ago(3600 * (n + 0.2)),
      ended,
      started_by: n % 3 ? "admin" : null,
      steps: stepCounts(task, counts, targeted),
      mode: JOBS[task]?.mode ?? "client_job",
      is_job: task in JOBS,
      progress: state === "finished" ? 1 : 0.6,
      delivery: TASKS[task][2],
      cancel_requested: false,
      paused: false,
      nominal: null,
      not_before: null,
      not_after: task === 0 ? new Date(Date.now() + 7_200_000).toISOString() : null,
      in_flight_max: null,
      waves:
        n === 1
          ? [
              { targets: 5, state: "over" },
              { targets: 98, state: "now" },
              { targets: 309, state: "ahead" },
            ]
          : [],
      gate_at: null,
      halted: n === 1,
      halt_on_error_rate: n === 1 ? "5%" : null,
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
    ...(JOBS[n]?.mode ? { mode: JOBS[n].mode } : {}),
    steps: stepsOf(n),
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
    schedule_off: null,
  };
}

export function assignmentOf(run, d, n, state) {
  const started = state === "prepared" ? null : ago(1200 - (n % 900));
  const final = !OPEN.includes(state);
  return {
    id: `${run.id}.${n}`,
    run: run.id,
    task: { id: run.task.id, name: run.task.name },
    step: run.steps[run.steps.length > 1 ? 1 : 0].id,
    device: { id: d.id, name: d.name },
    actor: started ? { agent: d.agent.id, protocol: d.agent.protocol, device: { id: d.id, name: d.name } } : null,
    state,
    attempt: started ? 1 + (n % 2) : 0,
    attempts_max: 3,
    round: 1,
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
