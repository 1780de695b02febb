// The addresses of the console. Each page is a chunk of its own; what a page shows stands in its search parameters.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Frame } from "./frame/Frame";
import { parseSearch, pick, stringifySearch } from "./lib/search";
import { NotFound } from "./pages/NotFound";
import { Crash } from "./parts/Crash";

const root = createRootRoute({ component: Frame, notFoundComponent: NotFound, errorComponent: Crash });

export const MACHINE_FILTERS = [
  "q",
  "query",
  "protocol",
  "os_family",
  "online",
  "verified",
  "tag",
  "manufacturer",
  "model",
  "software",
  "software_from",
  "software_below",
  "name",
  "serial",
  "uuid",
  "ip",
  "mac",
  "group",
] as const;

const now = createRoute({ getParentRoute: () => root, path: "/", component: lazyRouteComponent(() => import("./pages/Now"), "Now") });
const queue = createRoute({
  getParentRoute: () => root,
  path: "/queue",
  validateSearch: pick(["q", "state", "task", "run", "device", "sort", "open", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Queue"), "Queue"),
});
const tasks = createRoute({
  getParentRoute: () => root,
  path: "/tasks",
  validateSearch: pick(["q", "label", "sort", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Tasks"), "Tasks"),
});
const taskNew = createRoute({
  getParentRoute: () => root,
  path: "/tasks/new",
  validateSearch: pick(["device", "query"]),
  component: lazyRouteComponent(() => import("./pages/TaskEdit"), "TaskNew"),
});
const task = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$id",
  validateSearch: pick(["tab"]),
  component: lazyRouteComponent(() => import("./pages/Task"), "Task"),
});
const taskEdit = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$id/edit",
  component: lazyRouteComponent(() => import("./pages/TaskEdit"), "TaskEdit"),
});
const taskStart = createRoute({
  getParentRoute: () => root,
  path: "/tasks/$id/start",
  component: lazyRouteComponent(() => import("./pages/TaskStart"), "TaskStart"),
});
const calendar = createRoute({
  getParentRoute: () => root,
  path: "/calendar",
  validateSearch: pick(["view", "day"]),
  component: lazyRouteComponent(() => import("./pages/Calendar"), "Calendar"),
});
const messages = createRoute({
  getParentRoute: () => root,
  path: "/messages",
  validateSearch: pick(["unread"]),
  component: lazyRouteComponent(() => import("./pages/Messages"), "Messages"),
});
const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: pick(["state", "verdict", "task", "sort", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Runs"), "Runs"),
});
const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$id",
  validateSearch: pick(["tab", "state", "q", "step", "open"]),
  component: lazyRouteComponent(() => import("./pages/Run"), "Run"),
});
const machines = createRoute({
  getParentRoute: () => root,
  path: "/machines",
  validateSearch: pick([...MACHINE_FILTERS, "sort", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Machines"), "Machines"),
});
const machine = createRoute({
  getParentRoute: () => root,
  path: "/machines/$id",
  validateSearch: pick(["tab", "section", "q", "state", "open", "mode", "from", "to", "agent", "kind", "since", "until"]),
  component: lazyRouteComponent(() => import("./pages/Machine"), "Machine"),
});
const fleet = createRoute({
  getParentRoute: () => root,
  path: "/fleet",
  validateSearch: pick(["q", "protocol", "version", "online", "verified", "quarantined", "open", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Agents"), "Agents"),
});
const crashes = createRoute({
  getParentRoute: () => root,
  path: "/fleet/crashes",
  validateSearch: pick(["kind", "version", "agent", "open"]),
  component: lazyRouteComponent(() => import("./pages/Crashes"), "Crashes"),
});
const changes = createRoute({
  getParentRoute: () => root,
  path: "/fleet/changes",
  validateSearch: pick(["q", "section", "kind", "since", "until", "device", "cols"]),
  component: lazyRouteComponent(() => import("./pages/FleetChanges"), "FleetChanges"),
});
const software = createRoute({
  getParentRoute: () => root,
  path: "/fleet/software",
  validateSearch: pick(["tab", "q", "publisher", "since", "until", "sort", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Software"), "Software"),
});
const program = createRoute({
  getParentRoute: () => root,
  path: "/fleet/software/program",
  validateSearch: pick(["name", "publisher", "tab", "version", "arch", "below", "from", "sort", "cols"]),
  component: lazyRouteComponent(() => import("./pages/Program"), "ProgramPage"),
});
const duplicates = createRoute({
  getParentRoute: () => root,
  path: "/fleet/duplicates",
  validateSearch: pick(["state", "kind", "device", "q", "sort", "open"]),
  component: lazyRouteComponent(() => import("./pages/Duplicates"), "Duplicates"),
});
const groups = createRoute({
  getParentRoute: () => root,
  path: "/groups",
  validateSearch: pick(["q"]),
  component: lazyRouteComponent(() => import("./pages/Groups"), "Groups"),
});
const group = createRoute({
  getParentRoute: () => root,
  path: "/groups/$id",
  component: lazyRouteComponent(() => import("./pages/GroupPage"), "GroupPage"),
});
const reports = createRoute({
  getParentRoute: () => root,
  path: "/reports",
  validateSearch: pick(["q"]),
  component: lazyRouteComponent(() => import("./pages/Reports"), "Reports"),
});
const reportNew = createRoute({
  getParentRoute: () => root,
  path: "/reports/new",
  component: lazyRouteComponent(() => import("./pages/Report"), "ReportNew"),
});
const report = createRoute({
  getParentRoute: () => root,
  path: "/reports/$id",
  component: lazyRouteComponent(() => import("./pages/Report"), "ReportPage"),
});
const joinTokens = createRoute({
  getParentRoute: () => root,
  path: "/fleet/join",
  component: lazyRouteComponent(() => import("./pages/JoinTokens"), "JoinTokens"),
});
const agentCredentials = createRoute({
  getParentRoute: () => root,
  path: "/fleet/credentials",
  component: lazyRouteComponent(() => import("./pages/AgentCredentials"), "AgentCredentials"),
});
const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/Settings"), "SettingsPage"),
});
const users = createRoute({
  getParentRoute: () => root,
  path: "/settings/users",
  component: lazyRouteComponent(() => import("./pages/Users"), "Users"),
});
const tokens = createRoute({
  getParentRoute: () => root,
  path: "/settings/tokens",
  component: lazyRouteComponent(() => import("./pages/Tokens"), "Tokens"),
});
const audit = createRoute({
  getParentRoute: () => root,
  path: "/settings/audit",
  validateSearch: pick(["actor", "verb"]),
  component: lazyRouteComponent(() => import("./pages/Audit"), "Audit"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    now,
    queue,
    tasks,
    taskNew,
    task,
    taskEdit,
    taskStart,
    calendar,
    messages,
    runs,
    run,
    machines,
    machine,
    fleet,
    crashes,
    changes,
    software,
    program,
    duplicates,
    groups,
    group,
    reports,
    reportNew,
    report,
    joinTokens,
    agentCredentials,
    settings,
    users,
    tokens,
    audit,
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
