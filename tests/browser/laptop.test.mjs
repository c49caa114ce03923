// A laptop that is closed and opened, and a browser that is ended, or ends.

import assert from "node:assert/strict";

import { Network } from "./support/network.mjs";
import { Profile } from "./support/profile.mjs";
import {
  accessToken, eventTypes, expireToken, fetchEmail, nextAccessToken, openTab, refreshToken, signIn, testBothModes,
} from "./support/browser.mjs";
import { email, stackUrl } from "./support/settings.mjs";
import { generationOf, refresh, waitFor, waitForRetryWindow } from "./support/stack.mjs";

/** A profile, its network, and how a tab is opened in a context of it. */
async function openLaptop(t, mode) {
  const network = await Network.start(stackUrl);
  t.after(() => network.close());
  const profile = await Profile.create(t);
  const open = (context) => openTab(context, { baseUrl: network.url, mode, storage: "local" });
  return { network, profile, open };
}

/** Falls asleep between request and answer, past the window; what the page then gets, and what it missed. */
async function sleepThroughResponse({ network, profile, open }) {
  const page = await open(await profile.start());
  await signIn(page);
  await expireToken(page);
  const hold = network.holdResponse("/refresh");
  await page.evaluate(() => void (globalThis.pendingToken = relatch.accessToken().catch(({ code }) => ({ code }))));
  const { issued } = await hold.arrived;
  await profile.sleep();
  hold.lose();
  const before = network.exchanges.length;
  await waitForRetryWindow();
  // Asleep means that nothing was sent.
  assert.equal(network.exchanges.length, before);
  profile.wake();
  return { page, token: await page.evaluate(() => pendingToken), missedToken: issued };
}

testBothModes("a laptop that slept past the window gets the answer that it missed by the key", async (t, mode) => {
  const laptop = await openLaptop(t, mode);
  const { page, token, missedToken } = await sleepThroughResponse(laptop);
  assert.equal(typeof token, "string");
  assert.equal(await refreshToken(page, mode), missedToken);
  assert.equal(await fetchEmail(page), email);
  assert.deepEqual(await eventTypes(page), ["signed-in", "refreshed"]);
});

// The one case in which an honest user is signed out, and why there are keys.
testBothModes("without a key a laptop that slept past the window is signed out", async (t, mode) => {
  const laptop = await openLaptop(t, mode);
  laptop.network.dropsKeys = true;
  const { page, token, missedToken } = await sleepThroughResponse(laptop);
  assert.deepEqual(token, { code: "invalid_grant" });
  assert.equal(await refreshToken(page, mode), null);
  assert.equal((await refresh(missedToken)).error, "invalid_grant");
  assert.equal(await signIn(page), null);
  assert.equal(await fetchEmail(page), email);
});

testBothModes("five tabs wake at once and stay signed in", async (t, mode) => {
  const { network, profile, open } = await openLaptop(t, mode);
  const context = await profile.start();
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open(context)));
  await signIn(tabs[0]);
  for (const tab of tabs) await waitFor(async () => (await fetchEmail(tab)) === email);
  for (let night = 1; night <= 2; night += 1) {
    await profile.sleep();
    await waitForRetryWindow();
    profile.wake();
    await Promise.all(tabs.map(expireToken));
    network.loseResponses();
    const before = network.refreshes.length;
    const tokens = Promise.all(tabs.map(accessToken));
    await waitFor(() => network.refreshes.slice(before).some(({ outcome }) => outcome === "lost"));
    network.restore();
    for (const token of await tokens) assert.equal(typeof token, "string");
    assert.equal(generationOf(await refreshToken(tabs[0], mode)), night);
  }
  for (const tab of tabs) assert.ok(!(await eventTypes(tab)).includes("signed-out"));
});

testBothModes("a browser that is ended and started again is still signed in", async (t, mode) => {
  const { network, profile, open } = await openLaptop(t, mode);
  const first = await open(await profile.start());
  await signIn(first);
  const token = await refreshToken(first, mode);
  await profile.quit();

  const page = await open(await profile.start());
  assert.equal(await refreshToken(page, mode), token);
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), true);
  assert.equal(await fetchEmail(page), email);
  assert.equal(network.posts("/signin").length, 1);
});

// Chromium writes cookies to the disk every half a minute, and Web Storage every few seconds.
testBothModes("a browser that crashes before its disk has the new token goes on with the old one", async (t, mode) => {
  const { network, profile, open } = await openLaptop(t, mode);
  const first = await open(await profile.start());
  await signIn(first);
  const old = await refreshToken(first, mode);
  await profile.quit();

  const second = await open(await profile.start());
  assert.equal(typeof (await nextAccessToken(second)), "string");
  const next = await refreshToken(second, mode);
  assert.equal(generationOf(next), generationOf(old) + 1);
  await profile.crash();
  await waitForRetryWindow();

  const page = await open(await profile.start());
  assert.equal(await refreshToken(page, mode), old);
  assert.equal(typeof (await nextAccessToken(page)), "string");
  const { presented, issued } = network.refreshes.at(-1);
  assert.deepEqual({ presented, issued }, { presented: old, issued: next });
  assert.equal(await fetchEmail(page), email);
});
