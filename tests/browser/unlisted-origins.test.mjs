// Pages that are on nobody's list, and what they try in a browser that is signed in.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  fetchEmail, nextAccessToken, openBrowser, openTab, refreshToken, serveUnlistedOrigin, signIn, testBothModes,
} from "./support/browser.mjs";
import { email } from "./support/settings.mjs";
import { generationOf, waitFor } from "./support/stack.mjs";

// On the site of the API, as another service of the machine is, or another host of a domain: the
// browser sends the cookie. On another site it keeps it back.
const hosts = { "the same site": "127.0.0.1", "another site": "localhost" };

/** All that a page can send without being asked first: each gives a request to the API. */
const requestSenders = {
  "fetch as text": ({ url, path, body }) =>
    fetch(url + path, { method: "POST", mode: "no-cors", credentials: "include", body }),
  "a beacon": ({ url, path, body }) => navigator.sendBeacon(url + path, body),
  "a form as text": ({ url, path, body }) => submit(url + path, "text/plain", body),
  "a form": ({ url, path }) => submit(url + path, "application/x-www-form-urlencoded", "{}"),
};

/** In the page: `submit` as `requestSenders` uses it. */
function defineSubmit() {
  globalThis.submit = (action, enctype, text) => {
    const frame = document.createElement("iframe");
    frame.name = `frame ${Math.random()}`;
    const form = Object.assign(document.createElement("form"), { action, enctype, method: "POST", target: frame.name });
    // Of `name=value` it makes {"a":"=","everywhere":true}.
    const [name, value] = text === "{}" ? ["{}", ""] : text.split("=");
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    document.body.append(frame, form);
    form.submit();
  };
}

for (const [where, host] of Object.entries(hosts)) {
  test(`a page that is not listed neither refreshes nor signs out [${where}]`, async (t) => {
    const { network, context, open } = await openBrowser(t, "cookie");
    const page = await open();
    await signIn(page);
    const token = await refreshToken(page, "cookie");
    const unlistedPage = await openTab(context, { at: await serveUnlistedOrigin(host) });
    await unlistedPage.evaluate(defineSubmit);

    for (const path of ["/refresh", "/signout", "/signin", "/token", "/revoke"]) {
      for (const [kind, sendRequest] of Object.entries(requestSenders)) {
        const before = network.posts(path).length;
        const body = '{"a":"=","everywhere":true,"cookie":true}';
        await unlistedPage.evaluate(
          ([sendRequest, parameters]) => void new Function(`return ${sendRequest}`)()(parameters),
          [sendRequest.toString(), { url: network.url, path, body }],
        );
        await waitFor(() => network.posts(path).slice(before).some(({ status }) => status !== undefined));
        const { status, setsCookie, cookie, origin } = network.posts(path).at(-1);
        assert.ok(status === 400 || status === 415, `${kind} ${path}: ${status}`);
        assert.equal(setsCookie, false, `${kind} ${path}`);
        assert.equal(cookie !== undefined, host === "127.0.0.1", `${kind} ${path}`);
        assert.equal(origin, new URL(unlistedPage.url()).origin);
      }
    }
    // What would be JSON is asked for first, and then not sent.
    for (const path of ["/refresh", "/signout"]) {
      const before = network.posts(path).length;
      const result = await unlistedPage.evaluate(
        (address) =>
          fetch(address, {
            method: "POST",
            credentials: "include",
            headers: { "content-type": "application/json" },
            body: "{}",
          }).then(({ status }) => status, ({ name }) => name),
        network.url + path,
      );
      assert.equal(result, "TypeError");
      assert.equal(network.posts(path).length, before);
      assert.equal(network.exchanges.at(-1).method, "OPTIONS");
    }

    assert.equal(await refreshToken(page, "cookie"), token);
    assert.equal(await fetchEmail(page), email);
    assert.equal(typeof (await nextAccessToken(page)), "string");
    // Had one of them refreshed, this were another generation.
    assert.equal(generationOf(await refreshToken(page, "cookie")), generationOf(token) + 1);
  });
}

testBothModes("the client in a page that is not listed gets no answer", async (t, mode) => {
  const { network, open } = await openBrowser(t, mode);
  const page = await open({ at: await serveUnlistedOrigin("127.0.0.1") });
  assert.deepEqual(await signIn(page), { code: "network_error", status: undefined });
  assert.deepEqual(network.exchanges.map(({ method, path }) => [method, path]), [["OPTIONS", "/signin"]]);
});

test("a page that is not listed reads nothing of a session", async (t) => {
  const { network, context, open } = await openBrowser(t, "cookie");
  const page = await open();
  await signIn(page);
  const token = await page.evaluate(() => relatch.accessToken());
  const unlistedPage = await openTab(context, { at: await serveUnlistedOrigin("127.0.0.1") });
  const readUserinfo = (headers) =>
    unlistedPage.evaluate(
      ([address, headers]) =>
        fetch(address, { credentials: "include", headers }).then((response) => response.text(), ({ name }) => name),
      [`${network.url}/userinfo`, headers],
    );
  assert.equal(await readUserinfo({}), "TypeError");
  assert.equal(await readUserinfo({ authorization: `Bearer ${token}` }), "TypeError");
});
