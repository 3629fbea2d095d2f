// Follows the flow in the tour as its visitors do: connects, logs in at the
// authorization server in the same browser, steps up, and takes the checks away.
import assert from "node:assert/strict";

// logIn follows the link of the tour, logs in and allows, in the tab that it opens.
async function logIn(context, page) {
  const link = page.getByRole("link", { name: "Log in at the authorization server" });
  await link.waitFor();
  const [tab] = await Promise.all([context.waitForEvent("page"), link.click()]);
  const allow = tab.getByRole("button", { name: "Allow" });
  await tab.locator("#username").or(allow).first().waitFor();
  if (await tab.locator("#username").count()) {
    await tab.locator("#username").fill("mcp-user");
    await tab.locator("#password").fill("user123");
    await tab.locator("#password").press("Enter");
  }
  await allow.click();
  await tab.getByRole("heading", { name: "Back to the tour" }).waitFor();
  await tab.close();
}

const arrows = (page) => page.locator("details.arrow").count();

// follow goes the whole way in one view.
export async function follow(context, tour, name, { look, shoot }) {
  const page = await context.newPage();
  await page.goto(`${tour.url}/flow/`);
  await page.getByRole("button", { name: /^Connect/ }).click();
  await page.getByRole("link", { name: "Log in at the authorization server" }).waitFor();
  await page.getByText("The client sends the user's browser").first().waitFor();

  // An arrow opens by keyboard, and stays open while the diagram grows.
  const first = page.locator("details.arrow").first();
  await first.locator("summary").focus();
  await page.keyboard.press("Enter");
  await first.getByText("WWW-Authenticate").first().waitFor();
  await shoot(page, `flow-login-${name}`, false);
  await logIn(context, page);
  await page.getByText("The server lists 3 tools").waitFor();
  assert.equal(await first.getAttribute("open"), "", "the arrow that was opened is closed");

  const before = await arrows(page);
  await page.getByRole("button", { name: "Call a tool" }).click();
  await logIn(context, page);
  await page.locator("#flow-state", { hasText: "The tool echo ran" }).waitFor();
  assert.ok((await arrows(page)) >= before + 4, "the step-up is not drawn");
  await page.locator(".code", { hasText: "403 Forbidden" }).waitFor();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await look(page, `flow-${name}-${colorScheme}`);
    await shoot(page, `flow-${name}-${colorScheme}`);
  }
  await page.getByRole("button", { name: "Give everything back" }).click();
  await page.getByText("The token is revoked").waitFor();

  // After a reload everything is there without a script.
  const drawn = await arrows(page);
  await page.reload();
  assert.equal(await arrows(page), drawn, "the diagram is another one after a reload");
  await page.close();
}

// stepByStep presses for each exchange.
export async function stepByStep(context, tour, { look, shoot }) {
  const page = await context.newPage();
  await page.goto(`${tour.url}/step/11/flow`);
  await page.getByLabel("Step by step").check();
  await page.getByRole("button", { name: /^Connect/ }).click();
  for (let pressed = 1; pressed <= 3; pressed++) {
    await page.getByRole("heading", { name: "The client waits for you" }).waitFor();
    await page.locator("details.arrow").nth(pressed - 1).waitFor();
    assert.equal(await arrows(page), pressed, "the client did not wait");
    if (pressed === 2) {
      await look(page, "flow-step-by-step");
      await shoot(page, "flow-step-by-step");
    }
    const next = page.getByRole("button", { name: "Next step" });
    await (pressed === 1 ? next.click() : page.keyboard.press("Enter")); // it keeps the focus
  }
  await page.getByRole("button", { name: "Go on without stopping" }).click();
  await logIn(context, page);
  await page.getByText("The server lists 3 tools").waitFor();
  await page.close();
}

// takeAway takes each of the checks away, and reads what the attacker gets.
export async function takeAway(context, tour, { look, shoot }) {
  const page = await context.newPage();
  await page.goto(`${tour.url}/flow/`);
  const cards = page.locator('section[id^="check-"]');
  assert.equal(await cards.count(), 3);
  for (const id of await cards.evaluateAll((all) => all.map((each) => each.id))) {
    const card = page.locator(`#${id}`);
    await card.getByRole("button", { name: "Take it out, and attack" }).click();
    await card.getByRole("button", { name: "Attack again" }).waitFor();
    const outcomes = await card.locator(".place").evaluateAll((all) => all.map((each) => each.className.replace("place ", "")));
    assert.ok(outcomes.length >= 2, id);
    outcomes.forEach((outcome, i) => assert.equal(outcome, i % 2 ? "in" : "out", `${id}: ${outcomes}`));
  }
  await look(page, "flow-checks");
  await shoot(page, "flow-checks");
  await page.close();
}
