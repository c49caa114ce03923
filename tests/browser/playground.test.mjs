// The playground of the local stack, as somebody uses it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { openBrowser } from "./support/browser.mjs";
import { email, password, stackUrl } from "./support/settings.mjs";
import { refresh, waitFor, waitForRetryWindow } from "./support/stack.mjs";

/** A browser whose tabs are opened at the playground; what goes wrong in them is in `errors`. */
async function openPlayground(t) {
  const { context } = await openBrowser(t);
  const errors = [];
  const open = async () => {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      // An answer of 4xx is one, too, and what the page is there to show.
      if (message.type() === "error" && !message.text().startsWith("Failed to load")) errors.push(message.text());
    });
    await page.goto(`${stackUrl}/`);
    return page;
  };
  return { open, errors };
}

async function signIn(page) {
  await page.fill("#email", email);
  await page.fill("#password", password);
  // As with the keyboard.
  await page.press("#password", "Enter");
  await waitForText(page, "#who", email);
}

function waitForText(page, selector, text) {
  return waitFor(async () => (await page.textContent(selector)).includes(text));
}

test("the playground shows tokens, a refresh after a 401, and a theft being caught", async (t) => {
  const { open, errors } = await openPlayground(t);
  const page = await open();
  await signIn(page);
  await waitForText(page, "#access-countdown", "Expires in");
  await waitForText(page, "#access-claims", "user_email");
  await waitForText(page, "#refresh-countdown", "Generation 0");

  await page.click("#steal");
  await page.click("#call-damaged");
  await waitForText(page, "#answer", "200: {");
  await waitForText(page, "#refresh-countdown", "Generation 1");
  const logText = await page.textContent("#log");
  for (const part of ["/userinfo 401", "/refresh 200", "refreshed"]) assert.ok(logText.includes(part), logText);

  await waitForRetryWindow();
  const ownToken = await page.textContent("#refresh-token");
  await page.click("#device-refresh");
  await waitForText(page, "#device-answer", "invalid_grant");
  assert.equal((await refresh(ownToken)).error, "invalid_grant");
  assert.deepEqual(errors, []);
});

test("the playground in cookie mode shows no refresh token, and its tabs follow each other", async (t) => {
  const { open, errors } = await openPlayground(t);
  const page = await open();
  await page.check("#mode-cookie");
  await signIn(page);
  await waitForText(page, "#refresh-countdown", "Cookie mode");
  await waitForText(page, "#document-cookie", "(nothing)");
  assert.equal(await page.textContent("#refresh-token"), "");
  assert.ok(await page.isDisabled("#steal"));

  const other = await open();
  await waitForText(other, "#who", email);
  await other.click("#sign-out");
  await waitFor(() => page.isVisible("#signed-out"));
  assert.deepEqual(errors, []);
});

test("the playground ends another session, and loses what it is told to lose", async (t) => {
  const { open, errors } = await openPlayground(t);
  const page = await open();
  await signIn(page);
  await page.click("#device-sign-in");
  await waitForText(page, "#sessions", "the second device's");
  const [endButton] = await page.locator("#sessions li", { hasText: "the second device's" }).getByRole("button").all();
  await endButton.click();
  await waitForText(page, "#status", "Ended");
  await page.click("#device-refresh");
  await waitForText(page, "#device-answer", "invalid_grant");

  await page.selectOption("#loss", "0.8");
  await page.check("#lossy");
  await waitFor(async () => {
    await page.click("#call");
    return (await page.textContent("#log")).includes("lost");
  });
  await page.uncheck("#lossy");
  await waitFor(async () => {
    await page.click("#call");
    return (await page.textContent("#answer")).startsWith("200");
  });
  assert.deepEqual(errors, []);
});
