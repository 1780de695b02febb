import { describe, expect, it } from "vitest";
import { besides, differing, markedParts, paired, titleOf } from "../src/lib/diff";

describe("differences of rows", () => {
  it("join what went and came under one key, and leave the rest apart", () => {
    const added = [
      { name: "firefox", version: "145.0", arch: "amd64" },
      { name: "libnss3", version: "3.118" },
    ];
    const removed = [
      { name: "firefox", version: "144.0", arch: "amd64" },
      { name: "xterm", version: "398" },
    ];
    const diff = paired("softwares", added, removed);
    expect(diff.changed).toEqual([{ before: removed[0], after: added[0], fields: ["version"] }]);
    expect(diff.added.map((r) => r.name)).toEqual(["libnss3"]);
    expect(diff.removed.map((r) => r.name)).toEqual(["xterm"]);
  });

  it("join by the strictest key first, so that two architectures of a program stay two", () => {
    const row = (arch: string, version: string) => ({ name: "openssl", arch, version });
    const diff = paired("softwares", [row("arm64", "3.1"), row("amd64", "3.1")], [row("amd64", "3.0"), row("arm64", "3.0")]);
    expect(diff.changed.map((p) => [p.before.arch, p.after.arch])).toEqual([
      ["arm64", "arm64"],
      ["amd64", "amd64"],
    ]);
    expect(diff.added).toEqual([]);
  });

  it("join a program whose publisher became known by its name", () => {
    const diff = paired("softwares", [{ name: "git", version: "2", publisher: "Debian" }], [{ name: "git", version: "1" }]);
    expect(diff.changed[0]?.fields).toEqual(["version", "publisher"]);
  });

  it("take a section that is one object as one thing", () => {
    const diff = paired("operatingsystem", [{ kernel_version: "6.13" }], [{ kernel_version: "6.12" }]);
    expect(diff.changed.length).toBe(1);
    expect(diff.added.length + diff.removed.length).toBe(0);
  });

  it("count each row once, also when several have the same key", () => {
    const row = (version: string) => ({ name: "kernel", version });
    const diff = paired("softwares", [row("3")], [row("1"), row("2")]);
    expect(diff.changed.length).toBe(1);
    expect(diff.removed).toEqual([row("2")]);
    expect(diff.added).toEqual([]);
  });

  it("do not join rows that are known by nothing", () => {
    const diff = paired("novelty", [{ speed: 1 }], [{ speed: 2 }]);
    expect(diff.changed).toEqual([]);
    expect([diff.added.length, diff.removed.length]).toEqual([1, 1]);
  });

  it("see fields that came or went as differing, and blobs not at all", () => {
    expect(differing("drives", { type: "/", total: 5 }, { type: "/", free: 1 })).toEqual(["total", "free"]);
    expect(differing("monitors", { serial: "1", base64: "A" }, { serial: "1", base64: "B" })).toEqual([]);
  });
});

describe("the words of a row", () => {
  it("are its first column and what stands beside it", () => {
    const row = { version: "5.2", name: "bash", publisher: "Debian" };
    expect(titleOf("softwares", row)).toBe("bash");
    expect(besides("softwares", row)).toEqual(["version", "publisher"]);
    expect(titleOf("novelty", { x: null, y: 7 })).toBe("7");
    expect(titleOf("novelty", {})).toBe("");
  });
});

describe("what differs in a text", () => {
  it("is marked by whole words", () => {
    expect(markedParts("144.0.2-1", "145.0-1")).toEqual({ head: "", before: "144.0.2", after: "145.0", tail: "-1" });
    expect(markedParts("10.20.7.214", "10.20.31.17")).toEqual({ head: "10.20.", before: "7.214", after: "31.17", tail: "" });
    expect(markedParts("Floor 1", "Floor 12")).toEqual({ head: "Floor ", before: "1", after: "12", tail: "" });
  });

  it("is everything when nothing is common, and nothing when all is", () => {
    expect(markedParts("", "x")).toEqual({ head: "", before: "", after: "x", tail: "" });
    expect(markedParts("same", "same")).toEqual({ head: "same", before: "", after: "", tail: "" });
    const { head, before, tail } = markedParts("aa", "aaa");
    expect(head + before + tail).toBe("aa");
  });
});
