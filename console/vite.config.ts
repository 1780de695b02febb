import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server embeds dist/ and serves it from "/". `npm run dev` passes the API on to a running server.
const server = process.env.MUSTER_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    // The first versions with light-dark() in CSS, which our colours are written in.
    target: ["chrome123", "firefox120", "safari17.5"],
    // Inlined data: URLs would need a wider content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": server, "/healthz": server } },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
});
