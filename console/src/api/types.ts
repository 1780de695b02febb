// The shapes of the REST API, by hand from its contract; types generated from docs/openapi.json will take this file's place.
// Times are RFC 3339 in UTC, ids are opaque strings.

export type State = "prepared" | "started" | "running" | "ok" | "error" | "unknown" | "cancelled" | "expired" | "skipped";
export type Counts = Record<State, number>;
export type Protocol = "muster" | "glpi" | "fusioninventory" | "ocs";
export type Role = "admin" | "operator" | "viewer";
export type Json = unknown;

export type List<T> = { items: T[]; next: string | null; total: number | null };

export type Problem = {
  type: string;
  title: string;
  status: number;
  detail?: string;
  request_id?: string;
  errors?: { pointer: string; detail: string }[];
  count?: number;
  expected?: Json;
  /** With `device/merged`: the device that it is part of now. */
  into?: DeviceRef;
};

export type Me = {
  user: { id: string; name: string; role: Role; org: string | null };
  orgs: Org[];
  csrf: string;
  version: string;
  server_time: string;
  must_change_password: boolean;
};
export type Org = { id: string; name: string };

export type DeviceRef = { id: string; name: string };
export type AgentRef = { id: string; protocol: Protocol; version: string | null; last_contact: string | null; online: boolean };
export type OsFamily = "linux" | "windows" | "macos" | "other";

export type Device = {
  id: string;
  name: string;
  org: string;
  agent: AgentRef | null;
  os: string | null;
  os_family: OsFamily | null;
  manufacturer: string | null;
  model: string | null;
  serial: string | null;
  uuid: string | null;
  ips: string[];
  macs: string[];
  tag: string | null;
  notes: string | null;
  first_seen: string;
  last_inventory: string | null;
  verified: boolean;
  memory_mb: number | null;
  cpu: string | null;
  software_count: number;
  findings: number;
  version: number;
};
export type SectionInfo = { name: string; count: number; changed_at: string; source: string };
export type EvidenceKind = "uuid" | "serial" | "mac" | "deviceid" | "key" | "agent_id" | "name";
export type DeviceDetail = Device & {
  agents: Agent[];
  sections: SectionInfo[];
  open_assignments: number;
  evidence: { kind: EvidenceKind; value: string }[];
  finding_list: { kind: string; detail: string; at: string }[];
};
export type Row = Record<string, Json>;
export type Inventory = { device: string; collected_at: string | null; sections: Record<string, Row | Row[]> };
export type HistoryEntry = {
  id: string;
  at: string;
  section: string;
  agent: string | null;
  kind: "first" | "changed" | "removed";
  added: Row[];
  removed: Row[];
  added_count: number;
  removed_count: number;
};
export type DeviceChanges = {
  device: DeviceRef;
  from: string;
  to: string;
  sections: SectionChanges[];
};
export type SectionChanges = {
  section: string;
  agent: string | null;
  added: Row[];
  removed: Row[];
  changed: { before: Row; after: Row; fields: string[] }[];
  added_count: number;
  removed_count: number;
  changed_count: number;
  /** False when history could not be followed without a gap. */
  exact?: boolean;
};
export type FleetChange = {
  id: string;
  at: string;
  device: DeviceRef;
  agent: string | null;
  section: string;
  kind: HistoryEntry["kind"];
  added_count: number;
  removed_count: number;
  /** Short texts such as '+ bash 5.2'. */
  sample: string[];
};
export type DevicePatch = { name?: string; tag?: string | null; notes?: string | null; verified?: boolean; org?: string };

export type DeviceShort = {
  id: string;
  name: string;
  os: string | null;
  serial: string | null;
  uuid: string | null;
  macs: string[];
  agent: AgentRef | null;
  first_seen: string;
  last_inventory: string | null;
  verified: boolean;
};
export type CandidateKind = "duplicate" | "clone";
export type CandidateState = "open" | "dismissed" | "merged";
export type EvidencePoints = { kind: EvidenceKind; value: string; points: number; shared: boolean };
export type Candidate = {
  id: string;
  at: string;
  kind: CandidateKind;
  /** Two; fewer when one was deleted since. */
  devices: DeviceShort[];
  points: number;
  evidence: EvidencePoints[];
  state: CandidateState;
  reason: Sentence;
  note?: string | null;
};
export type KnownAgent = {
  agent: AgentRef & {
    foreign_id: string | null;
    agent_id: string | null;
    verified: boolean;
    first_contact: string;
    address: string | null;
  };
  evidence: { kind: EvidenceKind; value: string; worth: number }[];
};
export type IdentityAct = "merge" | "split" | "undo" | "joined" | "reinstalled" | "renamed_agent";
export type IdentityEntry = {
  id: string;
  at: string;
  actor: string;
  kind: IdentityAct;
  agents: { id: string; protocol: Protocol; foreign_id: string | null }[];
  from: DeviceRef | null;
  to: DeviceRef | null;
  reason: Sentence;
  undone: boolean;
  can_undo: boolean;
};
export type Identity = { device: DeviceRef; agents: KnownAgent[]; candidates: Candidate[]; log: IdentityEntry[] };

export type Program = { name: string; publisher: string; versions: number; newest: string; devices: number };
/** `as_of`: when the programs were counted. */
export type ProgramList = List<Program> & { as_of?: string | null };
export type ProgramVersion = { name: string; version: string; publisher: string; arch: string; devices: number };
export type ProgramHolder = {
  device: DeviceRef & { os: string | null; last_inventory: string | null };
  name: string;
  version: string;
  publisher: string;
  arch: string;
  since: string | null;
};
export type AppearedProgram = {
  name: string;
  version: string;
  publisher: string;
  arch: string;
  devices: number;
  first_at: string;
  last_at: string;
  new_to_fleet: boolean;
};
/** `since`: the list is whole since then, later than asked for when more came than is looked at. */
export type AppearedList = List<AppearedProgram> & { since?: string | null };

export type WakeOutcome = "ok" | "busy" | "refused" | "denied" | "timeout" | "unreachable";
export type Agent = {
  id: string;
  org: string;
  device: { id: string; name: string } | null;
  protocol: Protocol;
  version: string | null;
  foreign_id: string | null;
  agent_id: string | null;
  modules: string[];
  verified: boolean;
  quarantine: { since: string; by: string; reason: string } | null;
  book_drifted: string | null;
  first_contact: string;
  last_contact: string | null;
  online: boolean;
  address: string | null;
  port: number | null;
  incarnation: number;
  next_contact: string | null;
  wake: { way: "none" | "http" | "connection"; last?: { at: string; outcome: WakeOutcome; detail: string | null } | null };
};
export type Crash = {
  id: string;
  agent: string;
  device_name: string;
  at: string;
  kind: "panic" | "killed";
  version: string;
  message: string;
  place: string | null;
  log?: string;
};
export type BookEntry = {
  task: { id: string; name: string };
  version: number;
  issue: number;
  agent: string;
  held: string | null;
  valid: string;
};
export type Wake = { id: string; at: string; outcome: WakeOutcome; detail: string | null; assignment: string | null };

export type Delivery = "pull" | "push";
export type Group = {
  id: string;
  name: string;
  description: string;
  kind: "static" | "dynamic";
  query: string | null;
  refreshing: boolean;
  count: number;
  version: number;
  created: string;
  updated: string;
};
/** Who comes and who leaves: by name, or all of a query. */
export type MembersChange = { add?: string[]; remove?: string[]; query?: string; act?: "add" | "remove"; confirm_count?: number };
export type Targets = {
  devices?: string[];
  groups?: string[];
  query?: string;
  all?: true;
  /** Ranges of addresses, of a task that a pool does. */
  ip_ranges?: string[];
  exclude?: { devices?: string[]; groups?: string[]; query?: string; tags?: string[]; ip_ranges?: string[] };
  /** Whether devices that are selected only after the start join the run. */
  late_joiners?: true;
};
/** Agents that do a kind of work for others. */
export type Pool = { module?: string; selector?: { groups?: string[]; subnets?: string[] }; max?: number };
/** Who executes a task, when not the target's own agent. */
export type Actors = { agents: string[] } | { pool?: Pool };
export type Trigger =
  | "device_enrolled"
  | "inventory_changed"
  | { inventory_changed: string }
  | { joined_group: string }
  | { task_ended: string; verdict?: Verdict };
/** One of now, at, cron, every, on. */
export type Schedule = {
  now?: boolean;
  at?: string;
  cron?: string;
  every?: string;
  on?: Trigger;
  zone?: string;
  misfire?: "skip" | "run_once";
  offline?: true;
};
/** Edges are times of day or instants. */
export type Window = {
  not_before?: string;
  not_after?: string;
  days?: string[];
  zone?: string;
  at_end?: "let_finish" | "stop";
  longest_run?: string;
};
export type Action = { type: string; [parameter: string]: unknown };
/** How a run spreads over its targets; shares are written as 5%. */
export type Rollout = {
  max_in_flight?: number;
  waves?: string[];
  wait?: string;
  halt_on_error_rate?: string;
  halt_on_lost_rate?: string;
};
/** What follows a step that ends badly. */
export type OnError = "fail" | "continue" | { run: string; then?: "retry"; max?: number };
export type Step = {
  id: string;
  action: Action;
  scope?: "server" | "client";
  timeout?: string;
  when?: string;
  on_error?: OnError;
  /** Values kept for later steps, by name, and how each is captured. */
  outputs?: Record<string, string>;
  /** How long a server job waits for all targets. */
  barrier?: { quorum?: string; deadline?: string; stragglers?: "drop" | "keep" };
};
export type TaskDoc = {
  name: string;
  description?: string;
  labels?: string[];
  mode?: "client_job" | "server_job";
  targets: Targets;
  actors?: Actors;
  schedule?: Schedule;
  window?: Window;
  delivery?: Delivery;
  rollout?: Rollout;
  priority?: number;
  retry?: { attempts?: number; backoff?: string; on?: ("error" | "unknown")[] };
  steps: Step[];
};
/** One time a schedule fires; `local` is what the wall of the shown zone shows, with its offset. */
export type Coming = { nominal: string; starts: string; local: string; opens: string | null; closes: string | null };
export type Ahead = { zone: string | null; per_device: boolean; next: Coming[]; kept?: { machines: number; held: number } };
export type OccurrenceState = "started" | "missed" | "held" | "empty";
export type Occurrence = {
  nominal: string;
  at: string;
  state: OccurrenceState;
  detail: string | null;
  run: string | null;
  targets: number | null;
};
export type CalendarEntry = {
  task: { id: string; name: string };
  nominal: string;
  starts: string;
  opens: string | null;
  closes: string | null;
  per_device: boolean;
  state: OccurrenceState | "coming";
  detail: string | null;
  run: string | null;
  targets: number | null;
};
export type Calendar = { zone: string | null; items: CalendarEntry[]; more: boolean };
export type Message = {
  id: string;
  at: string;
  level: "info" | "warning" | "error";
  title: string;
  text: string;
  task: string;
  run: string | null;
  read: { by: string; at: string } | null;
};
/** When it would end, by a sample of its targets; `measured`: from how many times, 0 is assumed. */
export type Forecast = { ends: string | null; late: number; absent: number; measured: number };
/** A saved question in SQL. */
export type Report = {
  id: string;
  name: string;
  description: string;
  query: string;
  author: string;
  created: string;
  updated: string;
  version: number;
};
export type ReportResult = { id: string; at: string; by: string; count: number; more: boolean };
export type Answer = { columns: string[]; rows: (string | number | boolean | null)[][]; more: boolean; result: ReportResult | null };
export type PublishedViews = {
  items: { name: string; help: string; columns: { name: string; help: string }[] }[];
  functions: string[];
};
/** What becomes of the machines of a task that is planned. */
export type PlanCourse = {
  targets: number;
  begun: number;
  late: number;
  absent: number;
  unreached: number;
  ends: string | null;
  half_ended: string | null;
  most_ended: string | null;
  most_at_once: number;
  kept: { run: number; organization: number; machine: number; wave: number };
};
export type PlanAdvice = {
  key: "max_in_flight" | "in_flight" | "longer_window" | "push" | "no_wait";
  params: { most?: number; seconds?: number };
  text: string;
  course: PlanCourse;
};
/** What the next run of a task would do. */
export type TaskForecast = {
  begins: string;
  until: string | null;
  per_device: boolean;
  course: PlanCourse;
  measured: number;
  adds_seconds: number;
  beside: { task: { id: string; name: string }; before: PlanCourse; with: PlanCourse }[];
  advice: PlanAdvice[];
};
export type Task = {
  id: string;
  org: string;
  version: number;
  doc: TaskDoc;
  yaml: string;
  created: string;
  updated: string;
  author: string | null;
  last_run: RunSummary | null;
  runs: number;
  /** Up to how many targets it starts unattended; null: as many as the size guard lets a person start. */
  targets_max: number | null;
  /** Its schedule was put out of action. */
  schedule_off: { since: string; by: string; reason: string } | null;
};
/** A start that needs a second person. */
export type Approval = {
  id: string;
  task: { id: string; name: string };
  version: number;
  author: string | null;
  plan: string;
  count: number;
  asked_by: string;
  asked: string;
  note: string;
  state: "asked" | "approved" | "rejected" | "used";
  decision: { by: string; at: string; note: string } | null;
  valid_until: string | null;
  run: string | null;
};
/** A type of action, with the JSON Schema of its parameters. */
export type ActionType = {
  type: string;
  help: string;
  scope: "server" | "client";
  protocols: Protocol[];
  needs: string;
  repeats: "always" | "as_written" | "never";
  schema: Json;
};
/** How a pool stands; `max`: how many may be at work at once. */
export type PoolStanding = { members: number; online: number; working: number; max: number | null };
type PoolPart = { slices: number; addresses: number };
export type PoolShare = {
  agent: string;
  device: { id: string; name: string } | null;
  done: PoolPart;
  failed: PoolPart;
  working: PoolPart;
};
export type RunPool = PoolStanding & { slices: number; addresses: number; shares: PoolShare[] };
export type Preview = {
  count: number;
  /** The pool that would do it; `count` is of addresses then. */
  pool: (PoolStanding & { slices: number; near: number }) | null;
  plan: string;
  guard: number;
  needs_count: boolean;
  needs_approval: boolean;
  approval: Approval | null;
  by_protocol: Record<string, number>;
  by_os: Record<string, number>;
  online: number;
  targets: { device: { id: string; name: string }; agent: AgentRef | null; reason: Reason }[];
  unable: { step: string; action: string; count: number }[];
  not_stopped: number;
  no_output: number;
  waves: number[];
  excluded: { reason: Reason; count: number }[];
  forecast: Forecast | null;
};

export type RunState = "preparing" | "waiting" | "running" | "paused" | "halted" | "finished";
export type Verdict = "ok" | "error" | "cancelled" | "partial";
export type RunSummary = {
  id: string;
  number: number;
  task: { id: string; name: string; version: number };
  state: RunState;
  verdict: Verdict | null;
  counts: Counts;
  targeted: number;
  /** How many addresses it has, where a pool does it. */
  addresses: number | null;
  created: string;
  started: string | null;
  ended: string | null;
  started_by: string | null;
  mode: "client_job" | "server_job";
  /** Whether it has several steps. */
  is_job: boolean;
};
export type Run = RunSummary & {
  steps: { id: string; action: string; scope: "server" | "client"; counts: Counts }[];
  progress: number;
  delivery: Delivery;
  cancel_requested: boolean;
  /** A person holds it back. */
  paused: boolean;
  /** The nominal time of its schedule, when one started it. */
  nominal: string | null;
  not_before: string | null;
  not_after: string | null;
  in_flight_max: number | null;
  waves: { targets: number; state: "over" | "now" | "ahead" }[];
  gate_at: string | null;
  /** It stopped by itself. */
  halted: boolean;
  halt_on_error_rate: string | null;
  /** How many were handed out after the end of their time. */
  handed_out_late: number;
  /** How many devices joined after its start. */
  joined_late: number;
  forecast: Forecast | null;
};

/** One target of a run of several steps. */
export type RunTarget = {
  device: { id: string; name: string };
  state: State;
  step: string | null;
  round: number;
  steps: Record<string, { state: State; exit_code: number | null; outputs: Record<string, unknown> }>;
  updated: string;
};

/** While it is on nothing is handed out and nothing starts. */
export type Brake = { on: boolean; since: string | null; by: string | null; note: string | null };

export type Params = Record<string, string | number>;
export type Sentence = { key: string; params: Params; text: string };
export type Reason = Sentence & { ends: Sentence };
export type Assignment = {
  id: string;
  run: string;
  task: { id: string; name: string };
  step: string;
  /** Null where the target is a slice of addresses. */
  device: { id: string; name: string } | null;
  actor: { agent: string; protocol: Protocol; device: { id: string; name: string } | null } | null;
  state: State;
  attempt: number;
  attempts_max: number;
  /** How often its step was begun anew by a jump back of the job; 1 at first. */
  round: number;
  /** The addresses, where a pool does it. */
  slice: string | null;
  created: string;
  started: string | null;
  ended: string | null;
  updated: string;
  reason: Reason | null;
  exit_code: number | null;
  output: string | null;
  output_truncated: boolean;
  cancel_requested: boolean;
};
export type Attempt = {
  no: number;
  agent: { id: string; protocol: Protocol; name: string };
  state: "started" | "running" | "ok" | "error" | "unknown" | "declined";
  handed_at: string;
  begun_at: string | null;
  ended_at: string | null;
  lease_until: string | null;
  exit_code: number | null;
  output: string | null;
  message: string | null;
};
export type RunEvent = {
  id: string;
  at: string;
  kind: string;
  assignment: string | null;
  device: { id: string; name: string } | null;
  attempt: number | null;
  data: Record<string, Json>;
};
export type AssignmentDetail = Assignment & { attempts: Attempt[]; events: RunEvent[] };
export type Condition = { key: string; ok: boolean; text: string; params: Params; at: string | null };
export type Why = { assignment: string; state: State; reason: Reason; conditions: Condition[] };
/** On what a bulk act is aimed: ids or a filter. */
export type QueueAim = { ids: string[] } | { filter: QueueFilter };
export type QueueFilter = { state?: string; task?: string; run?: string; device?: string; q?: string };

export type User = {
  id: string;
  name: string;
  role: Role;
  org: string | null;
  created: string;
  last_login: string | null;
  disabled: boolean;
};
export type NewUser = { name: string; password: string; role: Role; org?: string };
export type UserPatch = { role?: Role; org?: string | null; disabled?: boolean; password?: string };
export type Token = {
  id: string;
  name: string;
  role: Role;
  org: string | null;
  created: string;
  last_used: string | null;
  expires: string | null;
};
export type NewToken = { name: string; role: Role; org?: string; expires?: string };
export type JoinToken = {
  id: string;
  name: string;
  org: string;
  uses_left: number | null;
  expires: string | null;
  created: string;
  used: number;
};
export type NewJoinToken = { name: string; uses?: number; expires?: string; verified?: boolean };
export type AgentCredential = { id: string; name: string; org: string; verified: boolean; created: string };
export type NewAgentCredential = { name: string; secret?: string; verified: boolean };
export type WithSecret<T> = T & { token: string };

/** What agents of others must show. */
export type AgentAuth = "off" | "basic" | "oauth";
export type Settings = {
  inventory_every: string;
  contact_every: string;
  size_guard: number;
  approve_above: number;
  offline_after: string;
  wake_enabled: boolean;
  verify_new_agents: boolean;
  verify_networks: string[];
  new_agents_per_source_max: number;
  zone: string;
  in_flight_per_agent: number;
  in_flight: number;
  agent_auth: AgentAuth;
};
export type AuditEntry = {
  id: string;
  at: string;
  actor: string | { id?: string; name?: string } | null;
  verb: string;
  object: { kind: string; id: string; name: string | null } | null;
  before: Json;
  after: Json;
  request_id: string | null;
};
export type Hour = { at: string; started: number; ok: number; error: number; unknown: number };
export type Overview = {
  running: number;
  waiting: number;
  late: number;
  failing: number;
  devices: number;
  online: number;
  unverified: number;
  scheduler_lag_ms: number;
  intake_per_second: number;
  unread: number;
  runs: RunSummary[];
  recent: RunSummary[];
  needs: (Sentence & { link: string })[];
  hours: Hour[];
};
export type ChangeKind = "device" | "agent" | "task" | "run" | "assignment" | "settings" | "schedule" | "message" | "group";
export type Change = { kind: ChangeKind; id: string | null };
