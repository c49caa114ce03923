// Answers that are lost: what the retry window and the key are for.

import assert from "node:assert/strict";

import {
  accessToken, expire, inBothModes, nextAccessToken, refreshToken, scene, signIn, told, whoAmI,
} from "./support/scene.mjs";
import { email } from "./support/settings.mjs";
import { generationOf, refresh, until, windowPasses } from "./support/stack.mjs";

/** Loses the answer to a refresh for good: the tab is closed before it comes. Gives the token of it. */
async function loseAnswer(network, page) {
  await expire(page);
  const hold = network.hold("/refresh");
  await page.evaluate(() => void relatch.accessToken().catch(() => {}));
  const exchange = await hold.arrived;
  await close(page, exchange);
  return exchange.answered;
}

/** Closes a tab and waits until the browser has given up its request: before, it might send it once more. */
async function close(page, exchange) {
  await page.close();
  await until(() => exchange.isAbandoned);
}

inBothModes("an answer that is lost is asked for again with and without a key", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const page = await open();
  await signIn(page);
  for (const [dropsKeys, generation] of [[false, 1], [true, 2]]) {
    network.dropsKeys = dropsKeys;
    network.loseReplies();
    const before = network.refreshes.length;
    const token = nextAccessToken(page);
    await until(() => network.refreshes.slice(before).some(({ end }) => end === "lost"));
    network.comeBack();
    assert.equal(typeof (await token), "string");

    const made = network.refreshes.slice(before);
    assert.ok(made.length >= 2);
    assert.equal(new Set(made.map(({ key }) => key)).size, 1);
    assert.equal(new Set(made.map(({ presented }) => presented)).size, 1);
    // Every answer had the same successor.
    assert.deepEqual([...new Set(made.map(({ answered }) => answered))], [await refreshToken(page, mode)]);
    assert.equal(generationOf(await refreshToken(page, mode)), generation);
    await windowPasses();
  }
  assert.equal(await whoAmI(page), email);
});

inBothModes("a page that is opened after the window gets the last one's answer by the key", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const first = await open();
  await signIn(first);
  const kept = await refreshToken(first, mode);
  const missed = await loseAnswer(network, first);
  assert.equal(generationOf(missed), 1);
  await windowPasses();

  const page = await open();
  assert.equal(await refreshToken(page, mode), kept);
  assert.equal(typeof (await nextAccessToken(page)), "string");
  assert.equal(network.refreshes.at(-1).presented, kept);
  assert.equal(await refreshToken(page, mode), missed);
  assert.equal(await whoAmI(page), email);

  // And the session goes on from there.
  await windowPasses();
  assert.equal(typeof (await nextAccessToken(page)), "string");
  assert.equal(generationOf(await refreshToken(page, mode)), 2);
});

// The one case in which an honest user is signed out, and why there are keys.
inBothModes("without a key such a page is signed out and may sign in at once", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  network.dropsKeys = true;
  const first = await open();
  await signIn(first);
  const missed = await loseAnswer(network, first);
  await windowPasses();

  const page = await open();
  assert.deepEqual(await nextAccessToken(page), { code: "invalid_grant", status: 400 });
  assert.deepEqual((await told(page)).at(-1), "signed-out");
  assert.equal(await refreshToken(page, mode), null);
  assert.equal((await refresh(missed)).error, "invalid_grant");
  assert.equal(await signIn(page), null);
  assert.equal(await whoAmI(page), email);
});

inBothModes("a tab that is closed while it refreshes leaves its turn and its key to the next", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const [one, two] = await Promise.all([open(), open()]);
  await signIn(one);
  await until(async () => (await whoAmI(two)) === email);
  await Promise.all([one, two].map(expire));
  const hold = network.hold("/refresh");
  await one.evaluate(() => void relatch.accessToken().catch(() => {}));
  const exchange = await hold.arrived;
  const waiting = accessToken(two);
  await windowPasses();
  await close(one, exchange);
  assert.equal(typeof (await waiting), "string");
  const { key, answered } = network.refreshes.at(-1);
  assert.deepEqual({ key, answered }, { key: exchange.key, answered: exchange.answered });
  assert.equal(await refreshToken(two, mode), answered);
});

inBothModes("a network that is down signs nobody out", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const page = await open();
  await signIn(page);
  network.goDown();
  const token = nextAccessToken(page);
  await until(() => network.exchanges.length > 4);
  network.comeBack();
  assert.equal(typeof (await token), "string");
  assert.deepEqual(await told(page), ["signed-in", "refreshed"]);
});

inBothModes("no other answer signs anybody out", async (t, mode) => {
  const { network, open } = await scene(t, mode);
  const page = await open();
  await signIn(page);
  const answers = [
    [200, "<!doctype html><title>Welcome to the hotel</title>"],
    [200, '{"access_token":"'],
    [204, ""],
    [400, '{"error":"invalid_request"}'],
    [400, "<!doctype html><title>Bad Request</title>"],
    [401, '{"error":"invalid_grant"}'],
    [403, '{"message":"Forbidden"}'],
    [404, '{"message":"Not Found"}'],
    [429, '{"message":"Too Many Requests"}'],
    [500, '{"error":"server_error"}'],
    [502, "<!doctype html><title>Bad Gateway</title>"],
    [503, '{"error":"temporarily_unavailable"}'],
  ];
  for (const [status, body] of answers) {
    const token = await refreshToken(page, mode);
    network.substitute = { status, body };
    const before = network.refreshes.length;
    const asked = nextAccessToken(page);
    await until(() => network.refreshes.slice(before).some(({ end }) => end === "delivered"));
    assert.equal(await refreshToken(page, mode), token, `${status} ${body}`);
    network.substitute = null;
    await asked;
    assert.equal(typeof (await nextAccessToken(page)), "string", `${status} ${body}`);
    assert.equal(await whoAmI(page), email);
  }
  assert.ok(!(await told(page)).includes("signed-out"));
});
