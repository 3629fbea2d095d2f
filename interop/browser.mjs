// Drives step 11 with a real browser. It stands in for the user: step 11 starts
// the system's opener, which here leaves the URL in a file; Chromium opens it,
// and what a person would do with mouse or keyboard happens on the pages.
//
// usage: node browser.mjs SETTINGS, a JSON object of
//   step11       path of the program
//   server       URL of the MCP server
//   issuer       of the provider
//   provider     "embedded" or "keycloak"
//   work         folder for what is temporary
//   chromium     path of the browser
//   screenshots  folder for pictures, or ""
//   pictures     folder for the pictures of the README, or ""
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { launch, loopback } from "./chromium.mjs";

const settings = JSON.parse(process.argv[2]);
const embedded = settings.provider === "embedded";
const patience = 60_000; // ms for anything that is waited for
const user = { name: "mcp-user", password: "user123" };
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// ---- What must not happen ----------------------------------------------------

// What the pages asked for outside of this machine. The browser would not find
// it: its resolver knows loopback alone.
const strayed = [];

// What the pages complain about: errors of scripts and of loading, violations of
// the content security policy. That a page itself came with a status of 400 or
// more is none.
const complaints = [];

function listenTo(context) {
  context.on("request", (request) => loopback.test(request.url()) || strayed.push(request.url()));
  context.on("console", (message) => {
    const itself = message.text().startsWith("Failed to load resource") && message.location().url === message.page()?.url();
    if (message.type() === "error" && !itself) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
}

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

// ---- Step 11, and the browser that it opens ----------------------------------

const openers = join(settings.work, "openers");
await mkdir(openers, { recursive: true });
await writeFile(join(openers, "xdg-open"), '#!/bin/sh\nprintf %s "$1" >"$OPENED.new" && mv "$OPENED.new" "$OPENED"\n');
await chmod(join(openers, "xdg-open"), 0o755);

// start starts step 11. opened() waits for the URL that it opens; ended() for
// its end, and tells the exit status and what it wrote.
async function start(...flags) {
  const home = await mkdtemp(join(settings.work, "step11-"));
  const file = join(home, "opened");
  const process_ = spawn(settings.step11, ["--server", settings.server, "--timeout", "2m", ...flags], {
    env: { PATH: `${openers}:${process.env.PATH}`, HOME: home, OPENED: file },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let over = false;
  for (const stream of [process_.stdout, process_.stderr]) stream.on("data", (piece) => (text += piece));
  const end = once(process_, "close").then(([status]) => {
    over = true;
    return { status, text };
  });
  return {
    async opened() {
      for (const until = Date.now() + patience; ; await pause(50)) {
        const url = await readFile(file, "utf8").catch(() => "");
        if (url) {
          await rm(file);
          return url;
        }
        if (over || Date.now() > until) throw new Error(`step 11 opened no browser:\n${text}`);
      }
    },
    async ended() {
      const late = setTimeout(() => process_.kill(), patience);
      try {
        return await end;
      } finally {
        clearTimeout(late);
      }
    },
    stop: () => process_.kill(),
  };
}

const browser = await launch(settings.chromium);

// visitor is a browser without history, in a window of the usual size.
async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(patience);
  listenTo(context);
  return context;
}

// ---- The pages of the provider -----------------------------------------------

const pages = embedded
  ? {
      async login(page, name, password) {
        await page.getByLabel("User name").fill(name);
        await page.getByLabel("Password").fill(password);
        await page.getByRole("button", { name: "Log in" }).click();
      },
      allow: (page) => page.getByRole("button", { name: "Allow" }),
      cancel: (page) => page.getByRole("button", { name: "Cancel" }),
    }
  : {
      async login(page, name, password) {
        await page.locator("#username").fill(name);
        await page.locator("#password").fill(password);
        await page.locator("#kc-login").click();
      },
      allow: (page) => page.locator('[name="accept"]'),
      cancel: (page) => page.locator('[name="cancel"]'),
    };

const back = (page) => page.getByRole("heading", { name: "Back to the terminal" }).waitFor();

// look goes over a page as it is shown: at the width of a screen, a phone and a
// small phone, dark and light. Our own pages must fit and be accessible.
async function look(page, name) {
  const size = page.viewportSize();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 390, 320]) {
      await page.setViewportSize({ width, height: 800 });
      if (settings.screenshots && width !== 320) {
        await page.screenshot({ path: join(settings.screenshots, `${settings.provider}-${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
      if (!embedded) continue;
      const needs = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needs <= width, `${name}: ${needs} px wide in a window of ${width}`);
    }
    if (!embedded) continue;
    const found = await page.evaluate(`${axe}; axe.run()`);
    assert.ok(found.passes.length > 0, `${name}: axe looked at nothing`);
    assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes[0].html}`), [], `${name}, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(size);
}

// picture leaves a page as the README shows it.
async function picture(page, name, viewport) {
  if (!settings.pictures) return;
  const size = page.viewportSize();
  await page.setViewportSize(viewport);
  for (const [colorScheme, ending] of [
    ["light", ""],
    ["dark", "-dark"],
  ]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join(settings.pictures, `${name}${ending}.png`) });
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(size);
}

// ---- Checks ------------------------------------------------------------------

let passed = 0;
let failed = 0;

async function check(what, test) {
  try {
    await test();
    passed++;
    console.log(`ok    ${settings.provider}  ${what}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${settings.provider}  ${what}\n      ${String(error.message ?? error).replaceAll("\n", "\n      ").slice(-2000)}`);
  }
}

// authorizationURL registers a client with a redirect URI, and is where it sends
// its user.
async function authorizationURL(redirect) {
  const metadata = await (await fetch(`${settings.issuer}/.well-known/openid-configuration`)).json();
  const answer = await fetch(metadata.registration_endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ client_name: "A client of the test", redirect_uris: [redirect], token_endpoint_auth_method: "none" }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  const url = new URL(metadata.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: (await answer.json()).client_id,
    redirect_uri: redirect,
    scope: "mcp:read",
    resource: settings.server,
    state: "a state",
    code_challenge: createHash("sha256").update("v".repeat(43)).digest("base64url"),
    code_challenge_method: "S256",
  });
  return url.href;
}

// flow runs step 11 beside a browser: play gets the page, on the URL that step
// 11 opened, and step 11 must then end as wanted.
async function flow({ flags = [], status = 0, says, context, play }) {
  const own = context ?? (await visitor());
  const client = await start(...flags);
  try {
    const page = await own.newPage();
    await page.goto(await client.opened());
    await play(page, client);
    const end = await client.ended();
    assert.equal(end.status, status, end.text);
    assert.match(end.text, says);
  } finally {
    client.stop();
    if (!context) await own.close();
  }
}

const fresh = ["--store", "none"];

const context = await visitor();
const kept = ["--store", join(settings.work, "store")];
await check("login, consent, callback: the client lists the tools", () =>
  flow({
    flags: kept,
    context,
    says: /^ *echo +\S/m,
    async play(page) {
      await look(page, "login");
      await pages.login(page, user.name, user.password);
      await pages.allow(page).waitFor();
      await look(page, "consent");
      if (embedded) assert.match(await page.innerText("main"), new RegExp(`At ${settings.server}, it will be`));
      await pages.allow(page).click();
      await back(page);
      await look(page, "callback");
    },
  }),
);
const report = join(settings.work, "flow.html");
await check("step-up in the same browser: no second login, and the client calls echo", () =>
  flow({
    flags: [...kept, "--call", "echo", "--arg", "message=hi", "--report", report],
    context,
    says: /^ *hi$/m,
    async play(page) {
      await pages.allow(page).waitFor();
      await look(page, "consent-step-up");
      if (embedded) assert.match(await page.innerText("main"), /new/);
      await picture(page, "consent", { width: 390, height: 800 });
      await pages.allow(page).click();
      await back(page);
    },
  }),
);
await context.close();
await check("the report of the flow fits on a screen and on a phone", async () => {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  await page.goto(`file://${report}`);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 800 });
    const needs = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(needs <= width, `${needs} px wide in a window of ${width}`);
  }
  await picture(page, "flow", { width: 1100, height: 780 });
  await page.context().close();
});
await check("cancel: the client says access_denied, and ends with status 3", () =>
  flow({
    flags: fresh,
    status: 3,
    says: /access_denied/,
    async play(page) {
      await pages.login(page, user.name, user.password);
      await pages.cancel(page).click();
      await page.getByRole("heading", { name: "No access" }).waitFor();
      await look(page, "callback-cancelled");
    },
  }),
);

if (embedded) await ownPages();

await check("no page asks for anything outside of loopback", async () => {
  assert.deepEqual(strayed, []);
  // A request that does leave is seen.
  const probe = await visitor();
  const page = await probe.newPage();
  await page.goto("http://example.invalid/").catch(() => {});
  await probe.close();
  assert.deepEqual(strayed, ["http://example.invalid/"]);
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

// ---- The embedded server's pages alone ---------------------------------------

async function ownPages() {
  await check("wrong password: the page says so, keeps the name, and takes the right one", () =>
    flow({
      flags: fresh,
      says: /^ *echo +\S/m,
      async play(page) {
        await pages.login(page, user.name, "wrong");
        await page.getByRole("alert").waitFor();
        await look(page, "login-refused");
        assert.equal(await page.getByLabel("User name").inputValue(), user.name);
        assert.equal(await page.getByLabel("Password").inputValue(), "");
        await page.getByLabel("Password").fill(user.password);
        await page.getByRole("button", { name: "Log in" }).click();
        await pages.allow(page).click();
        await back(page);
      },
    }),
  );

  await check("no JavaScript: all of it works", async () => {
    const context = await visitor({ javaScriptEnabled: false });
    try {
      await flow({
        flags: fresh,
        context,
        says: /^ *echo +\S/m,
        async play(page) {
          await pages.login(page, user.name, user.password);
          await pages.allow(page).click();
          await back(page);
        },
      });
    } finally {
      await context.close();
    }
  });

  await check("keyboard alone: all of it works, and shows where one is", () =>
    flow({
      flags: fresh,
      says: /^ *echo +\S/m,
      async play(page) {
        // The field takes the focus by itself, once the page is drawn.
        await page.waitForFunction(() => document.activeElement === document.querySelector("#username"));
        await page.keyboard.type(user.name);
        await tabTo(page, "Password");
        await page.keyboard.type(user.password);
        await page.keyboard.press("Enter");
        await pages.allow(page).waitFor();
        await tabTo(page, "Allow");
        await page.keyboard.press("Enter");
        await back(page);
      },
    }),
  );

  await check("every field has its label, its purpose and its kind", () =>
    flow({
      flags: fresh,
      status: 3,
      says: /access_denied/,
      async play(page) {
        const fields = await page.evaluate(() =>
          [...document.querySelectorAll("input:not([type=hidden])")].map((i) => [i.type, [...i.labels].map((l) => l.innerText).join(), i.autocomplete]),
        );
        assert.deepEqual(fields, [
          ["text", "User name", "username"],
          ["password", "Password", "current-password"],
        ]);
        await pages.login(page, user.name, user.password);
        await pages.cancel(page).click();
      },
    }),
  );

  await check("back and once more: the code is given out once", () =>
    flow({
      flags: fresh,
      says: /^ *echo +\S/m,
      async play(page, client) {
        await pages.login(page, user.name, user.password);
        await pages.allow(page).click();
        await back(page);
        assert.equal((await client.ended()).status, 0);
        await page.goBack();
        await page.reload().catch(() => {});
        assert.equal(await pages.allow(page).count(), 0, "the consent can be given a second time");
      },
    }),
  );

  await check("a request that can't be trusted: the page explains, and goes nowhere", async () => {
    const context = await visitor();
    const client = await start(...fresh);
    try {
      const page = await context.newPage();
      const url = new URL(await client.opened());
      url.searchParams.set("redirect_uri", "https://elsewhere.example/callback");
      await page.goto(url.href);
      await page.getByRole("alert").waitFor();
      await look(page, "problem");
      assert.equal(new URL(page.url()).host, url.host);
    } finally {
      client.stop();
      await context.close();
    }
  });

  await check("WA6: the client's callback may send the browser on to another site", async () => {
    const context = await visitor();
    // localhost and 127.0.0.1 are two sites.
    const elsewhere = createServer((request, response) => response.end("the client's own page"));
    const goal = `http://127.0.0.1:${await listen(elsewhere)}/done`;
    const callback = createServer((request, response) => response.writeHead(302, { Location: goal }).end());
    const redirect = `http://localhost:${await listen(callback)}/callback`;
    try {
      const page = await context.newPage();
      await page.goto(await authorizationURL(redirect));
      await pages.login(page, user.name, user.password);
      await pages.allow(page).click();
      await page.waitForURL(goal);
      assert.equal(await page.textContent("body"), "the client's own page");
    } finally {
      await context.close();
      elsewhere.close();
      callback.close();
    }
  });

  await check("the pages themselves raised no error and broke no policy", async () => {
    assert.deepEqual(complaints, []);
    // An error that is raised is seen.
    const probe = await visitor();
    const page = await probe.newPage();
    await page.evaluate(() => console.error("a probe"));
    await probe.close();
    assert.deepEqual(complaints.splice(0), ["a probe"]);
  });

  await check("no other site can frame the login page", async () => {
    const context = await visitor();
    const client = await start(...fresh);
    // localhost and 127.0.0.1 are two sites.
    const frames = createServer((request, response) => {
      const victim = new URL(request.url, "http://localhost").searchParams.get("victim");
      response.setHeader("Content-Type", "text/html");
      response.end(victim ? `<iframe name="victim" src="${victim.replaceAll("&", "&amp;")}"></iframe>` : "<input>");
    });
    const site = `http://127.0.0.1:${await listen(frames)}`;
    try {
      const login = await client.opened();
      for (const [victim, framed] of [
        [`${site}/harmless`, true],
        [login, false],
      ]) {
        const page = await context.newPage();
        await page.goto(`${site}/?victim=${encodeURIComponent(victim)}`, { waitUntil: "load" });
        const [, frame] = page.frames();
        assert.equal(frame.url() === victim, framed, `${victim} in a frame is ${frame.url()}`);
        assert.equal(await frame.locator("input:visible").count(), framed ? 1 : 0, "fields in the frame");
      }
    } finally {
      client.stop();
      frames.close();
      frames.closeAllConnections();
      await context.close();
    }
    assert.match(complaints.splice(0).join("\n"), /frame-ancestors|X-Frame-Options/i);
  });
}

// tabTo presses Tab until a field or button has the focus, which must be seen.
async function tabTo(page, name) {
  for (let presses = 0; presses < 10; presses++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      return { name: it.labels?.[0]?.innerText ?? it.innerText, outline: getComputedStyle(it).outlineStyle };
    });
    if (at.name === name) {
      assert.notEqual(at.outline, "none", `nobody sees that ${name} has the focus`);
      return;
    }
  }
  throw new Error(`Tab doesn't lead to ${name}`);
}
