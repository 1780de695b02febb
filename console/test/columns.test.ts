import { describe, expect, it } from "vitest";
import { arranged, csvColumns, flipped, moved, movedTo, ownOrder } from "../src/lib/columns";

const ALL = [{ id: "name" }, { id: "os" }, { id: "serial", extra: true }, { id: "ips" }, { id: "tag" }];

describe("chosen columns", () => {
  it("are the list's own until some are chosen", () => {
    expect(arranged(ALL, undefined)).toEqual(["name", "os", "ips", "tag"]);
    expect(arranged(ALL, "")).toEqual(ownOrder(ALL));
    expect(arranged(ALL, "gone,also-gone")).toEqual(ownOrder(ALL));
  });

  it("keep their order, drop what is unknown or double, and always begin with the first", () => {
    expect(arranged(ALL, "tag,serial,nonsense,tag,os")).toEqual(["name", "tag", "serial", "os"]);
    expect(arranged(ALL, "tag,name")).toEqual(["name", "tag"]);
    expect(arranged([], "a")).toEqual([]);
  });

  it("come in where they stand in the list's own order, and go", () => {
    expect(flipped(ALL, ["name", "tag", "os"], "serial")).toEqual(["name", "tag", "os", "serial"]);
    expect(flipped(ALL, ["name", "tag"], "ips")).toEqual(["name", "ips", "tag"]);
    expect(flipped(ALL, ["name", "os", "tag"], "os")).toEqual(["name", "tag"]);
  });

  it("never lose the first, which names the row", () => {
    expect(flipped(ALL, ["name", "os"], "name")).toEqual(["name", "os"]);
    expect(moved(["name", "os", "tag"], "name", 1)).toEqual(["name", "os", "tag"]);
    expect(moved(["name", "os", "tag"], "os", -1)).toEqual(["name", "os", "tag"]);
  });

  it("move by steps and to the place of another", () => {
    expect(moved(["name", "os", "ips", "tag"], "os", 1)).toEqual(["name", "ips", "os", "tag"]);
    expect(moved(["name", "os", "ips", "tag"], "tag", 5)).toEqual(["name", "os", "ips", "tag"]);
    expect(movedTo(["name", "os", "ips", "tag"], "tag", "os")).toEqual(["name", "tag", "os", "ips"]);
    expect(movedTo(["name", "os", "ips", "tag"], "os", "tag")).toEqual(["name", "ips", "tag", "os"]);
  });

  it("name the columns of the CSV in their order, each once, the id first", () => {
    const shown = [{ csv: ["name"] }, { csv: ["protocol", "version"] }, {}, { csv: ["version", "id"] }];
    expect(csvColumns(shown, ["id"])).toEqual(["id", "name", "protocol", "version"]);
  });
});
