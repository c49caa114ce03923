// What script in the page can get at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { eventTypes, nextAccessToken, openBrowser, readPageData, refreshToken, signIn } from "./support/browser.mjs";

test("in cookie mode no script can read the refresh token", async (t) => {
  const { network, context, open } = await openBrowser(t, "cookie");
  const [page, other] = await Promise.all([open(), open()]);
  // What other scripts of the page can listen to.
  await page.evaluate(() => {
    globalThis.received = [];
    const channel = new BroadcastChannel(`relatch ${new URLSearchParams(location.search).get("baseUrl")}`);
    channel.onmessage = ({ data }) => received.push(data);
    addEventListener("storage", ({ newValue }) => received.push(newValue));
  });
  await signIn(other);
  assert.equal(typeof (await nextAccessToken(other)), "string");
  assert.equal(typeof (await nextAccessToken(page)), "string");
  const token = await refreshToken(page, "cookie");

  const received = await page.evaluate(() => JSON.stringify(received));
  assert.ok(received.includes("eyJ"), "the access token is told");
  assert.ok(!received.includes(token.split(".")[2]));
  for (const tab of [page, other]) {
    const pageData = await readPageData(tab);
    assert.match(pageData, /"relatch http/);
    assert.ok(!pageData.includes("eyJ"), pageData);
    assert.equal(await tab.evaluate(() => document.cookie), "");
  }
  const exchanges = [...network.posts("/signin"), ...network.refreshes].filter(({ status }) => status === 200);
  assert.ok(exchanges.length >= 2);
  for (const { fieldNames } of exchanges) assert.ok(!fieldNames.includes("refresh_token"), fieldNames.join());

  const [cookie, ...others] = await context.cookies();
  assert.deepEqual(others, []);
  const { httpOnly, sameSite, path, domain } = cookie;
  assert.deepEqual([httpOnly, sameSite, path, domain], [true, "Strict", "/", "127.0.0.1"]);
});

test("in body mode a storage keeps it, as documented", async (t) => {
  const { open } = await openBrowser(t, "body");
  const page = await open();
  await signIn(page);
  assert.ok((await readPageData(page)).includes(await refreshToken(page, "body")));
  assert.deepEqual(await page.context().cookies(), []);
  await page.evaluate(() => relatch.signOut());
  assert.ok(!(await readPageData(page)).includes("eyJ"));
  assert.deepEqual(await eventTypes(page), ["signed-in", "signed-out"]);
});
