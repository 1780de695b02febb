// One event of a run in words, with what it carries behind.
import { useTranslation } from "react-i18next";
import type { RunEvent } from "../api/types";
import { maybe, word } from "../i18n/say";
import { MachineLink } from "./Machine";
import { Time } from "./Time";

function shown(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

export function EventLine({ event, machine }: { event: RunEvent; machine?: boolean }) {
  const { t } = useTranslation();
  const more = Object.entries(event.data ?? {})
    .filter(([, v]) => v !== null && v !== "")
    .map(([k, v]) => (k === "state" ? word(t, "state", shown(v)) : `${maybe(t, `field.${k}`) ?? k.replaceAll("_", " ")} ${shown(v)}`));
  return (
    <span className="row" style={{ alignItems: "baseline", gap: 12 }}>
      <span className="soft" style={{ flex: "0 0 92px" }}>
        <Time at={event.at} />
      </span>
      <span className="grow">
        {word(t, "event", event.kind)}
        {machine && event.device && (
          <>
            {" · "}
            <MachineLink device={event.device} />
          </>
        )}
        {more.length > 0 && <span className="soft"> · {more.join(" · ")}</span>}
      </span>
    </span>
  );
}
