// Lists as CSV: the rows of a list with the columns that were asked for.

const PLACES = {
  device: (x) => x.device?.id,
  device_name: (x) => x.device?.name,
  protocol: (x) => x.agent?.protocol ?? x.protocol,
  agent_version: (x) => x.agent?.version,
  last_contact: (x) => x.agent?.last_contact ?? x.last_contact,
  os: (x) => x.device?.os ?? x.os,
  last_wake: (x) => x.wake?.last?.at,
  last_wake_outcome: (x) => x.wake?.last?.outcome,
};

function cell(value) {
  let text = value === null || value === undefined ? "" : Array.isArray(value) ? value.join("; ") : String(value);
  if (typeof value !== "number" && /^[=+\-@]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvOf(name, rows, params) {
  const asked = (params.get("columns") ?? "").split(",").filter(Boolean);
  const columns = asked.length ? asked : Object.keys(rows[0] ?? { id: "" }).filter((k) => typeof rows[0]?.[k] !== "object");
  const lines = rows.slice(0, 100_000).map((row) => columns.map((c) => cell((PLACES[c] ?? ((x) => x[c]))(row))).join(","));
  return { csv: [columns.join(","), ...lines, ""].join("\r\n"), file: `${name}-${new Date().toISOString().slice(0, 10)}.csv` };
}
