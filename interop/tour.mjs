// Goes through the tour as its visitors do.
//
// usage: node tour.mjs SETTINGS, a JSON object of
//   tour         path of the program
//   chromium     path of the browser
//   screenshots  folder for pictures, or ""
//   quick        "yes" for a few pages in two views, or ""
//   pictures     folder for the pictures of README and docs, which are then all that is
//                done, or ""
//   work         folder for what is temporary
//   gopath, gocache  where go keeps its things
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { launch, loopback } from "./chromium.mjs";
import { follow, stepByStep, takeAway } from "./flow.mjs";

const settings = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const patience = 120_000; // ms for anything that is waited for

// ---- The tour ------------------------------------------------------------------

async function startTour() {
  const child = spawn(settings.tour, ["-addr", "127.0.0.1:0", "-browser=false"], {
    env: { ...process.env, GOPATH: settings.gopath, GOCACHE: settings.gocache, XDG_CONFIG_HOME: join(settings.work, "config"), TMPDIR: settings.work },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let text = "";
  child.stderr.on("data", (piece) => (text += piece));
  for (const until = Date.now() + patience; ; await pause(50)) {
    const link = text.match(/http:\S+\/start\?key=\S+/);
    if (link) return { child, link: link[0], url: new URL(link[0]).origin, text: () => text };
    if (child.exitCode !== null || Date.now() > until) throw new Error(`the tour did not start:\n${text}`);
  }
}

// ---- What must not happen --------------------------------------------------------

const strayed = []; // requests to other machines
const complaints = []; // errors in the console, reports of the content security policy

function listenTo(context) {
  context.setDefaultTimeout(patience);
  context.setDefaultNavigationTimeout(patience);
  context.on("request", (request) => loopback.test(request.url()) || strayed.push(request.url()));
  context.on("console", (message) => {
    const itself = message.text().startsWith("Failed to load resource") && message.location().url === message.page()?.url();
    if (message.type() === "error" && !itself) complaints.push(`${message.page()?.url()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(`${error.page()?.url()}: ${error.error()}`));
}

// look holds a page against what all pages must be like.
async function look(page, name) {
  const found = await page.evaluate(`${axe}; axe.run({ resultTypes: ["violations"] })`);
  for (const violation of found.violations) {
    if (violation.impact === "serious" || violation.impact === "critical") {
      complaints.push(`${name}: axe: ${violation.id}: ${violation.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
    }
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) complaints.push(`${name}: ${wide} pixels wider than the screen`);
  const headings = await page.locator("h1").count();
  if (headings !== 1) complaints.push(`${name}: ${headings} headings of the first level`);
}

const shoot = async (page, name, fullPage = true) => {
  if (!settings.screenshots) return;
  await mkdir(settings.screenshots, { recursive: true });
  await page.screenshot({ path: join(settings.screenshots, `${name}.png`), fullPage });
};

// ---- Every page --------------------------------------------------------------------

const views = settings.quick
  ? [{ width: 360, colorScheme: "light" }, { width: 1440, colorScheme: "dark" }]
  : [360, 768, 1440].flatMap((width) => ["light", "dark"].map((colorScheme) => ({ width, colorScheme })));

// pages are those that links of the tour lead to. Sources of the repository are one kind
// of page, of which a few do.
async function findPages(request, url) {
  const seen = new Set(["/"]);
  const queue = ["/"];
  let sources = 0;
  while (queue.length) {
    const path = queue.shift();
    const answer = await request.get(url + path, { timeout: patience }); // what it shows may be compiled first
    if (answer.status() !== 200) complaints.push(`${path}: status ${answer.status()}`);
    if (!(answer.headers()["content-type"] ?? "").startsWith("text/html")) continue;
    const html = await answer.text();
    for (const [, href] of html.matchAll(/<a [^>]*?href="([^"#]+)[^"]*"/g)) {
      if (!href.startsWith("/") || seen.has(href)) continue;
      if (href.startsWith("/source/") && ++sources > 150) continue;
      seen.add(href);
      queue.push(href);
    }
  }
  return [...seen];
}

// some are the pages that are looked at in all views; of the kinds of which there are
// many, a few.
const some = (pages) =>
  pages.filter((path) => !path.startsWith("/source/") && !/^\/docs\/(providers\/|catalogue|matrix)|\?dialect=/.test(path)).concat(
    pages.filter((path) => path.startsWith("/source/")).slice(0, 2),
  );

// Pages of one kind for each step or document are looked at in two of six views: at two
// widths, in both schemes, and each view has a third of them.
const many = /^\/(docs\/|step\/(?!6(\/|$)))/;
const inView = (path, nth, view) => settings.quick || !many.test(path) || nth % 3 === view % 3;

async function everyPage(browser, tour, state) {
  const context = await browser.newContext({ storageState: state });
  const pages = await findPages(context.request, tour.url);
  await context.close();
  const chosen = some(pages).filter((path) => !settings.quick || !/^\/(docs\/|source\/|step\/(?!6(\/|$)))/.test(path));
  console.log(`${pages.length} pages, ${chosen.length} of them looked at in up to ${views.length} views`);
  assert(chosen.includes("/flow/") && chosen.includes("/step/6"), "the pages that links lead to");
  await Promise.all(
    [0, 1].map(async (half) => {
      for (const view of views.filter((_, i) => i % 2 === half)) {
        const context = await browser.newContext({
          storageState: state, viewport: { width: view.width, height: 900 }, colorScheme: view.colorScheme, reducedMotion: "reduce",
        });
        listenTo(context);
        const page = await context.newPage();
        for (const path of chosen.filter((path, nth) => inView(path, nth, views.indexOf(view)))) {
          await page.goto(tour.url + path);
          const name = `${path.replace(/\W+/g, "-").replace(/^-|-$/g, "") || "overview"}-${view.width}-${view.colorScheme}`;
          await look(page, name);
          await shoot(page, name, false);
        }
        await context.close();
      }
    }),
  );
}

// ---- Pictures for README and docs ---------------------------------------------------

// pictures are what the documentation shows of the tour, on a desktop, in light.
async function pictures(browser, tour) {
  const context = await browser.newContext({ viewport: { width: 1160, height: 620 }, colorScheme: "light", reducedMotion: "reduce" });
  listenTo(context);
  const page = await context.newPage();
  const picture = async (name, top) => {
    await top.evaluate((element) => {
      const menu = document.querySelector("header.top").offsetHeight; // it stays at the top
      window.scrollTo(0, element.getBoundingClientRect().top + window.scrollY - menu - 16);
    });
    await page.evaluate(() => document.activeElement?.blur());
    await page.mouse.move(0, 0);
    await page.screenshot({ path: join(settings.pictures, `tour-${name}.png`) });
  };
  await page.goto(tour.link);
  await page.goto(`${tour.url}/`);
  await picture("overview", page.locator("header.top"));

  await page.goto(`${tour.url}/step/6/attack`);
  const attack = page.locator("section.attack", { hasText: "A token for another server" }).first();
  await attack.getByRole("button", { name: "Attack", exact: true }).click();
  await attack.getByRole("button", { name: "Attack again" }).waitFor();
  await page.setViewportSize({ width: 1440, height: 700 }); // the three servers beside one another
  await picture("attack", attack.locator(".places"));
  await context.close();
}

// ---- What a visitor does -----------------------------------------------------------

async function visit(browser, tour, state) {
  const context = await browser.newContext({ storageState: state, viewport: { width: 1440, height: 1000 }, reducedMotion: "reduce" });
  listenTo(context);
  const page = await context.newPage();

  // Each new line of the code says what it is for, by keyboard alone.
  await page.goto(`${tour.url}/step/6/code`);
  const line = page.locator("li.add", { hasText: "bearerauth.Require" });
  await line.focus();
  await line.locator(".why", { hasText: "Ask for a token before anything is read." }).waitFor({ timeout: patience });
  await shoot(page, "code-line", false);
  // What a line is for doesn't cover the line, wherever in the window that is.
  for (const block of ["start", "end"]) {
    await line.evaluate((element, block) => element.scrollIntoView({ block }), block);
    await line.hover();
    const [at, box] = [await line.boundingBox(), await line.locator(".why").boundingBox()];
    assert(box.y >= at.y + at.height || box.y + box.height <= at.y, "what a line is for covers the line");
  }

  // Start a step, send it an attack, read the answer beside it, and stop it.
  await page.goto(`${tour.url}/step/6/run?row=flaw-wrong-audience`);
  await page.getByRole("button", { name: "Start step 6" }).click();
  await page.getByText("listens at").waitFor({ timeout: patience });
  await page.getByRole("button", { name: "Send to step 6" }).click();
  for (const text of ["as the table says", "What changed since step 5", "The challenge, taken apart", "The token that was sent"]) {
    await page.getByText(text).first().waitFor({ timeout: patience });
  }
  await page.locator("#log", { hasText: "wrong audience" }).waitFor({ timeout: patience }); // it comes as a stream
  await look(page, "run-with-answer");
  await shoot(page, "run-with-answer");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.locator("#program .badge", { hasText: "stopped" }).waitFor({ timeout: patience });

  // A token of one's own is checked, and doesn't stay in the URL.
  await page.goto(`${tour.url}/check/`);
  await page.getByLabel("Token", { exact: true }).fill("eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUifQ.c2ln");
  await page.getByRole("button", { name: "Check the token" }).click();
  await page.locator("#token-report", { hasText: "https://id.example" }).waitFor({ timeout: patience });
  assert.equal(page.url(), `${tour.url}/check/`);
  await context.close();
}

// ---- What a visitor breaks -------------------------------------------------------

const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

// Every attack of every step ends as the table states; every flaw is refused at a line;
// exercises are solved; two hundred attacks answer.
async function attacksAndExercises(browser, tour, state) {
  const context = await browser.newContext({ storageState: state, viewport: { width: 1440, height: 1000 }, reducedMotion: "reduce" });
  listenTo(context);
  const page = await context.newPage();
  page.setDefaultTimeout(patience);

  let attacked = 0;
  for (const step of steps) {
    await page.goto(`${tour.url}/step/${step}`);
    if (!(await page.getByRole("link", { name: "Attack", exact: true }).count())) continue;
    await page.goto(`${tour.url}/step/${step}/attack`);
    for (const id of await page.locator("section.attack").evaluateAll((all) => all.map((each) => each.id))) {
      const card = page.locator(`#${id}`);
      await card.getByRole("button", { name: "Attack", exact: true }).click();
      await card.getByRole("button", { name: "Attack again" }).waitFor();
      const outcomes = await card.locator(".place").evaluateAll((all) => all.map((each) => each.className.replace("place ", "")));
      // The first step, the authorization server and the client have no step before.
      assert.equal(outcomes.length, [1, 9, 11].includes(step) ? 2 : 3, `${id}: ${outcomes}`);
      assert.deepEqual([outcomes[0], outcomes.at(-1)], ["in", "out"], id);
      assert.equal(await card.getByText("The table states another outcome").count(), 0, id);
      attacked++;
    }
    await look(page, `attacks of step ${step}`);
    await shoot(page, `attacks-${step}`);
  }
  assert.ok(attacked >= 20, `only ${attacked} attacks`);
  const before = Date.now();
  for (let i = 0; i < 200; i++) {
    const answer = await context.request.post(`${tour.url}/step/6/attack`, { headers: { Origin: tour.url }, form: { attack: "session-without-token" } });
    assert.equal(answer.status(), 200);
  }
  done(`${attacked} attacks in the page; two hundred more answer after ${((Date.now() - before) / 200).toFixed(0)} ms each (goal: 100)`);

  await page.goto(`${tour.url}/token/`);
  const flaws = await page.locator("button[name=flaw]").evaluateAll((all) => all.map((each) => each.value));
  for (const flaw of flaws) {
    await page.locator(`button[name=flaw][value="${flaw}"]`).click();
    await page.locator(`button[name=flaw][value="${flaw}"][aria-pressed]`).waitFor();
    assert.match(await page.locator("#verdict").innerText(), /^Refused by check/, flaw);
    assert.ok(await page.locator(".verdict .line.mark").count(), flaw);
  }
  await look(page, "token bench");
  await shoot(page, "token-bench");
  await page.getByText("A token of your own").click();
  await page.getByLabel("Access token").fill("eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUifQ.c2ln");
  await page.getByRole("button", { name: "Take it apart and check it" }).click();
  await page.getByText("the key and the signature are not checked").waitFor();
  assert.equal(page.url(), `${tour.url}/token/`);
  assert.ok(!tour.text().includes("eyJ"), "a token is in the log");
  done(`${flaws.length} flaws at the token bench`);

  for (const [step, id, answer] of [[1, "e1-1", "from which page"], [6, "e6-1", "for which server"]]) {
    await page.goto(`${tour.url}/step/${step}/break`);
    const card = page.locator(`#${id}`);
    await card.getByRole("button", { name: "Take it out, and attack" }).click();
    await card.getByText("gets in").first().waitFor();
    await card.getByLabel(answer).check();
    await card.getByRole("button", { name: "Answer" }).click();
    await card.getByText("Right: ").waitFor();
    await look(page, `exercise ${id}`);
    await shoot(page, `exercise-${id}`);
    await card.getByRole("button", { name: "Put it back, and attack again" }).click();
    await card.getByRole("button", { name: "Take it out, and attack" }).waitFor();
    assert.equal(await card.getByText("solved", { exact: true }).count(), 1, id);
  }
  await progressIsShared(browser, tour, state, page);
  done("exercises, remembered by the browser and by the exercise file");
  await context.close();
}

// What is solved is in the browser and in the exercise file: what either knows comes to
// the other, nothing else is kept, and both forget.
async function progressIsShared(browser, tour, state, page) {
  const file = join(settings.work, "config", "mcp-auth-step-by-step", "exercises.json");
  const inFile = () => JSON.parse(readFileSync(file, "utf8")).solved.sort();
  const stored = (page) => page.evaluate(() => ({ ...localStorage }));
  const inBrowser = async (page) => JSON.parse((await stored(page))["solved exercises"] ?? "[]").sort();
  assert.deepEqual(await inBrowser(page), ["1.1", "6.1"]);
  assert.deepEqual(Object.keys(await stored(page)), ["solved exercises"]);

  const context = await browser.newContext({ storageState: { cookies: state.cookies, origins: [] } });
  listenTo(context);
  const other = await context.newPage();
  await other.goto(`${tour.url}/step/7`);
  await other.evaluate(() => localStorage.setItem("solved exercises", JSON.stringify(["7.1", "99.9", "<b>"])));
  await other.goto(`${tour.url}/break/`);
  for (const id of ["1.1", "6.1", "7.1"]) await other.locator(`[data-exercise="${id}"][data-solved]`).waitFor();
  assert.deepEqual(inFile(), ["1.1", "6.1", "7.1"]);
  for (const id of inFile()) assert.ok((await inBrowser(other)).includes(id), id);
  await look(other, "solved exercises");
  await shoot(other, "solved-exercises");
  await other.getByRole("button", { name: "Begin anew" }).click();
  await other.getByText(/^0 of \d+ solved$/).waitFor();
  assert.deepEqual(await stored(other), {});
  await assert.rejects(async () => readFileSync(file), /ENOENT/);
  await context.close();
}

// ---- What a visitor follows ------------------------------------------------------

// The whole flow with login at each width, looked at in both schemes; and step by step.
async function theFlow(browser, tour, state) {
  for (const width of settings.quick ? [360] : [360, 768, 1440]) {
    const context = await browser.newContext({ storageState: state, viewport: { width, height: 900 }, reducedMotion: "reduce" });
    listenTo(context);
    await follow(context, tour, `${width}`, { look, shoot });
    if (width === 1440) {
      await stepByStep(context, tour, { look, shoot });
      await takeAway(context, tour, { look, shoot });
    }
    await context.close();
    done(`the flow with login, ${width} pixels wide`);
  }
}

// ---- How long it takes: printed, not asserted -----------------------------------------

// firstPage is what a visitor waits for once the tour is built: the tour, and its first
// page, which the start link leads to. The link is good once; the state is the visitor's.
async function firstPage(browser, tour) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const before = Date.now();
  await page.goto(tour.link);
  done(`the tour says its link after ${started} ms; its first page is there after ${Date.now() - before} ms more (goal: 300)`);
  const state = await context.storageState();
  await context.close();
  return state;
}

// ---- What is left of it --------------------------------------------------------------

const listens = (url) =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port }, () => (socket.destroy(), resolve(true)));
    socket.on("error", () => resolve(false));
  });

// press sends a form of the tour, as its pages do, and returns the page.
async function press(request, tour, path) {
  const answer = await request.post(tour.url + path, { headers: { Origin: tour.url }, timeout: patience });
  assert.equal(answer.status(), 200, path);
  return answer.text();
}

const place = (html) => html.match(/listens at <code>([^<]+)/)?.[1];

// Forty starts leave no program behind; and none outlives the tour that is killed.
async function startsAndTheKill(browser, tour, state) {
  const context = await browser.newContext({ storageState: state });
  const places = [];
  let built = 0; // when each of them has been built
  for (let i = 0; i < 40; i++) {
    const step = 1 + (i % 8);
    const before = Date.now();
    places.push(place(await press(context.request, tour, `/run/start/${step}`)));
    if (i >= 8) built += Date.now() - before;
    assert.ok(await listens(places.at(-1)), `step ${step} doesn't listen`);
    await press(context.request, tour, `/run/stop/${step}`);
  }
  for (const url of places) assert.ok(!(await listens(url)), `${url} still listens`);
  done(`forty starts, and none left; a step that is built starts in ${(built / 32).toFixed(0)} ms (goal: 1000)`);

  const last = [];
  for (const step of [6, 9, 10]) last.push(place(await press(context.request, tour, `/run/start/${step}`)));
  await context.close();
  tour.child.kill("SIGKILL");
  const killed = Date.now();
  for (const url of last) {
    while (await listens(url)) {
      assert.ok(Date.now() - killed < 5000, `${url} outlives the tour by five seconds`);
      await pause(50);
    }
  }
  done(`killed, and all programs were gone after ${Date.now() - killed} ms`);
}

// ---- All of it ---------------------------------------------------------------------

const starting = Date.now();
const tour = await startTour();
const started = Date.now() - starting;
const browser = await launch(settings.chromium);
const began = Date.now();
const done = (what) => console.log(`${((Date.now() - began) / 1000).toFixed(1)} s  ${what}`);
try {
  if (settings.pictures) {
    await pictures(browser, tour);
    assert.deepEqual(complaints, [], "complaints");
  } else {
    await all();
  }
} finally {
  await browser.close();
  if (tour.child.exitCode === null && tour.child.signalCode === null) {
    tour.child.kill("SIGINT");
    await once(tour.child, "exit");
  }
}

async function all() {
  const state = await firstPage(browser, tour);
  await everyPage(browser, tour, state);
  done("every page, in every view");
  await visit(browser, tour, state);
  done("a visit");
  await theFlow(browser, tour, state);
  await attacksAndExercises(browser, tour, state);
  assert.deepEqual(strayed, [], "requests to other machines");
  assert.deepEqual(complaints, [], "complaints");
  await startsAndTheKill(browser, tour, state);
}
