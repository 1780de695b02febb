// Outputs grouped by identical text, biggest group first.
import type { Assignment, State } from "../api/types";

export type OutputGroup = { state: State; exit_code: number | null; output: string; members: Assignment[] };

export function grouped(assignments: Assignment[]): OutputGroup[] {
  const groups = new Map<string, OutputGroup>();
  for (const a of assignments) {
    const output = a.output ?? "";
    const key = `${a.state}\n${a.exit_code}\n${output}`;
    const group = groups.get(key) ?? { state: a.state, exit_code: a.exit_code, output, members: [] };
    group.members.push(a);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.members.length - a.members.length);
}
