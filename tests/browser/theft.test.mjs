// A refresh token that is copied from the browser, and used by somebody else.

import assert from "node:assert/strict";

import {
  accessToken, eventTypes, fetchEmail, nextAccessToken, openBrowser, refreshToken, signIn, testBothModes,
} from "./support/browser.mjs";
import { email } from "./support/settings.mjs";
import { generationOf, refresh, waitFor, waitForRetryWindow } from "./support/stack.mjs";

const invalidGrant = { status: 400, error: "invalid_grant", next: undefined };

/** After the theft was seen: nobody is signed in, in any tab, until the owner signs in again. */
async function assertSessionEnded(tabs, mode, stolen) {
  for (const tab of tabs) {
    await waitFor(async () => (await eventTypes(tab)).at(-1) === "signed-out");
    assert.equal(await accessToken(tab), null);
    assert.equal(await refreshToken(tab, mode), null);
  }
  for (const token of stolen) assert.deepEqual(await refresh(token), invalidGrant);
  assert.equal(await signIn(tabs[0]), null);
  assert.equal(await fetchEmail(tabs[0]), email);
  await waitFor(async () => (await fetchEmail(tabs[1])) === email);
  // The new session is nothing to the thief, nor does what he does end it.
  for (const token of stolen) assert.deepEqual(await refresh(token), invalidGrant);
  assert.equal(typeof (await nextAccessToken(tabs[0])), "string");
}

testBothModes("a thief who comes after the owner ends the session for both", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const tabs = await Promise.all([open(), open()]);
  await signIn(tabs[0]);
  await waitFor(async () => (await fetchEmail(tabs[1])) === email);
  const stolen = await refreshToken(tabs[0], mode);
  assert.equal(generationOf(stolen), generationOf(network.newestToken));
  assert.equal(typeof (await nextAccessToken(tabs[0])), "string");
  const current = await refreshToken(tabs[0], mode);
  assert.notEqual(current, stolen);
  await waitForRetryWindow();

  assert.deepEqual(await refresh(stolen), invalidGrant);
  assert.deepEqual(await nextAccessToken(tabs[0]), { code: "invalid_grant", status: 400 });
  await assertSessionEnded(tabs, mode, [stolen, current]);
});

testBothModes("a thief who comes before the owner is found when the owner comes", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const tabs = await Promise.all([open(), open()]);
  await signIn(tabs[0]);
  await waitFor(async () => (await fetchEmail(tabs[1])) === email);
  assert.equal(typeof (await nextAccessToken(tabs[0])), "string");
  await waitForRetryWindow();
  const stolen = await refreshToken(tabs[0], mode);
  const { status, next } = await refresh(stolen);
  assert.equal(status, 200);
  assert.equal(generationOf(next), generationOf(stolen) + 1);
  await waitForRetryWindow();

  // The owner has the key of the token; the thief's refresh was made without it.
  assert.deepEqual(await nextAccessToken(tabs[0]), { code: "invalid_grant", status: 400 });
  await assertSessionEnded(tabs, mode, [stolen, next]);
});
