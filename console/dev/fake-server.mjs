// Serves dist/ and the API's shapes over an invented fleet. For looking at the console and for nothing else: it checks no
// password, keeps nothing and knows no rule.
//   node dev/fake-server.mjs --devices 50000 --port 0
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { world } from "./fake-world.mjs";

const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
// The same policy as the server's, so that what it refuses is seen here.
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'";

const fleet = world(Number(argument("devices", "2000")));
let signedIn = argument("signed-out", null) === null;

function file(path, response) {
  let full = join(DIST, normalize(path));
  if (!full.startsWith(DIST) || !existsSync(full) || statSync(full).isDirectory()) full = join(DIST, "index.html");
  response.writeHead(200, { "Content-Type": TYPES[extname(full)] ?? "application/octet-stream", "Content-Security-Policy": POLICY });
  createReadStream(full).pipe(response);
}

function answer(response, status, body) {
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(status, { "Content-Type": type, "X-Request-Id": "req_7f3a91" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function bodyOf(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  if (!(request.headers["content-type"] ?? "").includes("json")) return text;
  return text ? JSON.parse(text) : {};
}

function events(response) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.write(": hello\n\n");
  const timer = setInterval(() => response.write('event: change\ndata: {"kind":"assignment","id":null}\n\n'), 5000);
  response.on("close", () => clearInterval(timer));
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://fake");
  if (!url.pathname.startsWith("/api/")) return file(url.pathname, response);
  const path = url.pathname.replace("/api/v1", "");
  if (path === "/session" && request.method === "POST") signedIn = true;
  if (path === "/session" && request.method === "DELETE") {
    signedIn = false;
    return answer(response, 204);
  }
  if (!signedIn)
    return answer(response, 401, { type: "https://muster.dev/problems/access/unauthenticated", title: "Sign in first.", status: 401 });
  if (path === "/events") return events(response);
  const body = request.method === "GET" ? null : await bodyOf(request);
  const result = fleet(request.method, path, url.searchParams, body);
  if (result.csv !== undefined) {
    response.writeHead(200, {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": `attachment; filename="${result.file}"`,
    });
    return response.end(result.csv);
  }
  answer(response, result.status ?? 200, result.body);
});

server.listen(Number(argument("port", "0")), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
