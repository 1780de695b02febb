// An invented task that a pool does, its run, slices and shares.
import { zero } from "./fake-data.mjs";

export const POOL_TASK = "019ab001-0009-7000-8a1b-000000000011";
export const POOL_RUN = "019ac001-0009-7000-8a1b-000000000011";

const doc = {
  name: "Who answers in the branches",
  description: "Before the migration: which addresses take SSH or HTTPS.",
  labels: ["network"],
  targets: { ip_ranges: ["10.4.0.0/20", "10.9.1.5-10.9.1.90"], exclude: { ip_ranges: ["10.4.0.1"] } },
  actors: { pool: { selector: { groups: ["Kiosks"] }, max: 10 } },
  delivery: "pull",
  priority: 5,
  retry: { attempts: 3, backoff: "30s", on: ["error", "unknown"] },
  steps: [{ id: "check", action: { type: "check_addresses", ports: [22, 443] } }],
};

export const poolTask = (task) => ({ ...task, id: POOL_TASK, doc, yaml: JSON.stringify(doc, null, 1), runs: 1 });

export function poolRun(run) {
  const counts = { ...zero(), ok: 61, running: 9, prepared: 17, error: 1 };
  return {
    ...run,
    id: POOL_RUN,
    number: 431,
    task: { id: POOL_TASK, name: doc.name, version: 2 },
    state: "running",
    counts,
    targeted: 88,
    addresses: 4_181,
    steps: [{ id: "check", action: "check_addresses", scope: "client", counts }],
    mode: "client_job",
    is_job: false,
    progress: 0.7,
    delivery: "pull",
    waves: [],
    not_after: null,
    forecast: null,
  };
}

/** An assignment of that run, as one of a machine would be. */
export function sliced(a, d, n) {
  const state = ["ok", "ok", "running", "prepared", "error"][n % 5];
  const first = n * 32;
  const at = (m) => `10.4.${Math.floor(m / 256)}.${m % 256}`;
  const waits = {
    key: "pool_next",
    params: { members: 12, online: 10, working: 9, most: 10 },
    text: "The next agent of the pool that is free takes it.",
    ends: { key: "one_is_free", params: {}, text: "An agent of the pool asks for its next slice." },
  };
  return {
    ...a,
    id: `${POOL_RUN}.${n}`,
    run: POOL_RUN,
    task: { id: POOL_TASK, name: doc.name },
    step: "check",
    device: null,
    state,
    slice: `${at(first)}-${at(first + 31)}`,
    actor: state === "prepared" ? null : { agent: d.agent.id, protocol: "muster", device: { id: d.id, name: d.name } },
    reason: state === "prepared" ? waits : a.reason,
    exit_code: null,
    output: state === "ok" ? `${at(first + 3)}: 22, 443\n${at(first + 9)}: 443\n` : null,
  };
}

const standing = { members: 12, online: 10, working: 9, max: 10 };

export function pool(devices) {
  const part = (slices, addresses) => ({ slices, addresses });
  const shares = devices.slice(0, 10).map((d, n) => ({
    agent: d.agent.id,
    device: n === 7 ? null : { id: d.id, name: d.name },
    done: part(7 - Math.floor(n / 3), 352 - n * 23),
    failed: n === 4 ? part(1, 16) : part(0, 0),
    working: n === 9 ? part(0, 0) : part(1, 48 - n),
  }));
  return { ...standing, slices: 88, addresses: 4_181, shares };
}

export const poolPreview = (preview) => ({
  ...preview,
  count: 4_181,
  needs_count: true,
  needs_approval: false,
  approval: null,
  forecast: null,
  targets: [],
  waves: [],
  unable: [],
  excluded: [],
  pool: { ...standing, working: 0, slices: 88, near: 40 },
});
