// MCP Inspector without its window: each step starts it anew, and it keeps what it
// got in files. It opens the browser itself.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { registration, revision, run, url } from "./steps.mjs";

const { env } = process;
const program = new URL("../../node_modules/.bin/mcp-inspector", import.meta.url).pathname;
const storage = join(env.HOME, "storage");
const flags = {
  dynamic: [],
  document: ["--client-metadata-url", env.DOCUMENT],
  bearer: ["--stored-auth-only", "--header", `Authorization: Bearer ${env.TOKEN}`],
}[registration];
// The default is the revision of 2025.
if (revision === "2026-07-28") flags.push("--protocol-era", "modern");

const environment = { ...env, NO_COLOR: "1", MCP_STORAGE_DIR: storage, MCP_INSPECTOR_SECRET_STORE: "file", MCP_AUTO_OPEN_ENABLED: "true" };

// inspect runs it, and returns the result that it prints. What it prints when it
// fails is the error.
const inspect = (...args) =>
  new Promise((resolve, reject) => {
    const callback = `http://127.0.0.1:${env.CALLBACK_PORT}/oauth/callback`;
    const all = [program, "--cli", url.href, "--transport", "http", "--format", "json", "--callback-url", callback, ...flags, ...args];
    const child = execFile(process.execPath, all, { env: environment, timeout: 120_000 }, (error, stdout, stderr) => {
      const results = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line).result).filter(Boolean);
      const errors = stderr.split("\n").filter((line) => line.startsWith("{"));
      if (error && results.length === 0) reject(new Error(errors.at(-1) ?? `${error.message}: ${stderr.trim().split("\n").at(-1)}`));
      else resolve(results.at(-1));
    });
    child.stdin.end();
  });

// Its access token is made useless in the files that it reads at the next start.
function expire() {
  for (const name of readdirSync(storage, { recursive: true }).filter((file) => file.endsWith(".json"))) {
    const text = readFileSync(join(storage, name), "utf8");
    writeFileSync(join(storage, name), text.replace(/("access_token":\s*")[^"]*/g, "$1expired"));
  }
}

await run({
  tools: async () => (await inspect("--method", "tools/list")).tools.map((tool) => tool.name).join(", "),
  call: async (name, args) => {
    const result = await inspect("--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args));
    return (result.isError ? "error: " : "") + result.content.map((part) => part.text).join(" ");
  },
  prompt: async (name, args) => {
    const pairs = Object.entries(args).map(([key, value]) => `${key}=${value}`);
    const result = await inspect("--method", "prompts/get", "--prompt-name", name, "--prompt-args", ...pairs);
    return result.messages.map((message) => message.content.text).join(" ");
  },
  expire,
});
