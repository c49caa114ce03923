// Tabs of one browser: common cookies, Web Storage, Web Locks.

import assert from "node:assert/strict";

import {
  accessToken, eventTypes, expireToken, fetchEmail, openBrowser, refreshToken, signIn, testBothModes,
} from "./support/browser.mjs";
import { email } from "./support/settings.mjs";
import { decodeClaims, generationOf, refresh, waitFor, waitForRetryWindow } from "./support/stack.mjs";

testBothModes("five tabs that refresh at once take turns", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open()));
  await signIn(tabs[0]);
  for (const tab of tabs) await waitFor(() => tab.evaluate(() => relatch.isSignedIn()));

  // So slow that requests would overlap if the tabs let them.
  network.delay = 100;
  const counts = [];
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    const before = network.refreshes.length;
    await Promise.all(tabs.map(expireToken));
    const tokens = await Promise.all(tabs.map(accessToken));
    for (const token of tokens) assert.equal(decodeClaims(token).sid, decodeClaims(tokens[0]).sid);
    const refreshes = network.refreshes.slice(before);
    assert.ok(refreshes.length >= 1);
    counts.push(refreshes.length);
    for (const { status, concurrentRefreshes } of refreshes) {
      assert.deepEqual([status, concurrentRefreshes], [200, 0]);
    }
    assert.equal(generationOf(await refreshToken(tabs[0], mode)), rotation);
    await waitForRetryWindow();
  }
  // One would do. But a turn may come sooner than what the tab before it stored or told: Chromium
  // has them in processes of their own. Then the old token goes out again, with the same key.
  t.diagnostic(`refreshes for each rotation: ${counts.join(", ")}`);
  assert.ok(counts.includes(1));
  for (const tab of tabs) assert.equal(await fetchEmail(tab), email);
  for (const tab of tabs) assert.ok(!(await eventTypes(tab)).includes("signed-out"));
});

testBothModes("signing out in one tab holds in all", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const [one, two, three] = await Promise.all([open(), open(), open()]);
  await signIn(one);
  for (const tab of [two, three]) await waitFor(async () => (await fetchEmail(tab)) === email);
  const token = network.newestToken;

  await one.evaluate(() => relatch.signOut());
  for (const tab of [two, three]) {
    await waitFor(async () => (await eventTypes(tab)).at(-1) === "signed-out");
    const before = network.exchanges.length;
    assert.equal(await accessToken(tab), null);
    assert.equal(network.exchanges.length, before);
    assert.equal(await refreshToken(tab, mode), null);
  }
  assert.deepEqual(await refresh(token), { status: 400, error: "invalid_grant", next: undefined });

  // And so does the next sign-in, from any of them.
  await signIn(three);
  for (const tab of [one, two]) await waitFor(async () => (await fetchEmail(tab)) === email);
});

testBothModes("signing out holds although the server cannot be told", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const [one, two] = await Promise.all([open(), open()]);
  await signIn(one);
  await waitFor(async () => (await fetchEmail(two)) === email);
  const token = network.newestToken;
  network.disconnect();
  const signOut = one.evaluate(() => relatch.signOut());
  await waitFor(async () => (await eventTypes(two)).at(-1) === "signed-out");
  assert.equal(await accessToken(one), null);
  network.restore();
  await signOut;
  assert.equal((await refresh(token)).error, "invalid_grant");
});
