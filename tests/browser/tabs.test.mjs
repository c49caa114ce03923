// Tabs of one browser: common cookies, Web Storage, Web Locks.

import assert from "node:assert/strict";

import { accessToken, expire, inBothModes, refreshToken, scene, signIn, told, whoAmI } from "./support/scene.mjs";
import { email } from "./support/settings.mjs";
import { claimsOf, generationOf, refresh, until, windowPasses } from "./support/stack.mjs";

inBothModes("five tabs that refresh at once take turns", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open()));
  await signIn(tabs[0]);
  for (const tab of tabs) await until(() => tab.evaluate(() => relatch.isSignedIn()));

  // So slow that requests would overlap if the tabs let them.
  network.delay = 100;
  const counts = [];
  for (let rotation = 1; rotation <= 3; rotation += 1) {
    const before = network.refreshes.length;
    await Promise.all(tabs.map(expire));
    const tokens = await Promise.all(tabs.map(accessToken));
    for (const token of tokens) assert.equal(claimsOf(token).sid, claimsOf(tokens[0]).sid);
    const made = network.refreshes.slice(before);
    assert.ok(made.length >= 1);
    counts.push(made.length);
    assert.deepEqual(made.map(({ status, others }) => [status, others]), made.map(() => [200, 0]));
    assert.equal(generationOf(await refreshToken(tabs[0], mode)), rotation);
    await windowPasses();
  }
  // One would do. But a turn may come sooner than what the tab before it stored or told: Chromium
  // has them in processes of their own. Then the old token goes out again, with the same key.
  t.diagnostic(`refreshes for each rotation: ${counts.join(", ")}`);
  assert.ok(counts.includes(1));
  for (const tab of tabs) assert.equal(await whoAmI(tab), email);
  for (const tab of tabs) assert.ok(!(await told(tab)).includes("signed-out"));
});

inBothModes("signing out in one tab holds in all", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const [one, two, three] = await Promise.all([open(), open(), open()]);
  await signIn(one);
  for (const tab of [two, three]) await until(async () => (await whoAmI(tab)) === email);
  const token = network.newest;

  await one.evaluate(() => relatch.signOut());
  for (const tab of [two, three]) {
    await until(async () => (await told(tab)).at(-1) === "signed-out");
    const before = network.exchanges.length;
    assert.equal(await accessToken(tab), null);
    assert.equal(network.exchanges.length, before);
    assert.equal(await refreshToken(tab, mode), null);
  }
  assert.deepEqual(await refresh(token), { status: 400, error: "invalid_grant", next: undefined });

  // And so does the next sign-in, from any of them.
  await signIn(three);
  for (const tab of [one, two]) await until(async () => (await whoAmI(tab)) === email);
});

inBothModes("signing out holds although the server cannot be told", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const [one, two] = await Promise.all([open(), open()]);
  await signIn(one);
  await until(async () => (await whoAmI(two)) === email);
  const token = network.newest;
  network.goDown();
  const ending = one.evaluate(() => relatch.signOut());
  await until(async () => (await told(two)).at(-1) === "signed-out");
  assert.equal(await accessToken(one), null);
  network.comeBack();
  await ending;
  assert.equal((await refresh(token)).error, "invalid_grant");
});
