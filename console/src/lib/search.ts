// What a list shows lives in its address: filters, text, order, columns. Everything is text there.

export type Search = Record<string, string>;

/** Takes the known, non-empty keys out of an address's search parameters. */
export function pick(keys: readonly string[]) {
  return (raw: Record<string, unknown>): Search => {
    const found: Search = {};
    for (const key of keys) {
      const value = raw[key];
      if (value !== undefined && value !== null && String(value) !== "") found[key] = String(value);
    }
    return found;
  };
}

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** Commas stay readable in the address: they separate the values of one filter. */
export function stringifySearch(search: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== "") query.set(key, String(value));
  }
  const text = query.toString().replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

/** Several values of one filter stand in one parameter, separated by commas. */
export const values = (text: string | undefined): string[] => (text ? text.split(",").filter(Boolean) : []);

export function toggled(text: string | undefined, value: string): string {
  const now = values(text);
  return (now.includes(value) ? now.filter((v) => v !== value) : [...now, value]).join(",");
}

export type Sort = { by: string; down: boolean };

export function parseSort(text: string | undefined): Sort | null {
  if (!text) return null;
  return text.startsWith("-") ? { by: text.slice(1), down: true } : { by: text, down: false };
}

/** A click on a header: up, then down, then the list's own order again. */
export function nextSort(text: string | undefined, by: string): string | undefined {
  const now = parseSort(text);
  if (now?.by !== by) return by;
  return now.down ? undefined : `-${by}`;
}

/** The filter without what only concerns the look of the list. */
export function filterOf(search: Search): Search {
  const { cols: _cols, sort: _sort, tab: _tab, open: _open, ...filter } = search;
  return filter;
}

/** A text as a literal of the query language. */
export const literal = (text: string): string => JSON.stringify(text);

const CLAUSES: Record<string, (value: string) => string> = {
  tag: (v) => `tag == ${literal(v)}`,
  manufacturer: (v) => `manufacturer == ${literal(v)}`,
  model: (v) => `model == ${literal(v)}`,
  serial: (v) => `serial == ${literal(v)}`,
  uuid: (v) => `uuid == ${literal(v)}`,
  protocol: (v) => oneOf("protocol", v),
  os_family: (v) => oneOf("os_family", v),
  ip: (v) => `ip == ${literal(v)}`,
  mac: (v) => `mac == ${literal(v)}`,
  verified: (v) => (v === "true" ? "verified" : "!verified"),
  software: (v) => `software == ${literal(v)}`,
};

function oneOf(field: string, text: string): string {
  const all = values(text);
  return all.length === 1 ? `${field} == ${literal(all[0] ?? "")}` : `${field} in [${all.map(literal).join(", ")}]`;
}

/**
 * The filter of the machines list as one expression of the query language, for a task that acts on it.
 * `null` when a part of it has no equal there (free text, presence): then the machines themselves must be named.
 */
export function toExpression(filter: Search): string | null {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(filter)) {
    if (key === "query") parts.push(`(${value})`);
    else if (CLAUSES[key]) parts.push(CLAUSES[key](value));
    else return null;
  }
  return parts.length ? parts.join(" && ") : "true";
}

/**
 * The machines of a program's page as a filter of the list of machines, where tasks can be made of them. `null` where that list
 * cannot say it: it knows no exact version, no architecture and no publisher.
 */
export function machinesSearch(search: Search): Search | null {
  const { name, from, below, version, arch, publisher } = search;
  if (!name || version || arch || publisher) return null;
  return { software: name, ...(from && { software_from: from }), ...(below && { software_below: below }) };
}
