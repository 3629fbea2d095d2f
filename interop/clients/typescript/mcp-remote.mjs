// mcp-remote, as a client that knows standard input alone starts it. It opens the
// browser itself, and keeps what it gets in files.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { connected, Driven, registration, revision, run, url } from "./steps.mjs";

const { env } = process;
const program = new URL("../../node_modules/mcp-remote/dist/proxy.js", import.meta.url).pathname;
const flags = {
  dynamic: [],
  client_secret_post: ["--static-oauth-client-metadata", '{"token_endpoint_auth_method": "client_secret_post"}'],
  document: ["--client-metadata-url", env.DOCUMENT],
  bearer: ["--header", "Authorization:Bearer ${TOKEN}"],
}[registration];
// The default is the revision of 2025.
if (revision === "2026-07-28") flags.push("--protocol", "auto");

let client;
async function connect() {
  client = new Client({ name: "interop", version: "1" });
  const args = [program, url.href, env.CALLBACK_PORT, ...flags];
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env }));
}

// Its access token is made useless in the file, where the next start finds it.
async function expire() {
  await client.close();
  const folder = join(homedir(), ".mcp-auth", "mcp-remote-v1");
  for (const name of readdirSync(folder).filter((file) => file.endsWith("_tokens.json"))) {
    const tokens = JSON.parse(readFileSync(join(folder, name), "utf8"));
    writeFileSync(join(folder, name), JSON.stringify({ ...tokens, access_token: "expired" }));
  }
  await connect();
  driven.client = client;
}

const driven = new Driven();
driven.expire = expire;
if (await connected(connect)) {
  driven.client = client;
  await run(driven);
  await client.close();
}
process.exit();
