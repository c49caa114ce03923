// The playground of the local stack, as somebody uses it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { scene } from "./support/scene.mjs";
import { email, password, stack } from "./support/settings.mjs";
import { refresh, until, windowPasses } from "./support/stack.mjs";

/** A browser whose tabs are opened at the playground; what goes wrong in them is in `errors`. */
async function playground(t) {
  const { context } = await scene(t);
  const errors = [];
  const open = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      // An answer of 4xx is one, too, and what the page is there to show.
      if (message.type() === "error" && !message.text().startsWith("Failed to load")) errors.push(message.text());
    });
    await page.goto(`${stack}/`);
    return page;
  };
  return { open, errors };
}

async function signIn(page) {
  await page.fill("#email", email);
  await page.fill("#password", password);
  // As with the keyboard.
  await page.press("#password", "Enter");
  await says(page, "#who", email);
}

function says(page, place, text) {
  return until(async () => (await page.textContent(place)).includes(text));
}

test("the playground shows tokens, a refresh after a 401, and a theft being caught", async (t) => {
  const { open, errors } = await playground(t);
  const page = await open();
  await signIn(page);
  await says(page, "#access-countdown", "Expires in");
  await says(page, "#access-claims", "user_email");
  await says(page, "#refresh-countdown", "Generation 0");

  await page.click("#steal");
  await page.click("#call-damaged");
  await says(page, "#answer", "200: {");
  await says(page, "#refresh-countdown", "Generation 1");
  const happened = await page.textContent("#log");
  for (const part of ["/userinfo 401", "/refresh 200", "refreshed"]) assert.ok(happened.includes(part), happened);

  await windowPasses();
  const mine = await page.textContent("#refresh-token");
  await page.click("#device-refresh");
  await says(page, "#device-answer", "invalid_grant");
  assert.equal((await refresh(mine)).error, "invalid_grant");
  assert.deepEqual(errors, []);
});

test("the playground in cookie mode shows no refresh token, and its tabs follow each other", async (t) => {
  const { open, errors } = await playground(t);
  const page = await open();
  await page.check("#mode-cookie");
  await signIn(page);
  await says(page, "#refresh-countdown", "Cookie mode");
  await says(page, "#document-cookie", "(nothing)");
  assert.equal(await page.textContent("#refresh-token"), "");
  assert.ok(await page.isDisabled("#steal"));

  const other = await open();
  await says(other, "#who", email);
  await other.click("#sign-out");
  await until(() => page.isVisible("#signed-out"));
  assert.deepEqual(errors, []);
});

test("the playground ends another session, and loses what it is told to lose", async (t) => {
  const { open, errors } = await playground(t);
  const page = await open();
  await signIn(page);
  await page.click("#device-sign-in");
  await says(page, "#sessions", "the second device's");
  const [end] = await page.locator("#sessions li", { hasText: "the second device's" }).getByRole("button").all();
  await end.click();
  await says(page, "#status", "Ended");
  await page.click("#device-refresh");
  await says(page, "#device-answer", "invalid_grant");

  await page.selectOption("#loss", "0.8");
  await page.check("#lossy");
  await until(async () => {
    await page.click("#call");
    return (await page.textContent("#log")).includes("lost");
  });
  await page.uncheck("#lossy");
  await until(async () => {
    await page.click("#call");
    return (await page.textContent("#answer")).startsWith("200");
  });
  assert.deepEqual(errors, []);
});
