import { describe, expect, it } from "vitest";
import { toQuery } from "../src/api/client";
import { filterOf, nextSort, parseSearch, parseSort, pick, stringifySearch, toExpression, toggled } from "../src/lib/search";

describe("addresses", () => {
  it("survive a round trip, commas readable", () => {
    const search = { q: "srv & co", protocol: "glpi,ocs", serial: "0123" };
    const text = stringifySearch(search);
    expect(text).toContain("protocol=glpi,ocs");
    expect(parseSearch(text.slice(1))).toEqual(search);
    expect(stringifySearch({ q: "", state: undefined })).toBe("");
  });

  it("keep only known keys and make every value text", () => {
    expect(pick(["q", "sort"])({ q: 123, sort: "", other: "x" })).toEqual({ q: "123" });
  });

  it("leave the look of a list out of its filter", () => {
    expect(filterOf({ q: "a", sort: "name", cols: "name,os", tab: "x", open: "1" })).toEqual({ q: "a" });
  });
});

describe("query strings of the API", () => {
  it("leave out what is empty and are stable in order", () => {
    expect(toQuery({ sort: "-created", limit: 200, cursor: undefined, q: "", verified: false })).toBe(
      "?limit=200&sort=-created&verified=false",
    );
    expect(toQuery({ b: 1, a: 2 })).toBe(toQuery({ a: 2, b: 1 }));
    expect(toQuery({})).toBe("");
  });

  it("escape what a query expression may hold", () => {
    expect(toQuery({ query: 'os == "x" && name.startsWith("a+b")' })).toBe(
      "?query=os+%3D%3D+%22x%22+%26%26+name.startsWith%28%22a%2Bb%22%29",
    );
  });
});

describe("ordering", () => {
  it("goes up, down and back to the list's own order", () => {
    expect(nextSort(undefined, "name")).toBe("name");
    expect(nextSort("name", "name")).toBe("-name");
    expect(nextSort("-name", "name")).toBeUndefined();
    expect(nextSort("-os", "name")).toBe("name");
    expect(parseSort("-os")).toEqual({ by: "os", down: true });
  });

  it("toggles one value of several", () => {
    expect(toggled("ok,error", "error")).toBe("ok");
    expect(toggled(undefined, "ok")).toBe("ok");
  });
});

describe("a filter as an expression", () => {
  it("says fields, choices and flags in the query language", () => {
    expect(toExpression({ protocol: "glpi,ocs", verified: "false", tag: 'a"b' })).toBe(
      'protocol in ["glpi", "ocs"] && !verified && tag == "a\\"b"',
    );
    expect(toExpression({ query: "a || b", os_family: "linux" })).toBe('(a || b) && os_family == "linux"');
  });

  it("does not guess what the language cannot say", () => {
    expect(toExpression({ q: "srv", tag: "x" })).toBeNull();
    expect(toExpression({ online: "true" })).toBeNull();
  });

  it("writes the word for everything instead of an empty text", () => {
    expect(toExpression({})).toBe("true");
  });
});
