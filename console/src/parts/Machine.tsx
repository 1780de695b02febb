// Small words about machines and agents that several screens say.
import { Tooltip } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { AgentRef, Protocol } from "../api/types";

export const PROTOCOLS: Record<Protocol, string> = { muster: "Muster", glpi: "GLPI", fusioninventory: "FusionInventory", ocs: "OCS" };
export const protocolName = (p: string): string => PROTOCOLS[p as Protocol] ?? p;

export function MachineLink({ device }: { device: { id: string; name: string } }) {
  return (
    <Link to="/machines/$id" params={{ id: device.id }} className="link">
      {device.name}
    </Link>
  );
}

export function Presence({ agent, short }: { agent: AgentRef | null; short?: boolean }) {
  const { t } = useTranslation();
  const word = !agent ? t("presence.no_agent") : agent.online ? t("presence.online") : t("presence.offline");
  const dot = <span className={agent?.online ? "dot on" : "dot"} aria-hidden />;
  if (!short) {
    return (
      <span className="state">
        {dot} {word}
      </span>
    );
  }
  return (
    <Tooltip label={word}>
      <span className="state">
        {dot}
        <span className="hidden-label">{word}</span>
      </span>
    </Tooltip>
  );
}
