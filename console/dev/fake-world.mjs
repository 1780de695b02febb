// What the fake server answers.

import { readFileSync } from "node:fs";
import { csvOf } from "./fake-csv.mjs";
import { agentOf, ago, device, random, sections } from "./fake-data.mjs";
import { compared, filtered, fleetChanges, historyOf } from "./fake-history.mjs";
import { agentsOf, identity } from "./fake-identity.mjs";
import { plan } from "./fake-plan.mjs";
import { POOL_RUN, POOL_TASK, pool, poolPreview, poolRun, poolTask, sliced } from "./fake-pools.mjs";
import { reports } from "./fake-reports.mjs";
import { assignmentOf, assignmentsOf, makeRuns, makeTask, OPEN, reasonOf, TASKS, targetsOf } from "./fake-runs.mjs";
import { software } from "./fake-software.mjs";
import { ahead, calendar, makeMessages, occurrences } from "./fake-time.mjs";

const ACTIONS = JSON.parse(readFileSync(new URL("../../docs/actions.json", import.meta.url), "utf8"));

function page(all, params, more = {}) {
  const from = Number(params.get("cursor") ?? 0);
  const limit = Number(params.get("limit") ?? 50);
  const items = all.slice(from, from + limit);
  return { body: { items, next: from + limit < all.length ? String(from + limit) : null, total: all.length, ...more } };
}

const many = (params, key) => (params.get(key) ?? "").split(",").filter(Boolean);

function filterDevices(devices, params, having) {
  const q = (params.get("q") ?? "").toLowerCase();
  const protocol = many(params, "protocol");
  const family = many(params, "os_family");
  const found = devices.filter((d) => {
    if (having && !having.has(d.id)) return false;
    if (q && ![d.name, d.serial, d.model, d.ips[0]].some((v) => v.toLowerCase().includes(q))) return false;
    if (protocol.length && !protocol.includes(d.agent.protocol)) return false;
    if (family.length && !family.includes(d.os_family)) return false;
    if (params.get("online") && String(d.agent.online) !== params.get("online")) return false;
    if (params.get("verified") && String(d.verified) !== params.get("verified")) return false;
    if (params.get("tag") && d.tag !== params.get("tag")) return false;
    return true;
  });
  const sort = params.get("sort");
  if (!sort) return found;
  const by = sort.replace("-", "");
  const value = (d) => (by === "last_contact" ? d.agent.last_contact : d[by]) ?? "";
  const sign = sort.startsWith("-") ? -1 : 1;
  return found.toSorted((a, b) => sign * String(value(a)).localeCompare(String(value(b))));
}

function detail(d, n) {
  const all = sections(d);
  return {
    ...d,
    agents: agentsOf(d, n),
    sections: Object.entries(all).map(([name, v], i) => ({
      name,
      count: Array.isArray(v) ? v.length : 1,
      changed_at: ago(86400 * (i + 1)),
      source: d.agent.id,
    })),
    open_assignments: 1,
    evidence: [
      { kind: "uuid", value: d.uuid },
      { kind: "serial", value: d.serial },
      { kind: "mac", value: d.macs[0] },
      { kind: "deviceid", value: `${d.name}-2026-03-14-09-12-55` },
    ],
    finding_list: [
      { kind: "truncated", detail: "The report ended at byte 262144, within <SOFTWARES>.", at: ago(7400) },
      { kind: "encoding", detail: "12 bytes were no UTF-8 and were read as Windows-1252.", at: ago(86000) },
    ],
  };
}

function overview(devices, runs) {
  const r = random(7);
  const hours = Array.from({ length: 24 }, (_, i) => {
    const ok = Math.round(200 + 900 * Math.abs(Math.sin(i / 4)) * r());
    return { at: ago((24 - i) * 3600), started: ok + 40, ok, error: Math.round(ok * 0.04 * r()), unknown: Math.round(ok * 0.03 * r()) };
  });
  return {
    running: 2,
    waiting: runs[0].counts.prepared + 38,
    late: 2,
    failing: 1,
    devices: devices.length,
    online: devices.filter((d) => d.agent.online).length,
    unverified: devices.filter((d) => !d.verified).length,
    scheduler_lag_ms: 312,
    intake_per_second: 27.4,
    unread: 4,
    runs: runs.filter((x) => x.state !== "finished"),
    recent: runs.filter((x) => x.state === "finished"),
    needs: [
      {
        key: "occurrence_held",
        params: { task: "Inventory of the whole fleet", at: ago(9 * 3600) },
        text: "It waits for a person.",
        link: `/tasks/${runs[0].task.id}?tab=occurrences`,
      },
      { key: "unverified_devices", params: { count: 14 }, text: "14 machines are not verified.", link: "/machines?verified=false" },
      { key: "silent_devices", params: { count: 231 }, text: "231 machines have been silent.", link: "/machines?online=false" },
      {
        key: "failing_task",
        params: { task: "Audit sample of November" },
        text: "The last run of 'Audit sample of November' failed.",
        link: "/runs",
      },
    ],
    hours,
  };
}

/** What every bulk act on the whole queue would change. */
const QUEUED = 1234;

export function world(size) {
  const devices = Array.from({ length: size }, (_, n) => device(n));
  const index = new Map(devices.map((d, n) => [d.id, n]));
  const programs = software(devices);
  const known = identity(devices, index);
  const changes = fleetChanges(devices);
  const having = (params) => (params.get("software") ? programs.having(params) : null);
  const runs = makeRuns(Math.max(20, size));
  const groups = ["Workstations of Lyon", "Kiosks", "Servers that never sleep"].map((name, n) => ({
    id: `019af001-000${n}-7000-8a1b-000000000011`,
    name,
    description: n === 1 ? "Tills and screens in shops; nothing may restart during the day." : "",
    kind: n === 2 ? "dynamic" : "static",
    query: n === 2 ? 'os_family == "linux" && name.startsWith("srv-")' : null,
    refreshing: false,
    count: [412, 96, 7][n],
    version: 1,
    created: ago(86400 * 30),
    updated: ago(3600 * (n + 1)),
  }));
  const messages = makeMessages(runs);
  const tasks = TASKS.map((_, n) => makeTask(n, runs));
  tasks.push(poolTask(tasks[0]));
  runs.push(poolRun(runs[0]));
  const preview = () => {
    const by = (f) => {
      const counts = {};
      for (const d of devices) counts[f(d)] = (counts[f(d)] ?? 0) + 1;
      return counts;
    };
    const few = devices.slice(0, 100);
    return {
      count: size,
      plan: "plan_1",
      forecast: { ends: new Date(Date.now() + 5_400_000).toISOString(), late: 12, absent: 231, measured: 500 },
      guard: 100,
      needs_count: size > 100,
      needs_approval: size > 1000,
      approval:
        size > 1000
          ? {
              id: "a1",
              task: { id: tasks[0].id, name: tasks[0].doc.name },
              version: 3,
              author: "marta.keller",
              plan: "plan_1",
              count: size,
              asked_by: "marta.keller",
              asked: ago(1800),
              note: "Patch day; agreed with the site in Lyon.",
              state: "asked",
              decision: null,
              valid_until: null,
              run: null,
            }
          : null,
      by_protocol: by((d) => d.agent.protocol),
      by_os: by((d) => d.os_family),
      online: devices.filter((d) => d.agent.online).length,
      targets: few.map((d, n) => ({ device: { id: d.id, name: d.name }, agent: d.agent, reason: reasonOf("prepared", d, n) })),
      waves: size > 100 ? [Math.ceil(size / 100), Math.ceil(size / 4) - Math.ceil(size / 100), size - Math.ceil(size / 4)] : [],
      unable: [{ step: "install", action: "run_script", count: 212 }],
      not_stopped: Math.floor(size / 3),
      no_output: Math.floor(size / 9),
      excluded: [
        {
          reason: { key: "not_verified", params: {}, text: "not verified", ends: { key: "verify", params: {}, text: "verify" } },
          count: 14,
        },
        { reason: { key: "no_agent", params: {}, text: "no agent", ends: { key: "x", params: {}, text: "x" } }, count: 3 },
      ],
    };
  };
  const slices = (all) =>
    Array.from({ length: 88 }, (_, n) => sliced(assignmentOf(runs[0], all[n % all.length], n, "ok"), all[n % all.length], n));
  const assignment = (full) => {
    const [runId, n] = full.split(".");
    const run = runs.find((x) => x.id === runId) ?? runs[0];
    if (runId === POOL_RUN) return slices(devices)[Number(n)];
    return [...assignmentsOf(run, devices, [])][Number(n)] ?? [...assignmentsOf(run, devices, [])][0];
  };
  const me = {
    user: { id: "u1", name: "admin", role: "admin", org: null },
    orgs: [
      { id: "o1", name: "default" },
      { id: "o2", name: "Clinique du Rhône" },
    ],
    csrf: "c",
    version: "0.1.0",
    server_time: ago(0),
    must_change_password: false,
  };
  const people = [
    { id: "u1", name: "admin", role: "admin", org: null, created: ago(9e6), last_login: ago(60), disabled: false },
    { id: "u2", name: "marta.keller", role: "operator", org: "default", created: ago(5e6), last_login: ago(86400), disabled: false },
    { id: "u3", name: "night.shift", role: "viewer", org: "default", created: ago(4e6), last_login: null, disabled: true },
  ];
  const tokens = [
    { id: "k1", name: "nightly report", role: "viewer", org: "default", created: ago(3e6), last_used: ago(7200), expires: null },
    { id: "k2", name: "provisioning", role: "operator", org: null, created: ago(2e6), last_used: null, expires: ago(-9e6) },
  ];
  const credentials = [{ id: "c1", name: "site lyon", org: "default", verified: true, created: ago(9e5) }];
  const joins = [{ id: "j1", name: "new laptops", org: "default", uses_left: 50, expires: ago(-6e5), created: ago(8e5), used: 12 }];
  const audit = Array.from({ length: 40 }, (_, n) => ({
    id: `e${n}`,
    at: ago(n * 5000),
    actor: n % 3 ? "admin" : "marta.keller",
    verb: ["task.create", "run.start", "device.update", "session.create"][n % 4],
    object: {
      kind: ["task", "run", "device", "user"][n % 4],
      id: devices[n % size].id,
      name: ["Inventory of servers", "#418", devices[n % size].name, "admin"][n % 4],
    },
    before: n % 4 === 2 ? { tag: "lyo" } : null,
    after: n % 4 === 2 ? { tag: "par" } : null,
    request_id: `req_${n}`,
  }));
  const settings = {
    inventory_every: "24h",
    contact_every: "1h",
    size_guard: 100,
    approve_above: 1000,
    in_flight_per_agent: 4,
    in_flight: 0,
    agent_auth: "off",
    zone: "Europe/Paris",
    offline_after: "2h",
    wake_enabled: true,
    verify_new_agents: false,
    verify_networks: ["10.20.0.0/16"],
    new_agents_per_source_max: 50,
  };
  const events = () => [
    { id: "v1", at: ago(1300), kind: "made", assignment: null, device: null, attempt: null, data: { targeted: size } },
    ...devices.slice(0, 30).map((d, n) => ({
      id: `v${n + 2}`,
      at: ago(1200 - n * 20),
      kind: ["started", "running", "ok", "error"][n % 4],
      assignment: `${runs[0].id}.${n}`,
      device: { id: d.id, name: d.name },
      attempt: 1,
      data: n % 4 === 0 ? { agent: d.agent?.id, protocol: d.agent?.protocol } : {},
    })),
  ];

  let brake = { on: false, since: null, by: null, note: null };
  const answer = (method, path, params, body) => {
    const [, kind, key, sub, more] = path.split("/");
    const gone = {
      status: 404,
      body: {
        type: `https://muster.dev/problems/${kind}/not-found`,
        title: "Not found",
        status: 404,
        detail: "There is no such thing.",
        request_id: "req_7f3a91",
      },
    };
    const d = kind === "devices" && key ? devices[index.get(key) ?? -1] : null;
    const run = kind === "runs" && key ? runs.find((x) => x.id === key) : null;
    const task = kind === "tasks" && key ? tasks.find((x) => x.id === key) : null;
    if (kind === "session") return method === "DELETE" || key ? { status: 204 } : { body: me };
    if (kind === "overview") return { body: overview(devices, runs) };
    if (kind === "brake") {
      if (method === "POST") brake = { on: true, since: ago(0), by: "admin", note: body.note || null };
      if (method === "DELETE") brake = { on: false, since: null, by: null, note: null };
      return { body: brake };
    }
    if (kind === "settings") return { body: Object.assign(settings, body ?? {}) };
    if (kind === "devices" && !key) {
      if ((params.get("query") ?? "").includes("??"))
        return {
          status: 400,
          body: {
            type: "https://muster.dev/problems/request/bad-query",
            title: "Bad query",
            status: 400,
            detail: "the query cannot be read: mismatched input '??'",
            request_id: "req_1",
          },
        };
      return page(filterDevices(devices, params, having(params)), params);
    }
    if (kind === "devices" && !d) return gone;
    if (d && method === "PATCH") return { body: Object.assign(d, body) };
    if (d && method === "DELETE") return { status: 204 };
    if (d && !sub) return { body: detail(d, index.get(d.id)) };
    if (d && sub === "inventory") {
      const all = sections(d);
      const wanted = many(params, "section");
      return {
        body: {
          device: d.id,
          collected_at: d.last_inventory,
          sections: wanted.length ? Object.fromEntries(wanted.filter((w) => all[w]).map((w) => [w, all[w]])) : all,
        },
      };
    }
    if (d && sub === "history") return page(filtered(historyOf(d, agentsOf(d, index.get(d.id))), params), params);
    if (d && sub === "changes") return { body: compared(d, agentsOf(d, index.get(d.id)), params) };
    if (d && sub === "book")
      return {
        body: {
          items: [
            {
              task: { id: tasks[0].id, name: tasks[0].doc.name },
              version: 3,
              issue: 2,
              agent: "a",
              held: ago(7200),
              valid: ago(-86_400 * 24),
            },
            { task: { id: tasks[1].id, name: tasks[1].doc.name }, version: 1, issue: 1, agent: "a", held: null, valid: ago(-86_400 * 30) },
          ],
        },
      };
    if (d && sub === "identity") return { body: known.of(d) };
    if (d && sub === "merge") {
      known.merged([d.id, ...body.from]);
      return { body: detail(d, index.get(d.id)) };
    }
    if (d && sub === "split") return { status: 201, body: detail(d, index.get(d.id)) };
    if (kind === "identity") return { body: detail(devices[0], 0) };
    if (kind === "duplicates" && !key) return page(known.list(params), params);
    if (kind === "duplicates" && sub) return { body: known.decide(key, sub === "dismiss" ? "dismissed" : "open", body?.note) };
    if (kind === "duplicates") return known.one(key) ? { body: known.one(key) } : gone;
    if (kind === "changes") return page(filtered(changes, params), params);
    if (kind === "software") {
      const { rows, more } = programs[{ versions: "versions", devices: "holders", appeared: "appeared" }[key] ?? "list"](params);
      return page(rows, params, more);
    }
    if (d && sub === "assignments")
      return page(
        ["prepared", "ok", "ok", "error"].map((s, n) => assignmentOf(runs[n], d, n, s)),
        params,
      );
    if (kind === "crashes") {
      const all = devices.slice(0, 14).map((one, n) => ({
        id: `c${n}`,
        agent: "a",
        device_name: one.name,
        at: ago(5000 * (n + 1)),
        kind: n % 4 === 1 ? "panic" : "killed",
        version: n % 3 ? "0.1.0" : "0.2.0",
        message:
          n % 4 === 1
            ? "called `Option::unwrap()` on a `None` value"
            : "the program ended without a word, and the machine went on: it was killed, or ran out of memory",
        place: n % 4 === 1 ? "crates/agent/src/work.rs:417:22" : null,
        log: n % 4 === 1 ? "2026-11-30T01:12:08Z  INFO the channel is open\n2026-11-30T01:12:09Z  INFO inventory sent\n".repeat(9) : "",
      }));
      if (key) return { body: all.find((c) => c.id === key) };
      return page(
        all.map(({ log: _log, ...c }) => c),
        params,
      );
    }
    if (kind === "agents" && key && sub === "wakes")
      return page(
        ["ok", "refused", "timeout", "ok"].map((outcome, n) => ({
          id: `w${n}`,
          at: ago(4000 * (n + 1)),
          outcome,
          detail: outcome === "refused" ? "connection refused" : null,
          assignment: null,
        })),
        params,
      );
    if (kind === "agents" && key) return { body: agentOf(devices[0], 0) };
    if (kind === "agents") {
      const found = filterDevices(devices, params);
      const from = Number(params.get("cursor") ?? 0);
      const result = page(found, params);
      return { body: { ...result.body, items: result.body.items.map((x, n) => agentOf(x, from + n)) } };
    }
    if (kind === "actions") return { body: ACTIONS };
    if (kind === "tasks" && !key) return method === "POST" ? { status: 201, body: tasks[0] } : page(tasks, params);
    if (kind === "tasks" && key === "forecast") return { body: plan(tasks) };
    if (kind === "tasks" && !task) return gone;
    if (task && sub === "schedule" && !body) return { body: ahead() };
    if (task && sub === "occurrences") return more ? { status: 201, body: runs[0] } : page(occurrences(runs), params);
    if (task && sub === "schedule" && body) {
      const off = { since: new Date(Date.now() - 3_600_000).toISOString(), by: "anna", reason: body.reason };
      return { body: { ...task, schedule_off: body.enabled ? null : off } };
    }
    if (task && sub === "approval") return { body: Object.assign(task, body) };
    if (task && sub === "preview") return { body: task.id === POOL_TASK ? poolPreview(preview()) : { ...preview(), pool: null } };
    if (task && sub === "runs")
      return body.confirm_count === size || size <= 100
        ? { status: 201, body: runs[0] }
        : {
            status: 409,
            body: { type: "https://muster.dev/problems/run/size-guard", title: "Too many", status: 409, count: size, request_id: "req_9" },
          };
    if (task) return method === "DELETE" ? { status: 204 } : { body: task };
    if (kind === "schedules") {
      const wrong = (body.schedule?.cron ?? "").includes("61");
      const errors = [{ pointer: "/schedule/cron", detail: "'61' in '61 0 * * *' is no minute: it is 0 to 59" }];
      if (wrong)
        return {
          status: 400,
          body: { type: "https://muster.dev/problems/task/invalid", title: "Task: invalid", status: 400, errors, request_id: "req_8" },
        };
      return { body: body.schedule ? ahead() : { zone: "Europe/Paris", per_device: false, next: [] } };
    }
    if (kind === "groups" && sub === "members") {
      const count = body.query ? 412 : 0;
      if (count && body.confirm_count !== count)
        return {
          status: 409,
          body: { type: "https://muster.dev/problems/group/size-guard", title: "Too many", status: 409, count, request_id: "req_7" },
        };
      return { body: { added: body.add?.length ?? count, removed: body.remove?.length ?? 0, count: 12 } };
    }
    if (kind === "groups" && key) return { body: groups.find((g) => g.id === key) ?? groups[0] };
    if (kind === "groups") return method === "POST" ? { status: 201, body: groups[0] } : page(groups, params);
    if (kind === "reports") return reports(key, sub, more, method, body, params, page);
    if (kind === "calendar") return { body: calendar(params, tasks, runs) };
    if (kind === "messages" && key) {
      for (const m of messages) if (!m.read && (m.id === key || body.all_before)) m.read = { by: "admin", at: ago(0) };
      return { body: { read: 1 } };
    }
    if (kind === "messages") return page(params.get("unread") === "true" ? messages.filter((m) => !m.read) : messages, params);
    if (kind === "runs" && !key) {
      const states = many(params, "state");
      return page(
        runs.filter((x) => (!states.length || states.includes(x.state)) && (!params.get("task") || x.task.id === params.get("task"))),
        params,
      );
    }
    if (kind === "runs" && !run) return gone;
    if (run && sub === "pool") return { body: pool(devices) };
    if (run?.id === POOL_RUN && sub === "assignments")
      return page(
        slices(devices).filter((a) => !params.get("state") || many(params, "state").includes(a.state)),
        params,
      );
    if (run && sub === "assignments") return page([...assignmentsOf(run, devices, many(params, "state"))], params);
    if (run && sub === "targets")
      return page(
        targetsOf(run, devices).filter((x) => !params.get("state") || many(params, "state").includes(x.state)),
        params,
      );
    if (run && sub === "retry") return { status: 201, body: runs[0] };
    if (run && sub === "events") return page(events(), params);
    if (run && (sub === "pause" || sub === "resume")) {
      run.paused = sub === "pause";
      run.state = run.paused ? "paused" : "running";
    }
    if (run) return { body: run };
    if (kind === "queue") {
      if (method === "POST") {
        const count = body.ids?.length ?? QUEUED;
        if (body.confirm_count !== count)
          return {
            status: 409,
            body: { type: "https://muster.dev/problems/queue/size-guard", title: "Too many", status: 409, count, request_id: "req_9" },
          };
        return { body: key === "cancel" ? { cancelled: count } : { changed: count } };
      }
      const states = many(params, "state").length ? many(params, "state") : OPEN;
      return page(
        runs.filter((x) => x.state !== "finished").flatMap((x) => [...assignmentsOf(x, devices, states)]),
        params,
      );
    }
    if (kind === "assignments") {
      const a = assignment(key);
      if (sub === "why") {
        const conditions = [
          { key: "run_started", ok: true, text: "The run has started.", params: {}, at: ago(1300) },
          { key: "verified", ok: true, text: "The machine is verified.", params: {}, at: null },
          { key: "capable", ok: true, text: "An agent can do it.", params: {}, at: null },
          { key: "contact", ok: false, text: "The agent makes contact.", params: {}, at: null },
        ];
        return { body: { assignment: a.id, state: a.state, reason: a.reason, conditions } };
      }
      const attempts = a.actor
        ? [
            {
              no: 1,
              agent: { id: a.actor.agent, protocol: a.actor.protocol, name: a.device.name },
              state: a.state === "prepared" ? "error" : a.state,
              handed_at: ago(1200),
              begun_at: ago(1190),
              ended_at: a.ended,
              lease_until: ago(-240),
              exit_code: a.exit_code,
              output: a.output,
              message: null,
            },
          ]
        : [];
      return { body: { ...a, attempts, events: events().slice(1, 5) } };
    }
    if (kind === "users")
      return method === "GET"
        ? page(people, params)
        : { status: method === "DELETE" ? 204 : 200, body: method === "DELETE" ? undefined : people[1] };
    if (kind === "tokens")
      return method === "GET"
        ? page(tokens, params)
        : method === "DELETE"
          ? { status: 204 }
          : { status: 201, body: { ...tokens[0], token: "mst_4f7Q9xk2VbT1nLc8wRz6" } };
    if (kind === "join-tokens")
      return method === "GET"
        ? page(joins, params)
        : method === "DELETE"
          ? { status: 204 }
          : { status: 201, body: { ...joins[0], token: "mjt_9Kd2sW7pQx4LmV1tBz8h" } };
    if (kind === "agent-credentials")
      return method === "GET"
        ? page(credentials, params)
        : method === "DELETE"
          ? { status: 204 }
          : { status: 201, body: { ...credentials[0], secret: "q7Lw2xN9cRt4KfVb8mZs1YpD" } };
    if (kind === "audit") return page(audit, params);
    return { ...gone, more };
  };
  return (method, path, params, body) => {
    if (params.get("format") !== "csv") return answer(method, path, params, body);
    params.set("limit", "1000000");
    const result = answer(method, path, params, body);
    return result.body?.items ? csvOf(path.slice(1).replaceAll("/", "-"), result.body.items, params) : result;
  };
}
