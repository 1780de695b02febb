// What agents of others need in their configuration to show a credential (docs/operations.md, "Credentials of agents").

/** The realm that the server names when it asks; OCS agents want it said. */
const REALM = "muster";

/** Whose configuration, and its lines. */
export function agentLines(name: string, secret: string): [string, string][] {
  return [
    ["FusionInventory, GLPI", `user = ${name}\npassword = ${secret}`],
    ["GLPI (OAuth)", `oauth-client-id = ${name}\noauth-client-secret = ${secret}`],
    ["OCS", `user=${name}\npassword=${secret}\nrealm=${REALM}`],
  ];
}
