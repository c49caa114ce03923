// Who signed in stays signed in.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  accessToken, expire, inBothModes, inReach, nextAccessToken, refreshToken, scene, signIn, told, whoAmI,
} from "./support/scene.mjs";
import { distantOrigin, email } from "./support/settings.mjs";
import { claimsOf, generationOf } from "./support/stack.mjs";

inBothModes("sign in, call, refresh, sign out", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const page = await open();
  assert.equal(await accessToken(page), null);
  assert.equal(await signIn(page), null);
  assert.equal(await whoAmI(page), email);
  assert.equal(network.refreshes.filter(({ status }) => status === 200).length, 0);

  const first = await accessToken(page);
  await expire(page);
  assert.equal(await whoAmI(page), email);
  const second = await accessToken(page);
  assert.notEqual(second, first);
  assert.equal(claimsOf(second).sid, claimsOf(first).sid);
  assert.equal(generationOf(await refreshToken(page, mode)), 1);

  await page.evaluate(() => relatch.signOut());
  assert.equal(await accessToken(page), null);
  assert.equal(await whoAmI(page), 401);
  assert.equal(await refreshToken(page, mode), null);
  assert.deepEqual(await told(page), ["signed-in", "refreshed", "signed-out"]);
});

inBothModes("a reload signs nobody out", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const page = await open();
  await signIn(page);
  const before = network.refreshes.length;
  await page.reload();
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), true);
  assert.equal(await whoAmI(page), email);
  // Web Storage has the access token as well; in cookie mode it was in the page.
  assert.equal(network.refreshes.length - before, mode === "body" ? 0 : 1);
  // Again and again, also while it is asking.
  for (let time = 0; time < 5; time += 1) {
    await expire(page);
    await page.evaluate(() => void relatch.accessToken().catch(() => {}));
    await page.reload();
  }
  assert.equal(await whoAmI(page), email);
});

test("what is kept in memory ends with the page", async (t) => {
  const { network, open } = await scene(t, "body", { storage: "memory" });
  const page = await open();
  await signIn(page);
  assert.equal(await whoAmI(page), email);
  assert.ok(!(await inReach(page)).includes("eyJ"));
  await page.reload();
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), false);
  assert.equal(await accessToken(page), null);
  assert.equal(network.refreshes.length, 0);
});

test("the page of another site that is on the list signs in, but not with a cookie", async (t) => {
  const { network, open } = await scene(t, "body");
  const page = await open({ at: distantOrigin });
  assert.equal(await signIn(page), null);
  assert.equal(await whoAmI(page), email);
  assert.equal(typeof (await nextAccessToken(page)), "string");

  const another = await open({ at: distantOrigin, mode: "cookie" });
  assert.deepEqual(await signIn(another), { code: "invalid_request", status: 400 });
  assert.ok(network.posts("/signin").every(({ setsCookie }) => !setsCookie));
});
