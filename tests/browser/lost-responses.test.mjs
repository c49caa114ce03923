// Answers that are lost: what the retry window and the key are for.

import assert from "node:assert/strict";

import {
  accessToken, eventTypes, expireToken, fetchEmail, nextAccessToken, openBrowser, refreshToken, signIn, testBothModes,
} from "./support/browser.mjs";
import { email } from "./support/settings.mjs";
import { generationOf, refresh, waitFor, waitForRetryWindow } from "./support/stack.mjs";

/** Loses the answer to a refresh for good: the tab is closed before it comes. Gives the token of it. */
async function loseResponse(network, page) {
  await expireToken(page);
  const hold = network.holdResponse("/refresh");
  await page.evaluate(() => void relatch.accessToken().catch(() => {}));
  const exchange = await hold.arrived;
  await closeTab(page, exchange);
  return exchange.issued;
}

/** Closes a tab and waits until the browser has given up its request: before, it might send it once more. */
async function closeTab(page, exchange) {
  await page.close();
  await waitFor(() => exchange.isAbandoned);
}

testBothModes("an answer that is lost is asked for again with and without a key", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open();
  await signIn(page);
  for (const [dropsKeys, generation] of [[false, 1], [true, 2]]) {
    network.dropsKeys = dropsKeys;
    network.loseResponses();
    const before = network.refreshes.length;
    const token = nextAccessToken(page);
    await waitFor(() => network.refreshes.slice(before).some(({ outcome }) => outcome === "lost"));
    network.restore();
    assert.equal(typeof (await token), "string");

    const refreshes = network.refreshes.slice(before);
    assert.ok(refreshes.length >= 2);
    assert.equal(new Set(refreshes.map(({ key }) => key)).size, 1);
    assert.equal(new Set(refreshes.map(({ presented }) => presented)).size, 1);
    // Every answer had the same successor.
    assert.deepEqual([...new Set(refreshes.map(({ issued }) => issued))], [await refreshToken(page, mode)]);
    assert.equal(generationOf(await refreshToken(page, mode)), generation);
    await waitForRetryWindow();
  }
  assert.equal(await fetchEmail(page), email);
});

testBothModes("a page that is opened after the window gets the last one's answer by the key", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const first = await open();
  await signIn(first);
  const oldToken = await refreshToken(first, mode);
  const missedToken = await loseResponse(network, first);
  assert.equal(generationOf(missedToken), 1);
  await waitForRetryWindow();

  const page = await open();
  assert.equal(await refreshToken(page, mode), oldToken);
  assert.equal(typeof (await nextAccessToken(page)), "string");
  assert.equal(network.refreshes.at(-1).presented, oldToken);
  assert.equal(await refreshToken(page, mode), missedToken);
  assert.equal(await fetchEmail(page), email);

  // And the session goes on from there.
  await waitForRetryWindow();
  assert.equal(typeof (await nextAccessToken(page)), "string");
  assert.equal(generationOf(await refreshToken(page, mode)), 2);
});

// The one case in which an honest user is signed out, and why there are keys.
testBothModes("without a key such a page is signed out and may sign in at once", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  network.dropsKeys = true;
  const first = await open();
  await signIn(first);
  const missedToken = await loseResponse(network, first);
  await waitForRetryWindow();

  const page = await open();
  assert.deepEqual(await nextAccessToken(page), { code: "invalid_grant", status: 400 });
  assert.deepEqual((await eventTypes(page)).at(-1), "signed-out");
  assert.equal(await refreshToken(page, mode), null);
  assert.equal((await refresh(missedToken)).error, "invalid_grant");
  assert.equal(await signIn(page), null);
  assert.equal(await fetchEmail(page), email);
});

testBothModes("a tab that is closed while it refreshes leaves its turn and its key to the next", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const [one, two] = await Promise.all([open(), open()]);
  await signIn(one);
  await waitFor(async () => (await fetchEmail(two)) === email);
  await Promise.all([one, two].map(expireToken));
  const hold = network.holdResponse("/refresh");
  await one.evaluate(() => void relatch.accessToken().catch(() => {}));
  const exchange = await hold.arrived;
  const waiting = accessToken(two);
  await waitForRetryWindow();
  await closeTab(one, exchange);
  assert.equal(typeof (await waiting), "string");
  const { key, issued } = network.refreshes.at(-1);
  assert.deepEqual({ key, issued }, { key: exchange.key, issued: exchange.issued });
  assert.equal(await refreshToken(two, mode), issued);
});

testBothModes("a network that is down signs nobody out", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open();
  await signIn(page);
  network.disconnect();
  const token = nextAccessToken(page);
  await waitFor(() => network.exchanges.length > 4);
  network.restore();
  assert.equal(typeof (await token), "string");
  assert.deepEqual(await eventTypes(page), ["signed-in", "refreshed"]);
});

testBothModes("no other answer signs anybody out", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open();
  await signIn(page);
  const responses = [
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
  for (const [status, body] of responses) {
    const token = await refreshToken(page, mode);
    network.substituteResponse = { status, body };
    const before = network.refreshes.length;
    const pendingToken = nextAccessToken(page);
    await waitFor(() => network.refreshes.slice(before).some(({ outcome }) => outcome === "delivered"));
    assert.equal(await refreshToken(page, mode), token, `${status} ${body}`);
    network.substituteResponse = null;
    await pendingToken;
    assert.equal(typeof (await nextAccessToken(page)), "string", `${status} ${body}`);
    assert.equal(await fetchEmail(page), email);
  }
  assert.ok(!(await eventTypes(page)).includes("signed-out"));
});
