// Invented schedules: what comes, what came of it, the calendar, messages.
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const iso = (ms) => new Date(ms).toISOString();
const midnight = () => new Date().setUTCHours(23, 0, 0, 0) - DAY;

/** The next ten nights in Paris, with the change of its clock among them. */
export function ahead() {
  const next = Array.from({ length: 10 }, (_, n) => {
    const starts = midnight() + (n + 1) * DAY + (n > 5 ? -HOUR : 0);
    const offset = n > 5 ? "+02:00" : "+01:00";
    const wall = iso(starts + (n > 5 ? 2 : 1) * HOUR).slice(0, 19);
    return { nominal: iso(starts), starts: iso(starts), local: wall + offset, opens: iso(starts), closes: iso(starts + 6 * HOUR) };
  });
  return { zone: "Europe/Paris", per_device: true, next };
}

export function occurrences(runs) {
  const states = [
    ["held", "size_guard", 6210],
    ["started", null, 4980],
    ["missed", "server_down", null],
    ["started", null, 4975],
    ["missed", "not_begun", 4970],
    ["empty", null, 0],
    ["held", "frozen", null],
  ];
  return Array.from({ length: 30 }, (_, n) => {
    const [state, detail, targets] = states[n % states.length];
    const at = midnight() - n * DAY;
    return { nominal: iso(at), at: iso(at), state, detail, targets, run: state === "started" ? runs[n % runs.length].id : null };
  });
}

export function calendar(params, tasks, runs) {
  const [from, to] = [Date.parse(params.get("from")), Date.parse(params.get("to"))];
  const items = [];
  for (let day = midnight() - 40 * DAY; day < to; day += DAY) {
    const past = day < Date.now();
    const entry = (task, hour, length, state, more = {}) => ({
      task: { id: tasks[task].id, name: tasks[task].doc.name },
      nominal: `${iso(day + hour * HOUR)}#${task}`,
      starts: iso(day + hour * HOUR),
      opens: past ? null : iso(day + hour * HOUR),
      closes: past || !length ? null : iso(day + (hour + length) * HOUR),
      per_device: task === 0,
      state: past ? state : "coming",
      detail: null,
      run: past && state === "started" ? runs[task % runs.length].id : null,
      targets: null,
      ...more,
    });
    items.push(entry(0, 1, 6, (day / DAY) % 5 < 1 ? "held" : "started"));
    items.push(entry(1, 3, 2, (day / DAY) % 4 < 1 ? "missed" : "started"));
    for (let hour = 8; hour < 18; hour += 2) items.push(entry(3, hour, 0, "started"));
    if (new Date(day).getUTCDay() === 5) items.push(entry(2, 20, 10, "empty"));
  }
  const shown = items.filter((e) => from <= Date.parse(e.starts) && Date.parse(e.starts) < to);
  return { zone: "Europe/Paris", more: false, items: shown.sort((a, b) => a.starts.localeCompare(b.starts)) };
}

export function makeMessages(runs) {
  const said = [
    ["error", "Nightly inventory failed on 231 machines", "Run 418 ended with errors.\nLook at the machines of Lyon first."],
    ["warning", "Kiosks were not reached", ""],
    ["info", "The weekly report is ready", "5,012 machines of 5,240 reported in time."],
  ];
  return Array.from({ length: 12 }, (_, n) => {
    const [level, title, text] = said[n % said.length];
    const read = n > 3 ? { by: "admin", at: iso(Date.now() - n * HOUR) } : null;
    return {
      id: `m${n}`,
      at: iso(Date.now() - n * 5 * HOUR),
      level,
      title,
      text,
      task: "Report on failures",
      run: runs[n % runs.length].id,
      read,
    };
  });
}
