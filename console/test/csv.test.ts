import { expect, it } from "vitest";
import { csv } from "../src/lib/csv";

it("writes what spreadsheets read, and no formulas", () => {
  const rows = [
    ['a, "b"', null, 3],
    ["=1+1", "two\nlines", -0.5],
  ];
  expect(csv(["name", "x", "n"], rows)).toBe('name,x,n\r\n"a, ""b""",,3\r\n\'=1+1,"two\nlines",-0.5\r\n');
});
