import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, call, problemKey, queue, session, setCsrf, setOrg, settings, tasks, whenSignedOut } from "../src/api/client";

type Call = { url: string; init: RequestInit };
let calls: Call[] = [];
const answer = (response: Response | (() => never)) => {
  calls = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    return typeof response === "function" ? response() : response;
  });
};
const problem = (status: number, body: object) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/problem+json", "X-Request-Id": "req_1" } });
const refusal = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
};

beforeEach(() => setCsrf("token"));
afterEach(() => {
  vi.unstubAllGlobals();
  setOrg(null);
  whenSignedOut(() => {});
});

describe("acts on the queue", () => {
  it("say on what, what and how many", async () => {
    const bodies: unknown[] = [];
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      bodies.push([url, JSON.parse(String(init.body))]);
      return new Response('{"changed":7,"cancelled":7}', { headers: { "Content-Type": "application/json" } });
    });
    await queue.cancel({ ids: ["a"] }, 1);
    await queue.delay({ filter: { state: "prepared" } }, "2026-12-01T06:00:00Z", 7);
    await queue.prioritise({ filter: {} }, 0, 7);
    expect(bodies).toEqual([
      ["/api/v1/queue/cancel", { ids: ["a"], confirm_count: 1 }],
      ["/api/v1/queue/delay", { filter: { state: "prepared" }, until: "2026-12-01T06:00:00Z", confirm_count: 7 }],
      ["/api/v1/queue/priority", { filter: {}, priority: 0, confirm_count: 7 }],
    ]);
  });
});

describe("problems", () => {
  it("are known by the end of their type", () => {
    expect(problemKey("https://muster.dev/problems/run/size-guard")).toBe("run/size-guard");
    expect(problemKey("https://muster.dev/problems/run/empty?x=1#y")).toBe("run/empty");
  });

  it("keep count, fields and request id", async () => {
    answer(
      problem(409, { type: "https://muster.dev/problems/run/size-guard", title: "Too many", status: 409, count: 412, request_id: "req_9" }),
    );
    const error = await refusal(tasks.start("t1"));
    expect(error.key).toBe("run/size-guard");
    expect(error.problem.count).toBe(412);
    expect(error.problem.request_id).toBe("req_9");
  });

  it("are made up when a proxy answers with a page", async () => {
    answer(new Response("<html>", { status: 502, statusText: "Bad Gateway", headers: { "Content-Type": "text/html" } }));
    const error = await refusal(call("/api/v1/overview"));
    expect(error.status).toBe(502);
    expect(error.key).toBe("http/502");
    expect(error.problem.title).toBe("Bad Gateway");
  });

  it("survive a broken body", async () => {
    answer(new Response("{", { status: 500, headers: { "Content-Type": "application/problem+json", "X-Request-Id": "req_2" } }));
    const error = await refusal(call("/api/v1/overview"));
    expect(error.problem.request_id).toBe("req_2");
    expect(error.key).toBe("http/500");
  });

  it("say that the server did not answer", async () => {
    answer(() => {
      throw new TypeError("fetch failed");
    });
    expect((await refusal(call("/api/v1/overview"))).key).toBe("http/unreachable");
  });

  it("sign out when the session is gone, but not when a sign-in was refused", async () => {
    const gone = vi.fn();
    whenSignedOut(gone);
    answer(problem(401, { type: "https://muster.dev/problems/access/unauthenticated", title: "x", status: 401 }));
    await refusal(session.signIn("a", "b"));
    expect(gone).not.toHaveBeenCalled();
    answer(problem(401, { type: "https://muster.dev/problems/access/unauthenticated", title: "x", status: 401 }));
    await refusal(call("/api/v1/overview"));
    expect(gone).toHaveBeenCalledOnce();
  });
});

describe("calls", () => {
  it("carry the CSRF token and an idempotency key only when they write", async () => {
    answer(new Response("{}", { status: 200, headers: { "Content-Type": "application/json" } }));
    await call("/api/v1/overview");
    expect(new Headers(calls[0]?.init.headers).has("X-CSRF-Token")).toBe(false);
    answer(new Response("{}", { status: 201, headers: { "Content-Type": "application/json" } }));
    await tasks.start("t/1", { confirm_count: 3 });
    const headers = new Headers(calls[0]?.init.headers);
    expect(headers.get("X-CSRF-Token")).toBe("token");
    expect(headers.get("Idempotency-Key")).toMatch(/^[0-9a-f]{32}$/);
    expect(calls[0]?.url).toBe("/api/v1/tasks/t%2F1/runs");
    expect(calls[0]?.init.body).toBe('{"confirm_count":3}');
  });

  it("name the organization that is acted in and the version that is changed", async () => {
    setOrg("o2");
    answer(new Response("{}", { status: 200, headers: { "Content-Type": "application/json" } }));
    await tasks.change("t1", { name: "x", targets: { all: true }, steps: [] }, 7);
    const headers = new Headers(calls[0]?.init.headers);
    expect(headers.get("Muster-Org")).toBe("o2");
    expect(headers.get("If-Match")).toBe('"7"');
  });

  it("send back the tag that the settings were read with", async () => {
    answer(new Response("{}", { status: 200, headers: { "Content-Type": "application/json", ETag: '"9"' } }));
    await settings.read();
    answer(new Response("{}", { status: 200, headers: { "Content-Type": "application/json", ETag: '"10"' } }));
    await settings.change({ size_guard: 50 });
    expect(new Headers(calls[0]?.init.headers).get("If-Match")).toBe('"9"');
  });

  it("give nothing for an answer without content", async () => {
    answer(new Response(null, { status: 204 }));
    expect(await session.signOut()).toBeUndefined();
  });
});
