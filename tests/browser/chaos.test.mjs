// A stack that loses replies and refuses now and then, access tokens that really expire after
// seconds, and a user with five tabs who works, reloads and opens others.

import assert from "node:assert/strict";

import { inBothModes, refreshToken, scene, signIn, told } from "./support/scene.mjs";
import { chaoticStack, email } from "./support/settings.mjs";
import { generationOf, until } from "./support/stack.mjs";

/** How often a tab calls the guarded route, once every quarter of a second. */
const calls = 48;

inBothModes("five tabs at a stack that loses replies stay signed in", async (t, mode) => {
  const { open } = await scene(t, mode, { url: chaoticStack });
  const tabs = await Promise.all(Array.from({ length: 5 }, () => open()));
  await until(async () => (await signIn(tabs[0])) === null);

  const seen = await Promise.all(
    tabs.map(async (tab, number) => {
      const answers = [];
      for (let call = 1; call <= calls; call += 1) {
        if (number > 0 && call % (10 * number) === 0) await tab.reload();
        answers.push(await tab.evaluate(ask));
      }
      return answers;
    }),
  );
  for (const answers of seen) {
    const bad = answers.filter((answer) => answer !== "lost" && answer !== email && answer !== 429);
    assert.deepEqual(bad, []);
    assert.ok(answers.filter((answer) => answer === email).length > calls / 2, answers.join());
  }
  assert.ok(seen.flat().includes("lost"), "no reply was lost");
  for (const tab of tabs) assert.ok(!(await told(tab)).includes("signed-out"));
  assert.ok(generationOf(await refreshToken(tabs[0], mode)) >= 2);
});

/** In the page: one call of the guarded route, and what came of it. */
async function ask() {
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
