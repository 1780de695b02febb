import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { agentLines } from "../src/lib/agentlines";

describe("lines for agents' configuration", () => {
  it("say name and secret as each agent reads them", () => {
    const lines = new Map(agentLines("lyon", "s3cret-s3cret"));
    expect(lines.get("FusionInventory, GLPI")).toBe("user = lyon\npassword = s3cret-s3cret");
    expect(lines.get("GLPI (OAuth)")).toBe("oauth-client-id = lyon\noauth-client-secret = s3cret-s3cret");
    expect(lines.get("OCS")).toBe("user=lyon\npassword=s3cret-s3cret\nrealm=muster");
  });

  it("name the realm that the server asks with", () => {
    const server = readFileSync("../crates/gateway/src/auth.rs", "utf8");
    const realm = /^realm=(.+)$/m.exec(
      agentLines("n", "s")
        .map(([, text]) => text)
        .join("\n"),
    )?.[1];
    expect(server).toContain(`Basic realm=\\"${realm}\\"`);
  });
});
