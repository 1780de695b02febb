// Every call of the console to the server goes through here: address, session, organization and errors in one place.
import type * as T from "./types";

/** A refused or failed call. `key` is the stable end of the problem's type, such as `run/size-guard`. */
export class ApiError extends Error {
  readonly key: string;
  readonly status: number;
  readonly problem: T.Problem;

  constructor(problem: T.Problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
    this.status = problem.status;
    this.key = problemKey(problem.type);
  }
}

/** The last two path elements of a problem type: `https://muster.dev/problems/run/empty` gives `run/empty`. */
export function problemKey(type: string): string {
  const path = type.split(/[?#]/)[0] ?? "";
  const parts = path.split("/").filter(Boolean);
  return parts.slice(-2).join("/");
}

export type ListParams = Record<string, string | number | boolean | null | undefined>;

/** A query string of the given filters; empty ones are left out, the order is stable so that keys and caches match. */
export function toQuery(params: ListParams): string {
  const query = new URLSearchParams();
  for (const name of Object.keys(params).sort()) {
    const value = params[name];
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

let csrf = "";
let org: string | null = null;
let onSignedOut: () => void = () => {};

export function setCsrf(value: string): void {
  csrf = value;
}
export function setOrg(value: string | null): void {
  org = value;
}
/** Called when the server no longer knows the session. */
export function whenSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

type Options = {
  method?: string;
  body?: unknown;
  yaml?: string;
  version?: number;
  /** The `ETag` that was read, for things without a version in their body. */
  match?: string | null;
  /** Takes the answer's `ETag`. */
  onTag?: (tag: string | null) => void;
  signal?: AbortSignal;
  /** A 401 is an answer, not the end of the session. */
  quiet?: boolean;
};

function headersOf(method: string, options: Options): Headers {
  const headers = new Headers({ Accept: "application/json" });
  if (options.yaml !== undefined) headers.set("Content-Type", "application/yaml");
  else if (options.body !== undefined) headers.set("Content-Type", "application/json");
  if (method !== "GET") headers.set("X-CSRF-Token", csrf);
  if (method === "POST") headers.set("Idempotency-Key", randomKey());
  if (options.version !== undefined) headers.set("If-Match", `"${options.version}"`);
  if (options.match) headers.set("If-Match", options.match);
  if (org) headers.set("Muster-Org", org);
  return headers;
}

// `crypto.randomUUID` exists only in secure contexts, and a console may be read over plain HTTP in a closed network.
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** The problem in an answer, also when a proxy in between answered with something else. */
export async function readProblem(response: Response): Promise<T.Problem> {
  const fallback: T.Problem = {
    type: `about:blank/http/${response.status}`,
    title: response.statusText || `HTTP ${response.status}`,
    status: response.status,
    request_id: response.headers.get("X-Request-Id") ?? undefined,
  };
  if (!(response.headers.get("Content-Type") ?? "").includes("json")) return fallback;
  try {
    const body: unknown = await response.json();
    if (typeof body !== "object" || body === null || typeof (body as T.Problem).type !== "string") return fallback;
    return { ...fallback, ...(body as T.Problem), status: response.status };
  } catch {
    return fallback;
  }
}

async function send(path: string, options: Options): Promise<Response> {
  const method = options.method ?? "GET";
  try {
    return await fetch(path, {
      method,
      headers: headersOf(method, options),
      body: options.yaml ?? (options.body === undefined ? undefined : JSON.stringify(options.body)),
      signal: options.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError({ type: "about:blank/http/unreachable", title: "The server did not answer.", status: 0 });
  }
}

async function accepted(path: string, options: Options): Promise<Response> {
  const response = await send(path, options);
  if (response.ok) return response;
  const problem = await readProblem(response);
  if (response.status === 401 && !options.quiet) onSignedOut();
  throw new ApiError(problem);
}

/** One call. Throws `ApiError`; an answer without content gives `undefined`. */
export async function call<R>(path: string, options: Options = {}): Promise<R> {
  const response = await accepted(path, options);
  options.onTag?.(response.headers.get("ETag"));
  if (response.status === 204) return undefined as R;
  return (await response.json()) as R;
}

const V1 = "/api/v1";
const id = encodeURIComponent;
const get = <R>(path: string, params: ListParams = {}, signal?: AbortSignal) => call<R>(`${V1}${path}${toQuery(params)}`, { signal });
const post = <R>(path: string, body: unknown = {}) => call<R>(`${V1}${path}`, { method: "POST", body });
const remove = (path: string) => call<void>(`${V1}${path}`, { method: "DELETE" });

/** A page of any list; `resource` is the path below `/api/v1`, such as `/devices`. */
export function list<R>(resource: string, params: ListParams = {}, signal?: AbortSignal): Promise<T.List<R>> {
  return get(resource, params, signal);
}

/** The file name that an answer proposes, without anything that could lead out of a folder. */
export function proposedName(disposition: string | null, fallback: string): string {
  const name = /filename="?([^";]+)"?/.exec(disposition ?? "")?.[1]?.replace(/[/\\]/g, "");
  return name || fallback;
}

/** All rows of a list's filter as a CSV file. The first page's `limit` and `cursor` mean nothing here. */
export async function csv(resource: string, params: ListParams, columns: string[]): Promise<{ name: string; file: Blob }> {
  const query = toQuery({ ...params, limit: null, cursor: null, format: "csv", columns: columns.join(",") });
  const response = await accepted(`${V1}${resource}${query}`, {});
  const fallback = `${resource.split("/").at(-1)}.csv`;
  try {
    return { name: proposedName(response.headers.get("Content-Disposition"), fallback), file: await response.blob() };
  } catch {
    // The server breaks off rather than hand over a part of the rows as if it were all.
    throw new ApiError({ type: "about:blank/csv/broken-off", title: "The rows could not be read to the end.", status: 0 });
  }
}

export const session = {
  read: () => call<T.Me>(`${V1}/session`, { quiet: true }),
  signIn: (name: string, password: string) => call<T.Me>(`${V1}/session`, { method: "POST", body: { name, password }, quiet: true }),
  signOut: () => remove("/session"),
  changePassword: (old: string, fresh: string) => post<void>("/session/password", { old, new: fresh }),
};

export const devices = {
  read: (device: string) => get<T.DeviceDetail>(`/devices/${id(device)}`),
  book: (device: string) => get<{ items: T.BookEntry[] }>(`/devices/${id(device)}/book`),
  inventory: (device: string, section?: string) => get<T.Inventory>(`/devices/${id(device)}/inventory`, { section }),
  change: (device: string, patch: T.DevicePatch, version?: number) =>
    call<T.Device>(`${V1}/devices/${id(device)}`, { method: "PATCH", body: patch, version }),
  remove: (device: string) => remove(`/devices/${id(device)}`),
  changes: (device: string, params: { from: string; to?: string; section?: string }) =>
    get<T.DeviceChanges>(`/devices/${id(device)}/changes`, params),
  identity: (device: string) => get<T.Identity>(`/devices/${id(device)}/identity`),
  merge: (device: string, from: string[]) => post<T.DeviceDetail>(`/devices/${id(device)}/merge`, { from }),
  split: (device: string, agents: string[], name?: string) => post<T.DeviceDetail>(`/devices/${id(device)}/split`, { agents, name }),
  undo: (entry: string) => post<T.DeviceDetail>(`/identity/${id(entry)}/undo`),
};

export const duplicates = {
  read: (candidate: string) => get<T.Candidate>(`/duplicates/${id(candidate)}`),
  dismiss: (candidate: string, note?: string) => post<T.Candidate>(`/duplicates/${id(candidate)}/dismiss`, note ? { note } : {}),
  reopen: (candidate: string) => post<T.Candidate>(`/duplicates/${id(candidate)}/reopen`),
};

export const agents = {
  crash: (crash: string) => get<T.Crash>(`/crashes/${id(crash)}`),
  change: (agent: string, patch: { verified?: boolean; modules?: string[]; quarantined?: boolean; reason?: string }) =>
    call<T.Agent>(`${V1}/agents/${id(agent)}`, { method: "PATCH", body: patch }),
  revoke: (agent: string) => post<T.Agent>(`/agents/${id(agent)}/revoke`),
};

export const tasks = {
  read: (task: string) => get<T.Task>(`/tasks/${id(task)}`),
  create: (doc: T.TaskDoc) => post<T.Task>("/tasks", doc),
  createYaml: (yaml: string) => call<T.Task>(`${V1}/tasks`, { method: "POST", yaml }),
  change: (task: string, doc: T.TaskDoc, version: number) => call<T.Task>(`${V1}/tasks/${id(task)}`, { method: "PUT", body: doc, version }),
  changeYaml: (task: string, yaml: string, version: number) => call<T.Task>(`${V1}/tasks/${id(task)}`, { method: "PUT", yaml, version }),
  remove: (task: string) => remove(`/tasks/${id(task)}`),
  /** What the next run of a document would do, which need not be saved. */
  forecast: (doc: T.TaskDoc) => post<T.TaskForecast | null>("/tasks/forecast", doc),
  preview: (task: string) => post<T.Preview>(`/tasks/${id(task)}/preview`),
  schedule: (task: string) => get<T.Ahead>(`/tasks/${id(task)}/schedule`),
  approve: (task: string, targets_max: number | null) =>
    call<T.Task>(`${V1}/tasks/${id(task)}/approval`, { method: "PUT", body: { targets_max } }),
  switchSchedule: (task: string, enabled: boolean, reason = "") =>
    call<T.Task>(`${V1}/tasks/${id(task)}/schedule`, { method: "PUT", body: { enabled, reason } }),
  startHeld: (task: string, nominal: string, confirm_count: number) =>
    post<T.Run>(`/tasks/${id(task)}/occurrences/${id(nominal)}/runs`, { confirm_count }),
  start: (task: string, confirm: { confirm_count?: number; plan?: string } = {}) => post<T.Run>(`/tasks/${id(task)}/runs`, confirm),
};

export const approvals = {
  ask: (task: string, plan: string, note: string) => post<T.Approval>(`/tasks/${id(task)}/approvals`, { plan, note }),
  approve: (approval: string, note: string) => post<T.Approval>(`/approvals/${id(approval)}/approve`, { note }),
  reject: (approval: string, note: string) => post<T.Approval>(`/approvals/${id(approval)}/reject`, { note }),
};

export const schedules = {
  /** What would come of them; a fault of theirs refuses it. */
  preview: (when: { schedule?: T.Schedule; window?: T.Window }) => post<T.Ahead>("/schedules/preview", when),
  calendar: (from: string, to: string) => get<T.Calendar>("/calendar", { from, to }),
};

export const reports = {
  views: () => get<T.PublishedViews>("/reports/views"),
  ask: (query: string) => post<T.Answer>("/reports/ask", { query }),
  read: (report: string) => get<T.Report>(`/reports/${id(report)}`),
  create: (said: { name: string; description: string; query: string }) => post<T.Report>("/reports", said),
  change: (report: string, said: { name: string; description: string; query: string }, version: number) =>
    call<T.Report>(`${V1}/reports/${id(report)}`, { method: "PATCH", body: said, version }),
  remove: (report: string) => remove(`/reports/${id(report)}`),
  /** Asks it and keeps the answer. */
  run: (report: string) => post<T.Answer>(`/reports/${id(report)}/run`),
  result: (report: string, result: string) => get<T.Answer>(`/reports/${id(report)}/results/${id(result)}`),
};

export const groups = {
  read: (group: string) => get<T.Group>(`/groups/${id(group)}`),
  create: (said: { name: string; description: string; query?: string }) => post<T.Group>("/groups", said),
  change: (group: string, said: { name?: string; description?: string; query?: string }, version: number) =>
    call<T.Group>(`${V1}/groups/${id(group)}`, { method: "PATCH", body: said, version }),
  remove: (group: string) => remove(`/groups/${id(group)}`),
  members: (group: string, change: T.MembersChange) =>
    post<{ added: number; removed: number; count: number }>(`/groups/${id(group)}/members`, change),
};

export const messages = {
  read: (message: string, all_before = false) => post<{ read: number }>(`/messages/${id(message)}/read`, { all_before }),
};

export const actions = () => get<{ items: T.ActionType[] }>("/actions");
export const runs = {
  read: (run: string) => get<T.Run>(`/runs/${id(run)}`),
  pool: (run: string) => get<T.RunPool>(`/runs/${id(run)}/pool`),
  cancel: (run: string) => post<T.Run>(`/runs/${id(run)}/cancel`),
  pause: (run: string) => post<T.Run>(`/runs/${id(run)}/pause`),
  resume: (run: string) => post<T.Run>(`/runs/${id(run)}/resume`),
  retry: (run: string, confirm_count: number) => post<T.Run>(`/runs/${id(run)}/retry`, { confirm_count }),
};

export const assignments = {
  read: (assignment: string) => get<T.AssignmentDetail>(`/assignments/${id(assignment)}`),
  why: (assignment: string) => get<T.Why>(`/assignments/${id(assignment)}/why`),
  cancel: (assignment: string) => post<T.Assignment>(`/assignments/${id(assignment)}/cancel`),
};

export const queue = {
  cancel: (aim: T.QueueAim, confirm_count: number) => post<{ cancelled: number }>("/queue/cancel", { ...aim, confirm_count }),
  delay: (aim: T.QueueAim, until: string, confirm_count: number) =>
    post<{ changed: number }>("/queue/delay", { ...aim, until, confirm_count }),
  prioritise: (aim: T.QueueAim, priority: number, confirm_count: number) =>
    post<{ changed: number }>("/queue/priority", { ...aim, priority, confirm_count }),
};

export const brake = {
  read: () => get<T.Brake>("/brake"),
  pull: (note: string) => post<T.Brake>("/brake", { note }),
  release: () => call<T.Brake>(`${V1}/brake`, { method: "DELETE" }),
};

export const users = {
  create: (user: T.NewUser) => post<T.User>("/users", user),
  change: (user: string, patch: T.UserPatch) => call<T.User>(`${V1}/users/${id(user)}`, { method: "PATCH", body: patch }),
  remove: (user: string) => remove(`/users/${id(user)}`),
};

export const tokens = {
  create: (token: T.NewToken) => post<T.WithSecret<T.Token>>("/tokens", token),
  remove: (token: string) => remove(`/tokens/${id(token)}`),
};

export const joinTokens = {
  create: (token: T.NewJoinToken) => post<T.WithSecret<T.JoinToken>>("/join-tokens", token),
  remove: (token: string) => remove(`/join-tokens/${id(token)}`),
};

export const agentCredentials = {
  create: (credential: T.NewAgentCredential) => post<T.AgentCredential & { secret: string }>("/agent-credentials", credential),
  remove: (credential: string) => remove(`/agent-credentials/${id(credential)}`),
};

let settingsTag: string | null = null;
const keepTag = (tag: string | null) => {
  settingsTag = tag;
};
export const settings = {
  read: () => call<T.Settings>(`${V1}/settings`, { onTag: keepTag }),
  change: (patch: Partial<T.Settings>) =>
    call<T.Settings>(`${V1}/settings`, { method: "PATCH", body: patch, match: settingsTag, onTag: keepTag }),
};

export const overview = () => get<T.Overview>("/overview");
export const EVENTS = `${V1}/events`;
