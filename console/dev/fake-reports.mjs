// Invented reports: questions, answers, and those that are kept.
const ago = (hours) => new Date(Date.now() - hours * 3_600_000).toISOString();
const ID = (n) => `019b0000-0000-7000-8000-0000000000${String(n).padStart(2, "0")}`;
const QUERY = "SELECT os_family, count(*) AS machines, avg(memory_mb) AS memory\nFROM devices\nGROUP BY os_family\nORDER BY machines DESC";

const REPORTS = [
  ["Machines by system", "For the Monday meeting.", "anna"],
  ["Not heard of for 30 days", "Who may be gone: asked every night, kept for a year.", "admin"],
  ["Old OpenSSL", "", "ben"],
].map(([name, description, author], n) => ({
  id: ID(n + 1),
  name,
  description,
  query: QUERY,
  author,
  created: ago(900),
  updated: ago(26 * (n + 1)),
  version: 3,
}));

const results = [1, 25, 49, 73].map((hours, n) => ({ id: ID(n + 40), at: ago(hours), by: n ? "muster" : "anna", count: 3, more: n === 3 }));

const answer = (result) => ({
  columns: ["os_family", "machines", "memory"],
  rows: [
    ["windows", 1893, 16284.5],
    ["linux", 902, 31877.25],
    [null, 205, null],
  ],
  more: false,
  result,
});

const column = (name, help) => ({ name, help });
const VIEWS = {
  items: [
    {
      name: "devices",
      help: "Machines.",
      columns: [column("id", "Its id."), column("name", "Its name, as shown."), column("os_family", "windows, linux, macos, …")],
    },
    {
      name: "software",
      help: "Programs of machines: one row for each program on each machine.",
      columns: [column("device_id", "The machine.")],
    },
    { name: "results", help: "What became of each step of a run on each machine.", columns: [column("run_id", "The run.")] },
  ],
  functions: ["abs", "avg", "coalesce", "count", "lower", "max", "min", "round", "sum", "upper"],
};

export function reports(key, sub, more, method, body, params, page) {
  if (key === "views") return { body: VIEWS };
  if (key === "ask") {
    const wrong = body.query.includes("person");
    const detail = "there is no view 'person'; there are devices, agents, software, groups, runs, results";
    return wrong
      ? {
          status: 400,
          body: { type: "https://muster.dev/problems/report/invalid", title: "Invalid", status: 400, detail, request_id: "req_3" },
        }
      : { body: answer(null) };
  }
  if (!key) return method === "POST" ? { status: 201, body: REPORTS[0] } : page(REPORTS, params);
  if (sub === "run") return { body: answer(results[0]) };
  if (sub === "results") return more ? { body: answer(results.find((r) => r.id === more)) } : page(results, params);
  return method === "DELETE" ? { status: 204 } : { body: REPORTS.find((r) => r.id === key) ?? REPORTS[0] };
}
