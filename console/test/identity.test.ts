import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, csv, proposedName } from "../src/api/client";
import { machinesSearch } from "../src/lib/search";
import { survivor } from "../src/lib/survivor";
import { inTurns } from "../src/lib/turns";

afterEach(() => vi.unstubAllGlobals());

describe("which machine stays in a merge", () => {
  const d = (id: string, heard: string | null, first: string) => ({
    id,
    first_seen: first,
    agent: heard === null ? null : { id: "a", protocol: "glpi" as const, version: null, last_contact: heard, online: true },
  });

  it("is the one that was heard last", () => {
    expect(
      survivor([d("old", "2026-01-01T00:00:00Z", "2020-01-01T00:00:00Z"), d("new", "2026-02-01T00:00:00Z", "2026-01-31T00:00:00Z")])?.id,
    ).toBe("new");
    expect(survivor([d("silent", null, "2020-01-01T00:00:00Z"), d("heard", "2021-01-01T00:00:00Z", "2021-01-01T00:00:00Z")])?.id).toBe(
      "heard",
    );
  });

  it("is the older of two that were heard at the same time", () => {
    expect(survivor([d("b", null, "2022-01-01T00:00:00Z"), d("a", null, "2021-01-01T00:00:00Z")])?.id).toBe("a");
    expect(survivor([])).toBeUndefined();
  });
});

describe("many acts", () => {
  it("are all done, never more at once than said", async () => {
    let now = 0;
    let most = 0;
    const done: number[] = [];
    await inTurns(
      [1, 2, 3, 4, 5, 6, 7],
      async (n) => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        done.push(n);
        now -= 1;
      },
      3,
    );
    expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(most).toBe(3);
  });

  it("end with the first refusal, and what follows is not begun", async () => {
    const begun: number[] = [];
    const act = async (n: number) => {
      begun.push(n);
      if (n === 2) throw new Error("refused");
    };
    await expect(inTurns([1, 2, 3, 4], act, 1)).rejects.toThrow("refused");
    expect(begun).toEqual([1, 2]);
  });
});

describe("an export", () => {
  const answer = (init: ResponseInit, body = "name\r\n") => {
    const calls: string[] = [];
    vi.stubGlobal("fetch", async (path: string) => {
      calls.push(path);
      return new Response(body, init);
    });
    return calls;
  };

  it("asks for the filter and the columns, not for a page", async () => {
    const calls = answer({ headers: { "Content-Disposition": 'attachment; filename="devices-2026-03-10.csv"' } });
    const { name, file } = await csv("/devices", { q: "srv", sort: "name", limit: 200, cursor: "x" }, ["id", "name"]);
    expect(calls).toEqual(["/api/v1/devices?columns=id%2Cname&format=csv&q=srv&sort=name"]);
    expect(name).toBe("devices-2026-03-10.csv");
    expect(await file.text()).toBe("name\r\n");
  });

  it("says what the server refused", async () => {
    const problem = { type: "https://muster.dev/problems/request/invalid", title: "Invalid", status: 400 };
    answer({ status: 400, headers: { "Content-Type": "application/problem+json" } }, JSON.stringify(problem));
    const refusal = await csv("/devices", {}, ["nmae"]).catch((e: unknown) => e);
    expect(refusal).toBeInstanceOf(ApiError);
    expect((refusal as ApiError).key).toBe("request/invalid");
  });

  it("takes a proposed file name without a way out of the folder", () => {
    expect(proposedName('attachment; filename="../../x.csv"', "y.csv")).toBe("....x.csv");
    expect(proposedName(null, "y.csv")).toBe("y.csv");
  });
});

describe("the machines of a program", () => {
  it("are a filter of the list of machines where that can say it", () => {
    expect(machinesSearch({ name: "openssl", below: "3.0.2" })).toEqual({ software: "openssl", software_below: "3.0.2" });
    expect(machinesSearch({ name: "openssl", from: "1", publisher: "Debian" })).toBeNull();
    expect(machinesSearch({ name: "openssl", version: "3.0.1" })).toBeNull();
  });
});
