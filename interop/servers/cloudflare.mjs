// Runs cloudflare_worker.mjs in workerd, by Miniflare, with a KV namespace in
// memory.
//
// usage: node cloudflare.mjs --addr localhost:PORT --url URL
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { Miniflare } from "miniflare";

const { values } = parseArgs({ options: { addr: { type: "string" }, url: { type: "string" } } });
const { addr, url } = values;
const { hostname, port } = new URL(`http://${addr}`);

const bundle = await build({
  entryPoints: [new URL("cloudflare_worker.mjs", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  conditions: ["workerd", "worker", "browser"],
  external: ["cloudflare:*", "node:*"],
  write: false,
  logLevel: "error",
});
const miniflare = new Miniflare({
  modules: true,
  script: bundle.outputFiles[0].text,
  compatibilityDate: "2026-07-01",
  compatibilityFlags: ["nodejs_compat", "global_fetch_strictly_public"],
  kvNamespaces: ["OAUTH_KV"],
  bindings: { BASE: url },
  host: hostname,
  port: Number(port),
  cf: false,
  upstream: url,
});
process.on("SIGTERM", async () => {
  await miniflare.dispose();
  process.exit(0);
});
await miniflare.ready;
console.error(`listening on ${url}`);
