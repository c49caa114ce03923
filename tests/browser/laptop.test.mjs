// A laptop that is closed and opened, and a browser that is ended, or ends.

import assert from "node:assert/strict";

import { Network } from "./support/network.mjs";
import { Profile } from "./support/profile.mjs";
import {
  accessToken, expire, inBothModes, nextAccessToken, openTab, refreshToken, signIn, told, whoAmI,
} from "./support/scene.mjs";
import { email, stack } from "./support/settings.mjs";
import { generationOf, refresh, until, windowPasses } from "./support/stack.mjs";

/** A profile, its network, and how a tab is opened in a context of it. */
async function laptop(t, mode) {
  const network = await Network.before(stack);
  t.after(() => network.close());
  const profile = await Profile.make(t);
  const open = (context) => openTab(context, { baseUrl: network.url, mode, storage: "local" });
  return { network, profile, open };
}

/** Falls asleep between request and answer, past the window; what the page then gets, and what it missed. */
async function sleepOverAnswer({ network, profile, open }) {
  const page = await open(await profile.start());
  await signIn(page);
  await expire(page);
  const hold = network.hold("/refresh");
  await page.evaluate(() => void (globalThis.asked = relatch.accessToken().catch(({ code }) => ({ code }))));
  const { answered } = await hold.arrived;
  await profile.sleep();
  hold.lose();
  const before = network.exchanges.length;
  await windowPasses();
  // Asleep means that nothing was sent.
  assert.equal(network.exchanges.length, before);
  profile.wake();
  return { page, token: await page.evaluate(() => asked), missed: answered };
}

inBothModes("a laptop that slept past the window gets the answer that it missed by the key", async (t, mode) => {
  const used = await laptop(t, mode);
  const { page, token, missed } = await sleepOverAnswer(used);
  assert.equal(typeof token, "string");
  assert.equal(await refreshToken(page, mode), missed);
  assert.equal(await whoAmI(page), email);
  assert.deepEqual(await told(page), ["signed-in", "refreshed"]);
});

// The one case in which an honest user is signed out, and why there are keys.
inBothModes("without a key a laptop that slept past the window is signed out", async (t, mode) => {
  const used = await laptop(t, mode);
  used.network.dropsKeys = true;
  const { page, token, missed } = await sleepOverAnswer(used);
  assert.deepEqual(token, { code: "invalid_grant" });
  assert.equal(await refreshToken(page, mode), null);
  assert.equal((await refresh(missed)).error, "invalid_grant");
  assert.equal(await signIn(page), null);
  assert.equal(await whoAmI(page), email);
});

inBothModes("five tabs wake at once and stay signed in", async (t, mode) => {
  const { network, profile, open } = await laptop(t, mode);
  const context = await profile.start();
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open(context)));
  await signIn(tabs[0]);
  for (const tab of tabs) await until(async () => (await whoAmI(tab)) === email);
  for (let night = 1; night <= 2; night += 1) {
    await profile.sleep();
    await windowPasses();
    profile.wake();
    await Promise.all(tabs.map(expire));
    network.loseReplies();
    const before = network.refreshes.length;
    const tokens = Promise.all(tabs.map(accessToken));
    await until(() => network.refreshes.slice(before).some(({ end }) => end === "lost"));
    network.comeBack();
    for (const token of await tokens) assert.equal(typeof token, "string");
    assert.equal(generationOf(await refreshToken(tabs[0], mode)), night);
  }
  for (const tab of tabs) assert.ok(!(await told(tab)).includes("signed-out"));
});

inBothModes("a browser that is ended and started again is still signed in", async (t, mode) => {
  const { network, profile, open } = await laptop(t, mode);
  const first = await open(await profile.start());
  await signIn(first);
  const token = await refreshToken(first, mode);
  await profile.quit();

  const page = await open(await profile.start());
  assert.equal(await refreshToken(page, mode), token);
  assert.equal(await page.evaluate(() => relatch.isSignedIn()), true);
  assert.equal(await whoAmI(page), email);
  assert.equal(network.posts("/signin").length, 1);
});

// Chromium writes cookies to the disk every half a minute, and Web Storage every few seconds.
inBothModes("a browser that crashes before its disk has the new token goes on with the old one", async (t, mode) => {
  const { network, profile, open } = await laptop(t, mode);
  const first = await open(await profile.start());
  await signIn(first);
  const old = await refreshToken(first, mode);
  await profile.quit();

  const second = await open(await profile.start());
  assert.equal(typeof (await nextAccessToken(second)), "string");
  const next = await refreshToken(second, mode);
  assert.equal(generationOf(next), generationOf(old) + 1);
  await profile.crash();
  await windowPasses();

  const page = await open(await profile.start());
  assert.equal(await refreshToken(page, mode), old);
  assert.equal(typeof (await nextAccessToken(page)), "string");
  const { presented, answered } = network.refreshes.at(-1);
  assert.deepEqual({ presented, answered }, { presented: old, answered: next });
  assert.equal(await whoAmI(page), email);
});
