import { describe, expect, it } from "vitest";
import { choose } from "../src/i18n";
import { duration, mebibytes, number, relative, span } from "../src/lib/format";
import { asRows, columnsOf, find, ordered } from "../src/lib/inventory";
import { grouped } from "../src/lib/outputs";
import { ceiling } from "../src/parts/HoursChart";

const NOW = Date.parse("2026-03-01T12:00:00Z");

describe("times", () => {
  it("are relative in the reader's language", () => {
    expect(relative("2026-03-01T11:55:00Z", NOW, "en")).toBe("5 min. ago");
    expect(relative("2026-03-01T15:00:00Z", NOW, "fr")).toBe("dans 3\u00A0h");
    expect(relative("2026-02-28T12:00:00Z", NOW, "es")).toBe("ayer");
    expect(relative("2026-03-01T12:00:00Z", NOW, "pt")).toBe("agora");
  });

  it("last in their two biggest parts", () => {
    expect(duration("2026-03-01T10:55:30Z", "2026-03-01T12:00:00Z", "en")).toBe("1 hr 4 min");
    expect(span(340, "en")).toBe("340 ms");
    expect(span(60_000, "en")).toBe("1 min");
    expect(duration("2026-03-01T12:00:01Z", NOW, "en")).toBe("0 ms");
  });
});

describe("numbers", () => {
  it("have the separators of the language", () => {
    expect(number(41204, "en")).toBe("41,204");
    expect(number(41204, "fr")).toBe("41\u202F204");
  });

  it("turn MiB into what a person reads", () => {
    expect(mebibytes(512, "en")).toBe("512 MB");
    expect(mebibytes(15900, "en")).toBe("15.5 GB");
    expect(mebibytes(2_097_152, "en")).toBe("2 TB");
  });

  it("give a scale that holds the greatest bar", () => {
    for (const value of [0, 3, 17, 99, 1050, 8123]) expect(ceiling(value)).toBeGreaterThanOrEqual(value);
    expect(ceiling(1050)).toBe(1200);
  });
});

describe("the language", () => {
  it("is the stored one, else the first wanted that we have, else English", () => {
    expect(choose("fr", ["es"])).toBe("fr");
    expect(choose(null, ["de-CH", "pt-BR", "en"])).toBe("pt");
    expect(choose("xx", ["de"])).toBe("en");
  });
});

describe("inventory sections", () => {
  it("show the columns worth it, the others by frequency, and no blobs", () => {
    expect(columnsOf("softwares", [{ comments: "x", version: "1", name: "bash" }])).toEqual(["name", "version"]);
    expect(columnsOf("novelty", [{ a: 1, b: 1 }, { b: 2 }])).toEqual(["b", "a"]);
    expect(columnsOf("novelty", [{ base64: "AAAA", a: 1 }])).toEqual(["a"]);
  });

  it("are searched in every field", () => {
    const inventory = {
      device: "d",
      collected_at: null,
      sections: { bios: { ssn: "ABC" }, softwares: [{ name: "bash" }, { name: "abcde" }] },
    };
    expect(find(inventory, "abc").map((h) => [h.section, h.count])).toEqual([
      ["bios", 1],
      ["softwares", 1],
    ]);
    expect(asRows(undefined)).toEqual([]);
  });

  it("order numbers as numbers and versions by their parts", () => {
    expect(ordered([{ v: "10.1" }, { v: "9.2" }], "v", false).map((r) => r.v)).toEqual(["9.2", "10.1"]);
    expect(ordered([{ v: 9 }, { v: 10 }], "v", true).map((r) => r.v)).toEqual([10, 9]);
  });
});

describe("outputs", () => {
  it("are grouped by identical text, the biggest group first", () => {
    const say = (output: string) => ({ output, state: "ok", exit_code: 0 }) as never;
    expect(grouped([say("a"), say("b"), say("b")]).map((g) => [g.output, g.members.length])).toEqual([
      ["b", 2],
      ["a", 1],
    ]);
  });
});
