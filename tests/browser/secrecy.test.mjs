// What script in the page can get at.

import assert from "node:assert/strict";
import { test } from "node:test";

import { inReach, nextAccessToken, refreshToken, scene, signIn, told } from "./support/scene.mjs";

test("in cookie mode no script can read the refresh token", async (t) => {
  const { network, context, open } = await scene(t, "cookie");
  const [page, other] = await Promise.all([open(), open()]);
  // What other scripts of the page can listen to.
  await page.evaluate(() => {
    globalThis.heard = [];
    const channel = new BroadcastChannel(`relatch ${new URLSearchParams(location.search).get("baseUrl")}`);
    channel.onmessage = ({ data }) => heard.push(data);
    addEventListener("storage", ({ newValue }) => heard.push(newValue));
  });
  await signIn(other);
  assert.equal(typeof (await nextAccessToken(other)), "string");
  assert.equal(typeof (await nextAccessToken(page)), "string");
  const token = await refreshToken(page, "cookie");

  const heard = await page.evaluate(() => JSON.stringify(heard));
  assert.ok(heard.includes("eyJ"), "the access token is told");
  assert.ok(!heard.includes(token.split(".")[2]));
  for (const tab of [page, other]) {
    const found = await inReach(tab);
    assert.match(found, /"relatch http/);
    assert.ok(!found.includes("eyJ"), found);
    assert.equal(await tab.evaluate(() => document.cookie), "");
  }
  const answers = [...network.posts("/signin"), ...network.refreshes].filter(({ status }) => status === 200);
  assert.ok(answers.length >= 2);
  for (const { members } of answers) assert.ok(!members.includes("refresh_token"), members.join());

  const [cookie, ...others] = await context.cookies();
  assert.deepEqual(others, []);
  const { httpOnly, sameSite, path, domain } = cookie;
  assert.deepEqual([httpOnly, sameSite, path, domain], [true, "Strict", "/", "127.0.0.1"]);
});

test("in body mode a storage keeps it, as documented", async (t) => {
  const { open } = await scene(t, "body");
  const page = await open();
  await signIn(page);
  assert.ok((await inReach(page)).includes(await refreshToken(page, "body")));
  assert.deepEqual(await page.context().cookies(), []);
  await page.evaluate(() => relatch.signOut());
  assert.ok(!(await inReach(page)).includes("eyJ"));
  assert.deepEqual(await told(page), ["signed-in", "signed-out"]);
});
