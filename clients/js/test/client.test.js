// What a page sees of the client, one thing at a time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, RelatchError } from "../relatch.js";
import { API_URL, AUTH_URL, Browser, World } from "./model/world.js";

const MINUTE = 60_000;
const NAME = `relatch ${AUTH_URL}`;

/** A signed-in tab. */
async function signInTab(mode, server = {}) {
  const world = new World(server);
  const browser = new Browser(world);
  const open = (options) => browser.open({ mode, storage: "local", ...options });
  const tab = open();
  await world.waitFor(tab.client.signIn("ada@example.com", "right"));
  const refreshEvents = () => world.server.log.map(({ event }) => event);
  const accessToken = (fromTab = tab) => world.waitFor(fromTab.client.accessToken());
  return { world, browser, open, tab, refreshEvents, accessToken };
}

const storedRecord = (browser) => JSON.parse(browser.storage.get(NAME) ?? "null");
const testBothModes = (name, work) => {
  for (const mode of ["body", "cookie"]) test(`${name} (${mode})`, () => work(mode));
};
const failsWith = (code, fields = {}) => (error) => {
  assert.ok(error instanceof RelatchError);
  assert.equal(error.code, code);
  for (const [name, value] of Object.entries(fields)) assert.equal(error[name], value, name);
  return true;
};

// ---------------------------------------------------------------- signing in

testBothModes("a refused sign-in says why, and how long to wait", async (mode) => {
  const world = new World();
  const { client } = new Browser(world).open({ mode });
  await assert.rejects(
    world.waitFor(client.signIn("ada@example.com", "wrong")),
    failsWith("invalid_credentials", { status: 401, retryAfter: undefined, isTemporary: false }),
  );
  await assert.rejects(
    world.waitFor(client.signIn("ada@example.com", "slow down")),
    failsWith("too_many_attempts", { status: 429, retryAfter: 7, isTemporary: true }),
  );
  assert.equal(await world.waitFor(client.isSignedIn()), false);
});

testBothModes("a sign-in is not tried again by itself", async (mode) => {
  const world = new World();
  const { client } = new Browser(world).open({ mode });
  const cases = [
    ["lostResponse", "network_error"],
    ["hangingResponse", "timeout"],
    ["captivePortal", "unreadable_answer"],
  ];
  for (const [fault, code] of cases) {
    world.scriptedFaults = [fault];
    const signIn = client.signIn("ada@example.com", "right");
    await assert.rejects(world.waitFor(signIn), failsWith(code, { isTemporary: true }));
    assert.deepEqual(world.scriptedFaults, []);
  }
});

testBothModes("a sign-in that its caller left is none", async (mode) => {
  const world = new World();
  const browser = new Browser(world);
  const { client } = browser.open({ mode, storage: "local" });
  const controller = new AbortController();
  const signIn = client.signIn("ada@example.com", "right", { signal: controller.signal });
  world.schedule(0, () => controller.abort(new Error("left")));
  await assert.rejects(world.waitFor(signIn), /left/);
  await assert.rejects(client.signIn("ada@example.com", "right", { signal: controller.signal }), /left/);
  assert.equal(browser.storage.size, 0);
});

test("a server without cookie mode is told at once", async () => {
  const world = new World();
  const { client } = new Browser(world).open({
    mode: "cookie",
    environment: {
      fetch: async () =>
        Response.json({ access_token: `e30.${btoa('{"sid":"s"}')}.x`, refresh_token: "e30.e30.x", expires_in: 9 }),
    },
  });
  await assert.rejects(world.waitFor(client.signIn("a@example.com", "right")), failsWith("unexpected_answer"));
  assert.equal(await world.waitFor(client.accessToken().catch((error) => error.code)), "unexpected_answer");
});

testBothModes("a new sign-in takes the place of the old session", async (mode) => {
  const { world, browser, tab, open, accessToken } = await signInTab(mode);
  const other = open();
  const first = await accessToken(other);
  await world.waitFor(other.client.signIn("eve@example.com", "right"));
  await world.advance(10);
  assert.equal(world.server.findSession(storedRecord(browser).sid).sub, "eve@example.com");
  assert.notEqual(await accessToken(tab), first);
  assert.equal(await accessToken(tab), await accessToken(other));
  assert.ok(tab.changes.some(({ type, isHere }) => type === "signed-in" && !isHere));
});

// ---------------------------------------------------------------- refreshing

testBothModes("all callers of a tab share one refresh, and tabs do not race", async (mode) => {
  const { world, tab, open, refreshEvents } = await signInTab(mode);
  const other = open();
  await world.advance(20 * MINUTE);
  const before = refreshEvents().length;
  const calls = [tab, tab, tab, other, other].map(({ client }) => client.accessToken());
  const tokens = new Set(await world.waitFor(Promise.all(calls)));
  assert.equal(tab.browser.maxConcurrentRequests, 1);
  assert.deepEqual(refreshEvents().slice(before), ["rotated"]);
  assert.equal(tokens.size, 1);
});

test("a cookie that has just come is left alone by the other tabs, and by a page that opens", async () => {
  const { world, tab, open, refreshEvents, accessToken } = await signInTab("cookie");
  await world.advance(20 * MINUTE);
  // The answer was lost long ago, so that its successor could be traded at once.
  world.scriptedFaults = ["lostResponse"];
  tab.client.accessToken().catch(() => {});
  await world.advance(400);
  const [one, two] = [open(), open()];
  tab.kill();
  await world.advance(60 * MINUTE);
  const tokens = await world.waitFor(Promise.all([one, two].map(({ client }) => client.accessToken())));
  assert.equal(await accessToken(open()), tokens[0]);
  assert.equal(tokens[0], tokens[1]);
  assert.deepEqual(refreshEvents(), ["rotated", "retry"]);
});

testBothModes("fifty callers are no more trouble to a server that is away than one", async (mode) => {
  const { world, tab } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  let requestCount = 0;
  world.server.handle = () => ((requestCount += 1), { status: 503, headers: {}, body: "" });
  const calls = Array.from({ length: 50 }, () => tab.client.accessToken());
  const results = await world.waitFor(Promise.allSettled(calls));
  assert.deepEqual(new Set(results.map(({ reason }) => reason?.code)), new Set(["temporarily_unavailable"]));
  assert.ok(requestCount > 4 && requestCount < 12, `${requestCount}`);
});

test("without locks, the callers of a tab still take turns", async () => {
  const world = new World();
  const browser = new Browser(world);
  browser.hasLocks = false;
  const { client } = browser.open({ mode: "cookie" });
  await world.waitFor(client.signIn("ada@example.com", "right"));
  await world.advance(20 * MINUTE);
  await world.waitFor(Promise.all([client.accessToken(), client.signOut(), client.signIn("eve@example.com", "right")]));
  assert.equal(browser.maxConcurrentRequests, 1);
  assert.equal(await world.waitFor(client.isSignedIn()), true);
});

test("an answer that is overtaken by the next one is not stored over it", async () => {
  const { world, browser, tab, open, refreshEvents } = await signInTab("body", { window: 5 });
  browser.hasLocks = false;
  const [slow, quick] = [open(), open()];
  tab.kill();
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["slowResponse"];
  const overtakenCall = slow.client.accessToken();
  await world.advance(1000);
  await world.waitFor(quick.client.accessToken());
  assert.equal(storedRecord(browser).gen, 1);
  // The quick tab refreshes once more, because its device's clock was set.
  await world.advance(7000);
  browser.wallOffset = 60 * MINUTE;
  await world.waitFor(quick.client.accessToken());
  assert.equal(storedRecord(browser).gen, 2);
  assert.deepEqual(refreshEvents(), ["rotated", "retry", "rotated"]);
  const { key, refreshToken } = storedRecord(browser);
  assert.ok(await world.waitFor(overtakenCall));
  const record = storedRecord(browser);
  assert.deepEqual([record.gen, record.key, record.refreshToken], [2, key, refreshToken]);
});

test("an answer that comes after another sign-in is not stored over it", async () => {
  const { world, browser, tab, open, accessToken } = await signInTab("body");
  browser.hasLocks = false;
  const [slow, other] = [open(), open()];
  tab.kill();
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["slowResponse"];
  const lateCall = slow.client.accessToken();
  await world.advance(1000);
  await world.waitFor(other.client.signIn("eve@example.com", "right"));
  const after = browser.storage.get(NAME);
  await world.waitFor(lateCall);
  assert.equal(browser.storage.get(NAME), after);
  assert.equal(await accessToken(slow), await accessToken(other));
});

testBothModes("a token is refreshed before it expires, by its age and not by its exp", async (mode) => {
  const { world, browser, tab, accessToken } = await signInTab(mode);
  const first = await accessToken();
  // A device's clock that is wrong from the beginning, by days, changes nothing.
  browser.wallOffset = 0;
  const { exp } = JSON.parse(Buffer.from(first.split(".")[1], "base64url"));
  await world.advance(exp - world.now - 40_000);
  assert.equal(await accessToken(), first);
  await world.advance(15_000);
  assert.notEqual(await accessToken(), first);
  assert.equal(tab.changes.at(-1).type, "refreshed");
});

testBothModes("a clock that is wrong by days neither refreshes all the time nor never", async (mode) => {
  for (const offset of [-3, 3].map((days) => days * 86_400_000)) {
    const world = new World();
    const browser = new Browser(world);
    browser.wallOffset = offset;
    const { client } = browser.open({ mode, storage: "local" });
    await world.waitFor(client.signIn("ada@example.com", "right"));
    for (let minute = 0; minute < 10; minute += 1) {
      await world.waitFor(client.accessToken());
      await world.advance(MINUTE);
    }
    assert.equal(world.server.log.length, 0);
    await world.advance(10 * MINUTE);
    await world.waitFor(client.accessToken());
    assert.equal(world.server.log.length, 1);
  }
});

testBothModes("a clock that is set back does not make an old token young", async (mode) => {
  const { world, browser, accessToken } = await signInTab(mode);
  const first = await accessToken();
  browser.wallOffset = -120 * MINUTE;
  await world.advance(20 * MINUTE);
  assert.notEqual(await accessToken(), first);
});

testBothModes("what passes is asked again with the same token and key, growing apart", async (mode) => {
  const { world, accessToken, refreshEvents } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["lostRequest", "lostResponse", "garbledResponse", "throttled", "unavailable"];
  world.scriptedFaults.push("gateway", "gatewayTimeout", "requestTimeout", "brokenServer", "falseInvalidGrant");
  const before = world.now;
  assert.ok(await retry(accessToken));
  assert.deepEqual(world.scriptedFaults, []);
  assert.ok(world.now - before > 20_000 && world.now - before < 90_000, `${world.now - before}`);
  assert.ok(refreshEvents().every((event) => ["rotated", "retry", "same"].includes(event)));
  assert.equal(new Set(world.server.log.map(({ key }) => key)).size, 1);
});

/** Asks again when patience has run out. */
async function retry(accessToken) {
  for (;;) {
    try {
      return await accessToken();
    } catch (error) {
      if (!error.isTemporary) throw error;
    }
  }
}

testBothModes("Retry-After is kept, by later calls too", async (mode) => {
  const { world, tab, accessToken } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  const requestTimes = [];
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) => {
    requestTimes.push(world.now);
    return requestTimes.length === 1 ? { status: 503, headers: { "retry-after": "300" }, body: "{}" } : handle(request);
  };
  await assert.rejects(accessToken(), failsWith("temporarily_unavailable", { status: 503, retryAfter: 300 }));
  await assert.rejects(accessToken(), failsWith("temporarily_unavailable", { isTemporary: true }));
  await world.advance(4 * MINUTE);
  assert.equal(requestTimes.length, 1);
  await assert.rejects(accessToken(), failsWith("temporarily_unavailable"));
  await world.advance(30_000);
  // Now what is left is within its patience.
  assert.ok(await world.waitFor(tab.client.accessToken()));
  assert.equal(requestTimes.length, 2);
  assert.ok(requestTimes[1] - requestTimes[0] >= 300_000);
});

testBothModes("a reply that was lost is asked for after days, and after a reload", async (mode) => {
  const { world, tab, open, refreshEvents, accessToken } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["lostResponse"];
  const call = tab.client.accessToken();
  call.catch(() => {});
  await world.advance(400);
  assert.deepEqual(refreshEvents(), ["rotated"]);
  tab.kill();
  await world.advance(5 * 86_400_000);
  assert.ok(await accessToken(open()));
  assert.deepEqual(refreshEvents(), ["rotated", "retry"]);
});

testBothModes("where nobody passes on the key, a lost reply is good within the window and theft after it", async (mode) => {
  for (const [wait, event] of [[30_000, "retry"], [61_000, "reuse"]]) {
    const { world, tab, open, refreshEvents, accessToken } = await signInTab(mode, { acceptsKeys: false });
    await world.advance(20 * MINUTE);
    world.scriptedFaults = ["lostResponse"];
    tab.client.accessToken().catch(() => {});
    await world.advance(400);
    tab.kill();
    await world.advance(wait);
    const next = open();
    if (event === "retry") assert.ok(await accessToken(next));
    else await assert.rejects(accessToken(next), failsWith("invalid_grant", { status: 400, isTemporary: false }));
    assert.equal(refreshEvents().at(-1), event);
  }
});

testBothModes("within the margin the old token serves while the server is away", async (mode) => {
  const { world, tab, accessToken } = await signInTab(mode);
  const first = await accessToken();
  const { exp } = JSON.parse(Buffer.from(first.split(".")[1], "base64url"));
  await world.advance(exp - world.now - 20_000);
  world.faultRate = 1;
  world.faults = ["forbiddenByProxy"];
  await assert.rejects(world.waitFor(tab.client.accessToken()), failsWith("unexpected_answer", { status: 403 }));
  world.scriptedFaults = ["unavailable"];
  world.server.handle = () => ({ status: 503, headers: { "retry-after": "120" }, body: "" });
  world.faultRate = 0;
  assert.equal(await accessToken(), first);
});

testBothModes("a caller who leaves does not end the refresh of the others", async (mode) => {
  const { world, tab } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  const controller = new AbortController();
  const abortedCall = tab.client.accessToken({ signal: controller.signal });
  const otherCall = tab.client.accessToken();
  world.schedule(1, () => controller.abort(new Error("left")));
  await assert.rejects(world.waitFor(abortedCall), /left/);
  assert.ok(await world.waitFor(otherCall));
  assert.equal(world.server.log.length, 1);
  await assert.rejects(tab.client.accessToken({ signal: controller.signal }), /left/);
});

testBothModes("only invalid_grant with 400 ends the session", async (mode) => {
  const { world, tab, accessToken, browser } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  const responses = [
    [401, "invalid_grant", "unexpected_answer"],
    [403, "invalid_grant", "unexpected_answer"],
    [400, "invalid_request", "invalid_request"],
    [404, "not_found", "not_found"],
  ];
  for (const [status, error, code] of responses) {
    const { handle } = world.server;
    world.server.handle = () => ({ status, headers: {}, body: JSON.stringify({ error }) });
    await assert.rejects(accessToken(), failsWith(code, { status }));
    world.server.handle = handle;
  }
  assert.ok(storedRecord(browser).sid);
  assert.ok(await accessToken());
  world.server.findSession(storedRecord(browser).sid).isActive = false;
  await world.advance(20 * MINUTE);
  await assert.rejects(accessToken(), failsWith("invalid_grant"));
  assert.deepEqual(tab.changes.at(-1), { type: "signed-out", isHere: true, reason: "invalid_grant" });
  assert.equal(await accessToken(), null);
});

// ---------------------------------------------------------------- signing out

testBothModes("a sign-out ends the session, in all tabs at once", async (mode) => {
  const { world, browser, tab, open, accessToken } = await signInTab(mode);
  const other = open();
  await accessToken(other);
  const { sid } = storedRecord(browser);
  const signOut = tab.client.signOut();
  await world.advance(0);
  // Before the server has heard of it.
  assert.ok(world.server.isLive(world.server.findSession(sid)));
  assert.equal(await tab.client.accessToken(), null);
  assert.deepEqual(other.changes.at(-1), { type: "signed-out", isHere: false, reason: "user" });
  await world.waitFor(signOut);
  assert.ok(!world.server.isLive(world.server.findSession(sid)));
  assert.equal(await accessToken(other), null);
  assert.equal(await world.waitFor(tab.client.isSignedIn()), false);
});

testBothModes("a sign-out beats a refresh that is under way", async (mode) => {
  const { world, browser, tab, open, accessToken } = await signInTab(mode);
  const other = open();
  await accessToken(other);
  await world.advance(20 * MINUTE);
  const refresh = tab.client.accessToken();
  await world.advance(1);
  await world.waitFor(other.client.signOut());
  assert.equal(await world.waitFor(refresh), null);
  await world.advance(MINUTE);
  assert.ok(mode === "body" ? storedRecord(browser) === null : storedRecord(browser).isSignedOut);
  assert.equal(await accessToken(), null);
});

testBothModes("everywhere means everywhere, also with a token whose successor was lost", async (mode) => {
  const { world, tab } = await signInTab(mode);
  const device = new Browser(world).open({ mode, storage: "local" });
  await world.waitFor(device.client.signIn("ada@example.com", "right"));
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["lostResponse"];
  const refresh = tab.client.accessToken();
  refresh.catch(() => {});
  await world.advance(400);
  world.scriptedFaults = ["lostRequest"];
  await world.waitFor(tab.client.signOut({ everywhere: true }));
  await assert.rejects(world.waitFor(device.client.accessToken()), failsWith("invalid_grant"));
});

testBothModes("a sign-out that reaches nobody says so, and the page is signed out", async (mode) => {
  const { world, browser, tab, accessToken } = await signInTab(mode);
  const { sid } = storedRecord(browser);
  world.faultRate = 1;
  world.faults = ["lostRequest", "captivePortal"];
  await assert.rejects(world.waitFor(tab.client.signOut()), { name: "RelatchError", isTemporary: true });
  assert.equal(await accessToken(), null);
  world.faultRate = 0;
  if (mode === "cookie") {
    await world.waitFor(tab.client.signOut());
    assert.ok(!world.server.isLive(world.server.findSession(sid)));
    assert.equal(browser.cookie, null);
  }
});

testBothModes("a sign-out that waits long for its turn still ends the session", async (mode) => {
  const { world, browser, tab, open } = await signInTab(mode);
  const other = open({ timeout: 40 });
  const { sid } = storedRecord(browser);
  await world.advance(20 * MINUTE);
  // A refresh holds the lock for longer than a sign-out waits for it.
  world.scriptedFaults = ["hangingResponse"];
  other.client.accessToken().catch(() => {});
  await world.advance(1000);
  await world.waitFor(tab.client.signOut());
  assert.ok(!world.server.isLive(world.server.findSession(sid)));
});

testBothModes("a sign-out that is tried again does not end a later sign-in", async (mode) => {
  const { world, browser, tab, open, accessToken } = await signInTab(mode);
  const other = open();
  const { sid } = storedRecord(browser);
  world.scriptedFaults = ["lostRequest"];
  const signOut = tab.client.signOut();
  // Between the first request, which fails, and the next one.
  while (world.scriptedFaults.length > 0 || tab.pendingRequests.size > 0) await world.advance(1);
  await world.waitFor(other.client.signIn("eve@example.com", "right"));
  await world.waitFor(signOut);
  assert.ok(await accessToken());
  await world.advance(20 * MINUTE);
  assert.ok(await accessToken(other));
  // In body mode the old session is still told to end; in cookie mode its cookie has gone.
  assert.equal(world.server.isLive(world.server.findSession(sid)), mode === "cookie");
});

testBothModes("a sign-in that follows a sign-out at once is not undone by it", async (mode) => {
  const { world, tab, accessToken, browser } = await signInTab(mode);
  const { sid } = storedRecord(browser);
  const calls = [tab.client.signOut(), tab.client.signIn("eve@example.com", "right")];
  await world.waitFor(Promise.all(calls));
  assert.ok(await accessToken());
  assert.notEqual(storedRecord(browser).sid, sid);
  assert.ok(!world.server.isLive(world.server.findSession(sid)));
});

// ---------------------------------------------------------------- fetch

testBothModes("the token goes to the listed origins only", async (mode) => {
  const { world, tab, accessToken } = await signInTab(mode);
  const requests = [];
  const { client } = tab.browser.open({
    mode,
    storage: "local",
    environment: {
      fetch: async (input) => {
        requests.push([new URL(input.url).origin, input.headers.get("authorization")]);
        return new Response("");
      },
    },
  });
  if (mode === "cookie") {
    // This tab's own fetch stands for the network, so that it hears of the token from another.
    await world.advance(20 * MINUTE);
    await client.isSignedIn().catch(() => {});
    await accessToken();
    await world.advance(10);
  }
  const bearer = `Bearer ${await accessToken()}`;
  const urls = [`${API_URL}/a`, new URL(`${API_URL}:443/b`), new Request(`${API_URL}/c`, { method: "PUT", body: "x" })];
  for (const url of urls) await world.waitFor(client.fetch(url));
  assert.deepEqual(requests.map(([, header]) => header), [bearer, bearer, bearer]);
  const others = ["https://api.example.com.evil.example/", "http://api.example.com/", `${API_URL}:8443/`, AUTH_URL];
  others.push(`https://evil.example/?${API_URL}/`, `https://evil.example/${API_URL}`, `data:,${API_URL}/`);
  for (const url of others) await world.waitFor(client.fetch(url));
  assert.deepEqual(requests.slice(3).map(([, header]) => header), others.map(() => null));
  await world.waitFor(client.fetch(`${API_URL}/d`, { headers: { authorization: "Basic eDp5" } }));
  assert.equal(requests.at(-1)[1], "Basic eDp5");
});

test("nobody signed in: the request goes without a token", async () => {
  const world = new World();
  const { client } = new Browser(world).open({ mode: "body" });
  const response = await world.waitFor(client.fetch(`${API_URL}/data`));
  assert.equal(response.status, 401);
});

testBothModes("a 401 is followed by one refresh and one repetition, with the body", async (mode) => {
  const { world, tab, refreshEvents, accessToken } = await signInTab(mode);
  await world.advance(MINUTE);
  const stream = () => new Blob(["part one, ", "part two"]).stream();
  for (const [body, text] of [["text", "text"], [stream(), "part one, part two"]]) {
    await world.advance(2 * MINUTE);
    const first = await accessToken();
    let refusals = 1;
    const handle = world.server.handle.bind(world.server);
    world.server.handle = (request) =>
      request.path === "/data" && refusals-- > 0 ? { status: 401, headers: {}, body: "{}" } : handle(request);
    const before = refreshEvents().length;
    const response = await world.waitFor(tab.client.fetch(`${API_URL}/data`, { method: "POST", body, duplex: "half" }));
    assert.equal(response.status, 200);
    assert.equal((await response.json()).body, text);
    assert.equal(refreshEvents().length, before + 1);
    assert.notEqual(await accessToken(), first);
    world.server.handle = handle;
  }
});

testBothModes("a route that refuses every token gets no endless refreshes", async (mode) => {
  const { world, tab, refreshEvents } = await signInTab(mode);
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) =>
    request.path === "/data" ? { status: 401, headers: {}, body: "{}" } : handle(request);
  for (let call = 0; call < 10; call += 1) {
    assert.equal((await world.waitFor(tab.client.fetch(`${API_URL}/data`))).status, 401);
  }
  assert.equal(refreshEvents().length, 1);
});

testBothModes("a 401 because the session has ended is told as such", async (mode) => {
  const { world, tab, browser } = await signInTab(mode);
  world.server.checksSessions = true;
  world.server.findSession(storedRecord(browser).sid).isActive = false;
  await assert.rejects(world.waitFor(tab.client.fetch(`${API_URL}/data`)), failsWith("invalid_grant"));
});

testBothModes("a fetch that its caller left is left", async (mode) => {
  const { world, tab } = await signInTab(mode);
  await world.advance(20 * MINUTE);
  const controller = new AbortController();
  const call = tab.client.fetch(`${API_URL}/data`, { signal: controller.signal });
  world.schedule(1, () => controller.abort(new Error("left")));
  await assert.rejects(world.waitFor(call), /left/);
  await world.advance(MINUTE);
  assert.equal(world.server.log.length, 1);
});

// ---------------------------------------------------------------- what is stored

test("cookie mode stores no token, and tells the access token only to tabs", async () => {
  const { world, browser, tab, open, accessToken } = await signInTab("cookie");
  const storedTexts = [];
  const setItem = browser.setItem.bind(browser);
  browser.setItem = (name, text, source) => (storedTexts.push(text), setItem(name, text, source));
  const other = open();
  await world.advance(20 * MINUTE);
  const access = await accessToken(tab);
  await world.advance(10);
  assert.equal(await accessToken(other), access);
  assert.ok(storedTexts.length > 2);
  assert.deepEqual(storedTexts.filter((text) => text?.includes(access) || text?.includes(browser.cookie)), []);
  assert.deepEqual(Object.keys(storedRecord(browser)), ["mode", "sid", "revision", "key", "at"]);
});

test("the key of a cookie is another one when the cookie is on the disk", async () => {
  const { world, browser, accessToken } = await signInTab("cookie");
  await world.advance(20 * MINUTE);
  const { key } = storedRecord(browser);
  await accessToken();
  await world.advance(50_000);
  assert.equal(storedRecord(browser).key, key);
  await world.advance(14_000);
  assert.notEqual(storedRecord(browser).key, key);
  assert.match(storedRecord(browser).key, /^[A-Za-z0-9_-]{22}$/);
});

test("the next key of a cookie is used by whoever comes later", async () => {
  const { world, browser, tab, open, accessToken, refreshEvents } = await signInTab("cookie");
  const first = storedRecord(browser).key;
  await world.advance(20 * MINUTE);
  await accessToken();
  await world.advance(80_000);
  const { key } = storedRecord(browser);
  tab.kill();
  await world.advance(20 * MINUTE);
  world.scriptedFaults = ["lostResponse"];
  assert.ok(await accessToken(open()));
  assert.deepEqual(refreshEvents(), ["rotated", "rotated", "retry"]);
  assert.deepEqual(world.server.log.map((entry) => entry.key), [first, key, key]);
});

test("the key of a cookie that was presented since is not renewed, even where two tabs saw the same", async () => {
  const { world, browser, tab, open, refreshEvents } = await signInTab("cookie");
  const other = open();
  await world.advance(20 * MINUTE);
  const { key } = storedRecord(browser);
  // The second tab has the lock before it sees what the first one stored.
  browser.lag = 50;
  world.scriptedFaults = ["none", "lostResponse"];
  const calls = [tab, other].map(({ client }) => client.accessToken());
  calls[1].catch(() => {});
  assert.ok(await world.waitFor(calls[0]));
  while (refreshEvents().length < 2) await world.advance(1);
  other.kill();
  await world.advance(90_000);
  assert.deepEqual([storedRecord(browser).key, storedRecord(browser).isPresented], [key, true]);
});

test("a browser that crashes comes back with the old cookie and with its key", async () => {
  const { world, browser, open, accessToken, refreshEvents } = await signInTab("cookie");
  await world.advance(20 * MINUTE);
  const old = browser.cookie;
  await accessToken();
  await world.advance(6_000);
  browser.crash();
  browser.cookie = old;
  await world.advance(60 * MINUTE);
  assert.ok(await accessToken(open()));
  assert.deepEqual(refreshEvents(), ["rotated", "retry"]);
});

test("a page whose storage was emptied finds its cookie", async () => {
  const { world, browser, tab, open, accessToken } = await signInTab("cookie");
  tab.kill();
  browser.storage.clear();
  const next = open();
  assert.equal(await world.waitFor(next.client.isSignedIn()), true);
  assert.ok(await accessToken(next));
});

test("who was never here is asked after once", async () => {
  const world = new World();
  const browser = new Browser(world);
  let requestCount = 0;
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) => ((requestCount += 1), handle(request));
  const first = browser.open({ mode: "cookie" });
  assert.equal(await world.waitFor(first.client.isSignedIn()), false);
  assert.equal(await world.waitFor(browser.open({ mode: "cookie" }).client.accessToken()), null);
  assert.equal(requestCount, 1);
  assert.deepEqual(first.changes, []);
});

test("the key of a token in the body is made with it and kept", async () => {
  const { world, browser, open, accessToken } = await signInTab("body");
  await world.advance(20 * MINUTE);
  const { key } = storedRecord(browser);
  await accessToken();
  assert.equal(world.server.log[0].key, key);
  const next = storedRecord(browser);
  assert.notEqual(next.key, key);
  await world.advance(100);
  // The same token again keeps its key.
  const handle = world.server.handle.bind(world.server);
  let refusals = 1;
  world.server.handle = (request) =>
    request.path === "/data" && refusals-- > 0 ? { status: 401, headers: {}, body: "" } : handle(request);
  await world.advance(31_000);
  const other = open();
  await world.waitFor(other.client.fetch(`${API_URL}/data`));
  assert.equal(world.server.log.at(-1).event, "same");
  assert.deepEqual([storedRecord(browser).gen, storedRecord(browser).key], [next.gen, next.key]);
});

test("in memory, each tab has a session of its own and nothing is stored", async () => {
  const { world, browser, tab, accessToken } = await signInTab("body");
  await world.waitFor(tab.client.signOut());
  const [one, two] = [browser.open({ mode: "body" }), browser.open({ mode: "body" })];
  await world.waitFor(one.client.signIn("ada@example.com", "right"));
  assert.ok(await accessToken(one));
  assert.equal(await accessToken(two), null);
  assert.equal(browser.storage.size, 0);
});

testBothModes("where Web Storage is forbidden, memory takes its place", async (mode) => {
  const world = new World();
  const browser = new Browser(world);
  browser.hasStorage = false;
  const { client } = browser.open({ mode, storage: "local" });
  await world.waitFor(client.signIn("ada@example.com", "right"));
  await world.advance(20 * MINUTE);
  assert.ok(await world.waitFor(client.accessToken()));
  // The cookie is still there for the next page.
  assert.equal(await world.waitFor(browser.open({ mode, storage: "local" }).client.isSignedIn()), mode === "cookie");
});

test("a storage of the caller's may be slow, and may fail", async () => {
  const world = new World();
  const browser = new Browser(world);
  const items = new Map();
  let isFailing = false;
  const runDelayed = (work) =>
    new Promise((resolve, reject) => {
      world.schedule(50, () => (isFailing ? reject(new Error("locked")) : resolve(work())));
    });
  const storage = {
    get: (name) => runDelayed(() => items.get(name)),
    set: (name, text) => runDelayed(() => void (text === null ? items.delete(name) : items.set(name, text))),
  };
  const { client } = browser.open({ mode: "body", storage });
  isFailing = true;
  await assert.rejects(world.waitFor(client.signIn("ada@example.com", "right")), failsWith("storage_failed"));
  isFailing = false;
  await world.waitFor(client.signIn("ada@example.com", "right"));
  const { gen } = JSON.parse(items.get(NAME));
  await world.advance(20 * MINUTE);
  // It fails at the very moment at which the next token is to be stored: the tab knows it all the same.
  const set = storage.set;
  storage.set = () => Promise.reject(new Error("full"));
  assert.ok(await world.waitFor(client.accessToken()));
  storage.set = set;
  assert.equal(JSON.parse(items.get(NAME)).gen, gen);
  await world.advance(20 * MINUTE);
  assert.ok(await world.waitFor(client.accessToken()));
  assert.deepEqual(world.server.log.map(({ event }) => event), ["rotated", "rotated"]);
  assert.equal(JSON.parse(items.get(NAME)).gen, gen + 2);
});

test("what stands in the storage may be anything", async () => {
  const good = { mode: "body", sid: "s", gen: 0, refreshToken: "e30.e30.x", key: "a".repeat(22), access: null };
  const texts = ["", "null", "[]", "7", '"x"', "{", "{}", JSON.stringify({ ...good, mode: "cookie" })];
  const wrong = { sid: ["", 1], gen: [-1, 1.5, "0", null], refreshToken: [1, ""], key: ["short", "a b".repeat(9)] };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) texts.push(JSON.stringify({ ...good, [name]: value }));
  }
  for (const text of texts) {
    const world = new World();
    const browser = new Browser(world);
    browser.storage.set(NAME, text);
    const { client } = browser.open({ mode: "body", storage: "local" });
    assert.equal(await world.waitFor(client.accessToken()), null, text);
  }
});

// ---------------------------------------------------------------- settings and listeners

test("settings that are unsafe or nonsense are refused", () => {
  const good = { baseUrl: AUTH_URL, mode: "body" };
  createClient(good).close();
  createClient({ ...good, baseUrl: "http://127.0.0.1:3000/", origins: ["http://localhost:8080"] }).close();
  const bad = [
    {},
    { mode: "body" },
    { baseUrl: AUTH_URL },
    { ...good, mode: "both" },
    { ...good, baseUrl: "http://auth.example.com" },
    { ...good, baseUrl: "https://user@auth.example.com" },
    { ...good, baseUrl: `${AUTH_URL}/?a=b` },
    { ...good, origins: ["http://api.example.com"] },
    { ...good, origins: ["*"] },
    { ...good, storage: "session" },
    { ...good, storage: {} },
    { ...good, timeout: -1 },
    { ...good, patience: "long" },
    { ...good, margin: NaN },
  ];
  for (const options of bad) assert.throws(() => createClient(options), TypeError, JSON.stringify(options));
});

test("a listener that throws ends nothing, and one that left hears nothing", async () => {
  const { world, tab, accessToken } = await signInTab("body");
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const types = [];
  tab.client.onChange(() => {
    throw new Error("of the listener");
  });
  const unsubscribe = tab.client.onChange(({ type }) => types.push(type));
  await world.advance(20 * MINUTE);
  assert.ok(await accessToken());
  unsubscribe();
  await world.advance(20 * MINUTE);
  assert.ok(await accessToken());
  delete globalThis.reportError;
  assert.deepEqual(types, ["refreshed"]);
  assert.deepEqual(reported, ["of the listener", "of the listener"]);
});

test("a closed client hears no other tab", async () => {
  const { world, tab, open } = await signInTab("body");
  const other = open();
  other.client.close();
  await world.waitFor(tab.client.signOut());
  await world.advance(100);
  assert.deepEqual(other.changes, []);
});
