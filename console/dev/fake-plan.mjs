// An invented plan: a window that is too short for some, others beside it, and what would help.
const HOUR = 3_600_000;

const course = (more) => ({
  targets: 48_211,
  begun: 45_810,
  late: 2_170,
  absent: 231,
  unreached: 0,
  ends: new Date(Date.now() + 13 * HOUR).toISOString(),
  half_ended: new Date(Date.now() + 9 * HOUR).toISOString(),
  most_ended: new Date(Date.now() + 12 * HOUR).toISOString(),
  most_at_once: 500,
  kept: { run: 31_204, organization: 0, machine: 412, wave: 0 },
  ...more,
});

export function plan(tasks) {
  const later = (hours) => new Date(Date.now() + hours * HOUR).toISOString();
  const beside = (n, before, after, more) => ({
    task: { id: tasks[n].id, name: tasks[n].doc.name },
    before: course({ ends: later(before), late: 0 }),
    with: course({ ends: later(after), late: more }),
  });
  return {
    begins: later(8),
    until: later(14),
    per_device: true,
    course: course({}),
    measured: 500,
    adds_seconds: 38 * 60,
    beside: [beside(1, 10, 10.6, 12), beside(2, 9, 9, 0)],
    advice: [
      { key: "max_in_flight", params: { most: 640 }, text: "", course: course({ late: 0, ends: later(12) }) },
      { key: "push", params: {}, text: "", course: course({ late: 310, ends: later(12.5) }) },
      { key: "longer_window", params: { seconds: 2_280 }, text: "", course: course({ late: 0, ends: later(13.7) }) },
    ],
  };
}
