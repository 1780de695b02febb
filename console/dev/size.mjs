// Fails when the JavaScript of the first load or of a lazy page is over the budget (gzip).
//   npm run build && npm run size
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const FIRST_KB = 260;
const LAZY_KB = 120;
const dist = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const kb = (path) => gzipSync(readFileSync(path), { level: 9 }).length / 1024;

const html = readFileSync(join(dist, "index.html"), "utf8");
const assets = readdirSync(join(dist, "assets")).filter((f) => f.endsWith(".js"));
const isFirst = (file) => html.includes(`/assets/${file}`);
const languages = assets.filter((f) => /^(en|fr|es|pt)-/.test(f));
const largestLanguage = Math.max(...languages.map((f) => kb(join(dist, "assets", f))));
const first = assets.filter(isFirst).reduce((sum, f) => sum + kb(join(dist, "assets", f)), kb(join(dist, "boot.js")) + largestLanguage);

// A lazy page costs what it imports and the first load has not brought.
const imports = (file, seen = new Set()) => {
  if (seen.has(file) || isFirst(file)) return seen;
  seen.add(file);
  const text = readFileSync(join(dist, "assets", file), "utf8");
  for (const [, name] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) imports(name, seen);
  return seen;
};
let failed = first > FIRST_KB;
console.log(`${failed ? "OVER " : "     "}first load  ${first.toFixed(1)} of ${FIRST_KB} KB`);
for (const file of assets.filter((f) => !isFirst(f))) {
  const size = [...imports(file)].reduce((sum, f) => sum + kb(join(dist, "assets", f)), 0);
  const over = size > LAZY_KB;
  failed ||= over;
  console.log(`${over ? "OVER " : "     "}${file.padEnd(34)} ${size.toFixed(1)} of ${LAZY_KB} KB`);
}
process.exit(failed ? 1 : 0);
