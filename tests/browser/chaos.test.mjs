// A stack that loses replies and refuses now and then, access tokens that really expire after
// seconds, and a user with five tabs who works, reloads and opens others.

import assert from "node:assert/strict";

import { eventTypes, openBrowser, refreshToken, signIn, testBothModes } from "./support/browser.mjs";
import { chaosStackUrl, email } from "./support/settings.mjs";
import { generationOf, waitFor } from "./support/stack.mjs";

/** How often a tab calls the guarded route, once every quarter of a second. */
const callCount = 48;

testBothModes("five tabs at a stack that loses replies stay signed in", async (t, mode) => {
  const { open } = await openBrowser(t, mode, { url: chaosStackUrl });
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open()));
  await waitFor(async () => (await signIn(tabs[0])) === null);

  const resultsOfTabs = await Promise.all(
    tabs.map(async (tab, number) => {
      const results = [];
      for (let call = 1; call <= callCount; call += 1) {
        if (number > 0 && call % (10 * number) === 0) await tab.reload();
        results.push(await tab.evaluate(callGuardedRoute));
      }
      return results;
    }),
  );
  for (const results of resultsOfTabs) {
    const bad = results.filter((result) => result !== "lost" && result !== email && result !== 429);
    assert.deepEqual(bad, []);
    assert.ok(results.filter((result) => result === email).length > callCount / 2, results.join());
  }
  assert.ok(resultsOfTabs.flat().includes("lost"), "no reply was lost");
  for (const tab of tabs) assert.ok(!(await eventTypes(tab)).includes("signed-out"));
  assert.ok(generationOf(await refreshToken(tabs[0], mode)) >= 2);
});

/** In the page: one call of the guarded route, and what came of it. */
async function callGuardedRoute() {
  await new Promise((resolve) => setTimeout(resolve, 250));
  const url = new URLSearchParams(location.search).get("baseUrl");
  try {
    const response = await relatch.fetch(`${url}/userinfo`);
    return response.ok ? (await response.json()).email : response.status;
  } catch (error) {
    // The network of the page's own requests is the page's matter; what the client says is not.
    return error.code ?? "lost";
  }
}
