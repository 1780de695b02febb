// Which of two machines stays when they become one.
import type { Device } from "../api/types";

/** The one that was heard last is the better guess; of two equal ones the older. */
export function survivor<D extends Pick<Device, "agent" | "first_seen">>(both: D[]): D | undefined {
  const heard = (d: D) => d.agent?.last_contact ?? "";
  return both.toSorted((a, b) => heard(b).localeCompare(heard(a)) || a.first_seen.localeCompare(b.first_seen))[0];
}
