// Drives the window of MCP Inspector.
//
// usage: node window.mjs SETTINGS, a JSON object of
//   server     URL of the MCP server
//   issuer     of the provider
//   provider   "embedded" or "keycloak"
//   inspector  path of the program
//   chromium   path of the browser
//   port, sandbox  free ports
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { launch } from "./chromium.mjs";

const settings = JSON.parse(process.argv[2]);
const embedded = settings.provider === "embedded";
const patience = 60_000; // ms for anything that is waited for

// start starts Inspector in an era, and returns the address of its window.
async function start(era) {
  const program = spawn(
    process.execPath,
    [settings.inspector, "--web", "--server-url", settings.server, "--transport", "http", "--protocol-era", era],
    {
      env: { ...process.env, CLIENT_PORT: settings.port, MCP_SANDBOX_PORT: settings.sandbox },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const ended = once(program, "exit");
  const stop = async () => {
    program.kill();
    await ended;
  };
  let text = "";
  const address = new Promise((resolve, reject) => {
    for (const stream of [program.stdout, program.stderr]) {
      stream.on("data", (piece) => {
        text += piece;
        const found = /http:\/\/\S*MCP_INSPECTOR_API_TOKEN=\w+/.exec(text);
        if (found) resolve(found[0]);
      });
    }
    ended.then(() => reject(new Error(`Inspector ended instead of starting:\n${text}`)));
    setTimeout(() => reject(new Error(`Inspector shows no address:\n${text}`)), patience).unref();
  });
  return { address: await address, stop };
}

async function logIn(page) {
  await page.waitForURL((url) => url.href.startsWith(settings.issuer));
  await page.locator("#username").fill("mcp-user");
  await page.locator("#password").fill("user123");
  await page.locator("#password").press("Enter");
  await allow(page);
}

const allow = (page) => (embedded ? page.getByRole("button", { name: "Allow" }) : page.locator('[name="accept"]')).click();

let passed = 0;
let failed = 0;

async function check(what, test) {
  try {
    await test();
    passed++;
    console.log(`ok    ${settings.provider}  ${what}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${settings.provider}  ${what}\n      ${String(error.message ?? error).replaceAll("\n", "\n      ").slice(0, 2000)}`);
  }
}

const browser = await launch(settings.chromium);
for (const [era, revision] of [
  ["legacy", "2025-11-25"],
  ["modern", "2026-07-28"],
]) {
  const inspector = await start(era);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  const execute = async () => {
    await page.getByRole("textbox", { name: "message", exact: true }).fill("from the window");
    await page.getByRole("button", { name: "Execute Tool" }).click();
  };

  await check(`${revision}: connects from the URL alone`, async () => {
    await page.goto(inspector.address);
    await page.getByRole("switch", { name: /^Connect/ }).click({ force: true });
    await logIn(page);
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.getByText(`MCP ${revision}`).waitFor();
  });
  await check(`${revision}: lists the tools`, async () => {
    await page.getByText("Tools", { exact: true }).click();
    await page.getByRole("heading", { name: "Tools (3)" }).waitFor();
  });
  await check(`${revision}: calls echo${embedded ? ", after a step-up" : ""}`, async () => {
    await page.getByRole("button", { name: "Echo echo" }).click();
    await execute();
    if (embedded) {
      const dialog = page.getByRole("dialog", { name: "Additional permissions required" });
      assert.match(await dialog.innerText(), /mcp:tools/);
      await dialog.getByRole("button", { name: "Authorize" }).click();
      await page.waitForURL((url) => url.href.startsWith(settings.issuer));
      await allow(page);
      await page.getByText("Step-up authorization succeeded").waitFor();
      await execute();
    }
    await page.getByText("from the window").last().waitFor();
    await page.getByText(/(OK|Complete)\s*tools\/call/i).first().waitFor();
  });
  await context.close();
  await inspector.stop();
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
