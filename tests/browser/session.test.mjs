// Who signed in stays signed in.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  accessToken, eventTypes, expireToken, fetchEmail, nextAccessToken, openBrowser,
  readPageData, refreshToken, signIn, testBothModes,
} from "./support/browser.mjs";
import { email, otherSiteOrigin } from "./support/settings.mjs";
import { decodeClaims, generationOf } from "./support/stack.mjs";

testBothModes("sign in, call, refresh, sign out", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open();
  assert.equal(await accessToken(page), null);
  assert.equal(await signIn(page), null);
  assert.equal(await fetchEmail(page), email);
  assert.equal(network.refreshes.filter(({ status }) => status === 200).length, 0);

  const first = await accessToken(page);
  await expireToken(page);
  assert.equal(await fetchEmail(page), email);
  const second = await accessToken(page);
  assert.notEqual(second, first);
  assert.equal(decodeClaims(second).sid, decodeClaims(first).sid);
  assert.equal(generationOf(await refreshToken(page, mode)), 1);

  await page.evaluate(() => relatch.signOut());
  assert.equal(await accessToken(page), null);
  assert.equal(await fetchEmail(page), 401);
  assert.equal(await refreshToken(page, mode), null);
  assert.deepEqual(await eventTypes(page), ["signed-in", "refreshed", "signed-out"]);
});

testBothModes("a reload signs nobody out", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open();
  await signIn(page);
  const before = network.refreshes.length;
  await page.reload();
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), true);
  assert.equal(await fetchEmail(page), email);
  // Web Storage has the access token as well; in cookie mode it was in the page.
  assert.equal(network.refreshes.length - before, mode === "body" ? 0 : 1);
  // Again and again, also while it is asking.
  for (let time = 0; time < 5; time += 1) {
    await expireToken(page);
    await page.evaluate(() => void relatch.accessToken().catch(() => {}));
    await page.reload();
  }
  assert.equal(await fetchEmail(page), email);
});

test("what is kept in memory ends with the page", async (t) => {
  const { network, open } = await openBrowser(t, "body", { storage: "memory" });
  const page = await open();
  await signIn(page);
  assert.equal(await fetchEmail(page), email);
  assert.ok(!(await readPageData(page)).includes("eyJ"));
  await page.reload();
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), false);
  assert.equal(await accessToken(page), null);
  assert.equal(network.refreshes.length, 0);
});

test("the page of another site that is on the list signs in, but not with a cookie", async (t) => {
  const { network, open } = await openBrowser(t, "body");
  const page = await open({ at: otherSiteOrigin });
  assert.equal(await signIn(page), null);
  assert.equal(await fetchEmail(page), email);
  assert.equal(typeof (await nextAccessToken(page)), "string");

  const another = await open({ at: otherSiteOrigin, mode: "cookie" });
  assert.deepEqual(await signIn(another), { code: "invalid_request", status: 400 });
  assert.ok(network.posts("/signin").every(({ setsCookie }) => !setsCookie));
});
