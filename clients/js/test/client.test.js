// What a page sees of the client, one thing at a time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, RelatchError } from "../relatch.js";
import { API, Browser, OWN, World } from "./model/world.js";

const MINUTE = 60_000;
const NAME = `relatch ${API}`;

/** A signed-in tab. */
async function signedIn(mode, server = {}) {
  const world = new World(server);
  const browser = new Browser(world);
  const open = (options) => browser.open({ mode, storage: "local", ...options });
  const tab = open();
  await world.until(tab.client.signIn("ada@example.com", "right"));
  const refreshes = () => world.server.log.map(({ event }) => event);
  return { world, browser, open, tab, refreshes, token: (of = tab) => world.until(of.client.accessToken()) };
}

const stored = (browser) => JSON.parse(browser.storage.get(NAME) ?? "null");
const both = (name, work) => {
  for (const mode of ["body", "cookie"]) test(`${name} (${mode})`, () => work(mode));
};
const failsWith = (code, more = {}) => (error) => {
  assert.ok(error instanceof RelatchError);
  assert.equal(error.code, code);
  for (const [name, value] of Object.entries(more)) assert.equal(error[name], value, name);
  return true;
};

// ---------------------------------------------------------------- signing in

both("a refused sign-in says why, and how long to wait", async (mode) => {
  const world = new World();
  const { client } = new Browser(world).open({ mode });
  await assert.rejects(
    world.until(client.signIn("ada@example.com", "wrong")),
    failsWith("invalid_credentials", { status: 401, retryAfter: undefined, isTemporary: false }),
  );
  await assert.rejects(
    world.until(client.signIn("ada@example.com", "slow down")),
    failsWith("too_many_attempts", { status: 429, retryAfter: 7, isTemporary: true }),
  );
  assert.equal(await world.until(client.isSignedIn()), false);
});

both("a sign-in is not tried again by itself", async (mode) => {
  const world = new World();
  const { client } = new Browser(world).open({ mode });
  const cases = [["lostReply", "network_error"], ["silentReply", "timeout"], ["portal", "unreadable_answer"]];
  for (const [fault, code] of cases) {
    world.script = [fault];
    const signIn = client.signIn("ada@example.com", "right");
    await assert.rejects(world.until(signIn), failsWith(code, { isTemporary: true }));
    assert.deepEqual(world.script, []);
  }
});

both("a sign-in that its caller left is none", async (mode) => {
  const world = new World();
  const browser = new Browser(world);
  const { client } = browser.open({ mode, storage: "local" });
  const leaving = new AbortController();
  const signIn = client.signIn("ada@example.com", "right", { signal: leaving.signal });
  world.at(0, () => leaving.abort(new Error("left")));
  await assert.rejects(world.until(signIn), /left/);
  await assert.rejects(client.signIn("ada@example.com", "right", { signal: leaving.signal }), /left/);
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
  await assert.rejects(world.until(client.signIn("a@example.com", "right")), failsWith("unexpected_answer"));
  assert.equal(await world.until(client.accessToken().catch((error) => error.code)), "unexpected_answer");
});

both("a new sign-in takes the place of the old session", async (mode) => {
  const { world, browser, tab, open, token } = await signedIn(mode);
  const other = open();
  const first = await token(other);
  await world.until(other.client.signIn("eve@example.com", "right"));
  await world.pass(10);
  assert.equal(world.server.session(stored(browser).sid).sub, "eve@example.com");
  assert.notEqual(await token(tab), first);
  assert.equal(await token(tab), await token(other));
  assert.ok(tab.changes.some(({ type, isHere }) => type === "signed-in" && !isHere));
});

// ---------------------------------------------------------------- refreshing

both("all callers of a tab share one refresh, and tabs do not race", async (mode) => {
  const { world, tab, open, refreshes } = await signedIn(mode);
  const other = open();
  await world.pass(20 * MINUTE);
  const before = refreshes().length;
  const calls = [tab, tab, tab, other, other].map(({ client }) => client.accessToken());
  const tokens = new Set(await world.until(Promise.all(calls)));
  assert.equal(tab.browser.mostAtOnce, 1);
  assert.deepEqual(refreshes().slice(before), ["rotated"]);
  assert.equal(tokens.size, 1);
});

test("a cookie that has just come is left alone by the other tabs, and by a page that opens", async () => {
  const { world, tab, open, refreshes, token } = await signedIn("cookie");
  await world.pass(20 * MINUTE);
  // The answer was lost long ago, so that its successor could be traded at once.
  world.script = ["lostReply"];
  tab.client.accessToken().catch(() => {});
  await world.pass(400);
  const [one, two] = [open(), open()];
  tab.kill();
  await world.pass(60 * MINUTE);
  const tokens = await world.until(Promise.all([one, two].map(({ client }) => client.accessToken())));
  assert.equal(await token(open()), tokens[0]);
  assert.equal(tokens[0], tokens[1]);
  assert.deepEqual(refreshes(), ["rotated", "retry"]);
});

both("fifty callers are no more trouble to a server that is away than one", async (mode) => {
  const { world, tab } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  let asked = 0;
  world.server.handle = () => ((asked += 1), { status: 503, headers: {}, body: "" });
  const calls = Array.from({ length: 50 }, () => tab.client.accessToken());
  const ends = await world.until(Promise.allSettled(calls));
  assert.deepEqual(new Set(ends.map(({ reason }) => reason?.code)), new Set(["temporarily_unavailable"]));
  assert.ok(asked > 4 && asked < 12, `${asked}`);
});

test("without locks, the callers of a tab still take turns", async () => {
  const world = new World();
  const browser = new Browser(world);
  browser.hasLocks = false;
  const { client } = browser.open({ mode: "cookie" });
  await world.until(client.signIn("ada@example.com", "right"));
  await world.pass(20 * MINUTE);
  await world.until(Promise.all([client.accessToken(), client.signOut(), client.signIn("eve@example.com", "right")]));
  assert.equal(browser.mostAtOnce, 1);
  assert.equal(await world.until(client.isSignedIn()), true);
});

test("an answer that is overtaken by the next one is not stored over it", async () => {
  const { world, browser, tab, open, refreshes } = await signedIn("body", { window: 5 });
  browser.hasLocks = false;
  const [slow, quick] = [open(), open()];
  tab.kill();
  await world.pass(20 * MINUTE);
  world.script = ["slowReply"];
  const overtaken = slow.client.accessToken();
  await world.pass(1000);
  await world.until(quick.client.accessToken());
  assert.equal(stored(browser).gen, 1);
  // The quick tab refreshes once more, because its device's clock was set.
  await world.pass(7000);
  browser.wallOffset = 60 * MINUTE;
  await world.until(quick.client.accessToken());
  assert.equal(stored(browser).gen, 2);
  assert.deepEqual(refreshes(), ["rotated", "retry", "rotated"]);
  const { key, refreshToken } = stored(browser);
  assert.ok(await world.until(overtaken));
  assert.deepEqual([stored(browser).gen, stored(browser).key, stored(browser).refreshToken], [2, key, refreshToken]);
});

test("an answer that comes after another sign-in is not stored over it", async () => {
  const { world, browser, tab, open, token } = await signedIn("body");
  browser.hasLocks = false;
  const [slow, other] = [open(), open()];
  tab.kill();
  await world.pass(20 * MINUTE);
  world.script = ["slowReply"];
  const late = slow.client.accessToken();
  await world.pass(1000);
  await world.until(other.client.signIn("eve@example.com", "right"));
  const after = browser.storage.get(NAME);
  await world.until(late);
  assert.equal(browser.storage.get(NAME), after);
  assert.equal(await token(slow), await token(other));
});

both("a token is refreshed before it expires, by its age and not by its exp", async (mode) => {
  const { world, browser, tab, token } = await signedIn(mode);
  const first = await token();
  // A device's clock that is wrong from the beginning, by days, changes nothing.
  browser.wallOffset = 0;
  const { exp } = JSON.parse(Buffer.from(first.split(".")[1], "base64url"));
  await world.pass(exp - world.now - 40_000);
  assert.equal(await token(), first);
  await world.pass(15_000);
  assert.notEqual(await token(), first);
  assert.equal(tab.changes.at(-1).type, "refreshed");
});

both("a clock that is wrong by days neither refreshes all the time nor never", async (mode) => {
  for (const offset of [-3, 3].map((days) => days * 86_400_000)) {
    const world = new World();
    const browser = new Browser(world);
    browser.wallOffset = offset;
    const { client } = browser.open({ mode, storage: "local" });
    await world.until(client.signIn("ada@example.com", "right"));
    for (let minute = 0; minute < 10; minute += 1) {
      await world.until(client.accessToken());
      await world.pass(MINUTE);
    }
    assert.equal(world.server.log.length, 0);
    await world.pass(10 * MINUTE);
    await world.until(client.accessToken());
    assert.equal(world.server.log.length, 1);
  }
});

both("a clock that is set back does not make an old token young", async (mode) => {
  const { world, browser, token } = await signedIn(mode);
  const first = await token();
  browser.wallOffset = -120 * MINUTE;
  await world.pass(20 * MINUTE);
  assert.notEqual(await token(), first);
});

both("what passes is asked again with the same token and key, growing apart", async (mode) => {
  const { world, token, refreshes } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  world.script = ["lostRequest", "lostReply", "garbledReply", "throttled", "unavailable"];
  world.script.push("gateway", "gatewayTimeout", "requestTimeout", "brokenServer", "liar");
  const before = world.now;
  assert.ok(await insistently(token));
  assert.deepEqual(world.script, []);
  assert.ok(world.now - before > 20_000 && world.now - before < 90_000, `${world.now - before}`);
  assert.ok(refreshes().every((event) => ["rotated", "retry", "same"].includes(event)));
  assert.equal(new Set(world.server.log.map(({ key }) => key)).size, 1);
});

/** Asks again when patience has run out. */
async function insistently(token) {
  for (;;) {
    try {
      return await token();
    } catch (error) {
      if (!error.isTemporary) throw error;
    }
  }
}

both("Retry-After is kept, by later calls too", async (mode) => {
  const { world, tab, token } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  const asked = [];
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) => {
    asked.push(world.now);
    return asked.length === 1 ? { status: 503, headers: { "retry-after": "300" }, body: "{}" } : handle(request);
  };
  await assert.rejects(token(), failsWith("temporarily_unavailable", { status: 503, retryAfter: 300 }));
  await assert.rejects(token(), failsWith("temporarily_unavailable", { isTemporary: true }));
  await world.pass(4 * MINUTE);
  assert.equal(asked.length, 1);
  await assert.rejects(token(), failsWith("temporarily_unavailable"));
  await world.pass(30_000);
  // Now what is left is within its patience.
  assert.ok(await world.until(tab.client.accessToken()));
  assert.equal(asked.length, 2);
  assert.ok(asked[1] - asked[0] >= 300_000);
});

both("a reply that was lost is asked for after days, and after a reload", async (mode) => {
  const { world, tab, open, refreshes, token } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  world.script = ["lostReply"];
  const asked = tab.client.accessToken();
  asked.catch(() => {});
  await world.pass(400);
  assert.deepEqual(refreshes(), ["rotated"]);
  tab.kill();
  await world.pass(5 * 86_400_000);
  assert.ok(await token(open()));
  assert.deepEqual(refreshes(), ["rotated", "retry"]);
});

both("where nobody passes on the key, a lost reply is good within the window and theft after it", async (mode) => {
  for (const [wait, event] of [[30_000, "retry"], [61_000, "reuse"]]) {
    const { world, tab, open, refreshes, token } = await signedIn(mode, { takesKeys: false });
    await world.pass(20 * MINUTE);
    world.script = ["lostReply"];
    tab.client.accessToken().catch(() => {});
    await world.pass(400);
    tab.kill();
    await world.pass(wait);
    const next = open();
    if (event === "retry") assert.ok(await token(next));
    else await assert.rejects(token(next), failsWith("invalid_grant", { status: 400, isTemporary: false }));
    assert.equal(refreshes().at(-1), event);
  }
});

both("within the margin the old token serves while the server is away", async (mode) => {
  const { world, tab, token } = await signedIn(mode);
  const first = await token();
  const { exp } = JSON.parse(Buffer.from(first.split(".")[1], "base64url"));
  await world.pass(exp - world.now - 20_000);
  world.trouble = 1;
  world.faults = ["forbiddenByProxy"];
  await assert.rejects(world.until(tab.client.accessToken()), failsWith("unexpected_answer", { status: 403 }));
  world.script = ["unavailable"];
  world.server.handle = () => ({ status: 503, headers: { "retry-after": "120" }, body: "" });
  world.trouble = 0;
  assert.equal(await token(), first);
});

both("a caller who leaves does not end the refresh of the others", async (mode) => {
  const { world, tab } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  const leaving = new AbortController();
  const left = tab.client.accessToken({ signal: leaving.signal });
  const stayed = tab.client.accessToken();
  world.at(1, () => leaving.abort(new Error("left")));
  await assert.rejects(world.until(left), /left/);
  assert.ok(await world.until(stayed));
  assert.equal(world.server.log.length, 1);
  await assert.rejects(tab.client.accessToken({ signal: leaving.signal }), /left/);
});

both("only invalid_grant with 400 ends the session", async (mode) => {
  const { world, tab, token, browser } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  const answers = [
    [401, "invalid_grant", "unexpected_answer"],
    [403, "invalid_grant", "unexpected_answer"],
    [400, "invalid_request", "invalid_request"],
    [404, "not_found", "not_found"],
  ];
  for (const [status, error, code] of answers) {
    const { handle } = world.server;
    world.server.handle = () => ({ status, headers: {}, body: JSON.stringify({ error }) });
    await assert.rejects(token(), failsWith(code, { status }));
    world.server.handle = handle;
  }
  assert.ok(stored(browser).sid);
  assert.ok(await token());
  world.server.session(stored(browser).sid).isActive = false;
  await world.pass(20 * MINUTE);
  await assert.rejects(token(), failsWith("invalid_grant"));
  assert.deepEqual(tab.changes.at(-1), { type: "signed-out", isHere: true, reason: "invalid_grant" });
  assert.equal(await token(), null);
});

// ---------------------------------------------------------------- signing out

both("a sign-out ends the session, in all tabs at once", async (mode) => {
  const { world, browser, tab, open, token } = await signedIn(mode);
  const other = open();
  await token(other);
  const { sid } = stored(browser);
  const signOut = tab.client.signOut();
  await world.pass(0);
  // Before the server has heard of it.
  assert.ok(world.server.isLive(world.server.session(sid)));
  assert.equal(await tab.client.accessToken(), null);
  assert.deepEqual(other.changes.at(-1), { type: "signed-out", isHere: false, reason: "user" });
  await world.until(signOut);
  assert.ok(!world.server.isLive(world.server.session(sid)));
  assert.equal(await token(other), null);
  assert.equal(await world.until(tab.client.isSignedIn()), false);
});

both("a sign-out beats a refresh that is under way", async (mode) => {
  const { world, browser, tab, open, token } = await signedIn(mode);
  const other = open();
  await token(other);
  await world.pass(20 * MINUTE);
  const refresh = tab.client.accessToken();
  await world.pass(1);
  await world.until(other.client.signOut());
  assert.equal(await world.until(refresh), null);
  await world.pass(MINUTE);
  assert.ok(mode === "body" ? stored(browser) === null : stored(browser).isSignedOut);
  assert.equal(await token(), null);
});

both("everywhere means everywhere, also with a token whose successor was lost", async (mode) => {
  const { world, tab } = await signedIn(mode);
  const device = new Browser(world).open({ mode, storage: "local" });
  await world.until(device.client.signIn("ada@example.com", "right"));
  await world.pass(20 * MINUTE);
  world.script = ["lostReply"];
  const refresh = tab.client.accessToken();
  refresh.catch(() => {});
  await world.pass(400);
  world.script = ["lostRequest"];
  await world.until(tab.client.signOut({ everywhere: true }));
  await assert.rejects(world.until(device.client.accessToken()), failsWith("invalid_grant"));
});

both("a sign-out that reaches nobody says so, and the page is signed out", async (mode) => {
  const { world, browser, tab, token } = await signedIn(mode);
  const { sid } = stored(browser);
  world.trouble = 1;
  world.faults = ["lostRequest", "portal"];
  await assert.rejects(world.until(tab.client.signOut()), { name: "RelatchError", isTemporary: true });
  assert.equal(await token(), null);
  world.trouble = 0;
  if (mode === "cookie") {
    await world.until(tab.client.signOut());
    assert.ok(!world.server.isLive(world.server.session(sid)));
    assert.equal(browser.cookie, null);
  }
});

both("a sign-out that waits long for its turn still ends the session", async (mode) => {
  const { world, browser, tab, open } = await signedIn(mode);
  const other = open({ timeout: 40 });
  const { sid } = stored(browser);
  await world.pass(20 * MINUTE);
  // A refresh holds the lock for longer than a sign-out waits for it.
  world.script = ["silentReply"];
  other.client.accessToken().catch(() => {});
  await world.pass(1000);
  await world.until(tab.client.signOut());
  assert.ok(!world.server.isLive(world.server.session(sid)));
});

both("a sign-out that is tried again does not end a later sign-in", async (mode) => {
  const { world, browser, tab, open, token } = await signedIn(mode);
  const other = open();
  const { sid } = stored(browser);
  world.script = ["lostRequest"];
  const signOut = tab.client.signOut();
  // Between the first request, which fails, and the next one.
  while (world.script.length > 0 || tab.underWay.size > 0) await world.pass(1);
  await world.until(other.client.signIn("eve@example.com", "right"));
  await world.until(signOut);
  assert.ok(await token());
  await world.pass(20 * MINUTE);
  assert.ok(await token(other));
  // In body mode the old session is still told to end; in cookie mode its cookie has gone.
  assert.equal(world.server.isLive(world.server.session(sid)), mode === "cookie");
});

both("a sign-in that follows a sign-out at once is not undone by it", async (mode) => {
  const { world, tab, token, browser } = await signedIn(mode);
  const { sid } = stored(browser);
  const calls = [tab.client.signOut(), tab.client.signIn("eve@example.com", "right")];
  await world.until(Promise.all(calls));
  assert.ok(await token());
  assert.notEqual(stored(browser).sid, sid);
  assert.ok(!world.server.isLive(world.server.session(sid)));
});

// ---------------------------------------------------------------- fetch

both("the token goes to the listed origins only", async (mode) => {
  const { world, tab, token } = await signedIn(mode);
  const seen = [];
  const { client } = tab.browser.open({
    mode,
    storage: "local",
    environment: {
      fetch: async (input) => {
        seen.push([new URL(input.url).origin, input.headers.get("authorization")]);
        return new Response("");
      },
    },
  });
  if (mode === "cookie") {
    // This tab's own fetch stands for the network, so that it hears of the token from another.
    await world.pass(20 * MINUTE);
    await client.isSignedIn().catch(() => {});
    await token();
    await world.pass(10);
  }
  const bearer = `Bearer ${await token()}`;
  const urls = [`${OWN}/a`, new URL(`${OWN}:443/b`), new Request(`${OWN}/c`, { method: "PUT", body: "x" })];
  for (const url of urls) await world.until(client.fetch(url));
  assert.deepEqual(seen.map(([, header]) => header), [bearer, bearer, bearer]);
  const others = ["https://api.example.com.evil.example/", "http://api.example.com/", `${OWN}:8443/`, API];
  others.push(`https://evil.example/?${OWN}/`, `https://evil.example/${OWN}`, `data:,${OWN}/`);
  for (const url of others) await world.until(client.fetch(url));
  assert.deepEqual(seen.slice(3).map(([, header]) => header), others.map(() => null));
  await world.until(client.fetch(`${OWN}/d`, { headers: { authorization: "Basic eDp5" } }));
  assert.equal(seen.at(-1)[1], "Basic eDp5");
});

test("nobody signed in: the request goes without a token", async () => {
  const world = new World();
  const { client } = new Browser(world).open({ mode: "body" });
  const response = await world.until(client.fetch(`${OWN}/data`));
  assert.equal(response.status, 401);
});

both("a 401 is followed by one refresh and one repetition, with the body", async (mode) => {
  const { world, tab, refreshes, token } = await signedIn(mode);
  await world.pass(MINUTE);
  const stream = () => new Blob(["part one, ", "part two"]).stream();
  for (const [body, text] of [["text", "text"], [stream(), "part one, part two"]]) {
    await world.pass(2 * MINUTE);
    const first = await token();
    let refusals = 1;
    const handle = world.server.handle.bind(world.server);
    world.server.handle = (request) =>
      request.path === "/data" && refusals-- > 0 ? { status: 401, headers: {}, body: "{}" } : handle(request);
    const before = refreshes().length;
    const response = await world.until(tab.client.fetch(`${OWN}/data`, { method: "POST", body, duplex: "half" }));
    assert.equal(response.status, 200);
    assert.equal((await response.json()).body, text);
    assert.equal(refreshes().length, before + 1);
    assert.notEqual(await token(), first);
    world.server.handle = handle;
  }
});

both("a route that refuses every token gets no endless refreshes", async (mode) => {
  const { world, tab, refreshes } = await signedIn(mode);
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) =>
    request.path === "/data" ? { status: 401, headers: {}, body: "{}" } : handle(request);
  for (let call = 0; call < 10; call += 1) {
    assert.equal((await world.until(tab.client.fetch(`${OWN}/data`))).status, 401);
  }
  assert.equal(refreshes().length, 1);
});

both("a 401 because the session has ended is told as such", async (mode) => {
  const { world, tab, browser } = await signedIn(mode);
  world.server.isChecked = true;
  world.server.session(stored(browser).sid).isActive = false;
  await assert.rejects(world.until(tab.client.fetch(`${OWN}/data`)), failsWith("invalid_grant"));
});

both("a fetch that its caller left is left", async (mode) => {
  const { world, tab } = await signedIn(mode);
  await world.pass(20 * MINUTE);
  const leaving = new AbortController();
  const fetched = tab.client.fetch(`${OWN}/data`, { signal: leaving.signal });
  world.at(1, () => leaving.abort(new Error("left")));
  await assert.rejects(world.until(fetched), /left/);
  await world.pass(MINUTE);
  assert.equal(world.server.log.length, 1);
});

// ---------------------------------------------------------------- what is stored

test("cookie mode stores no token, and tells the access token only to tabs", async () => {
  const { world, browser, tab, open, token } = await signedIn("cookie");
  const seen = [];
  const setItem = browser.setItem.bind(browser);
  browser.setItem = (name, text, by) => (seen.push(text), setItem(name, text, by));
  const other = open();
  await world.pass(20 * MINUTE);
  const access = await token(tab);
  await world.pass(10);
  assert.equal(await token(other), access);
  assert.ok(seen.length > 2);
  assert.deepEqual(seen.filter((text) => text?.includes(access) || text?.includes(browser.cookie)), []);
  assert.deepEqual(Object.keys(stored(browser)), ["mode", "sid", "revision", "key", "at"]);
});

test("the key of a cookie is another one when the cookie is on the disk", async () => {
  const { world, browser, token } = await signedIn("cookie");
  await world.pass(20 * MINUTE);
  const { key } = stored(browser);
  await token();
  await world.pass(50_000);
  assert.equal(stored(browser).key, key);
  await world.pass(14_000);
  assert.notEqual(stored(browser).key, key);
  assert.match(stored(browser).key, /^[A-Za-z0-9_-]{22}$/);
});

test("the next key of a cookie is used by whoever comes later", async () => {
  const { world, browser, tab, open, token, refreshes } = await signedIn("cookie");
  const first = stored(browser).key;
  await world.pass(20 * MINUTE);
  await token();
  await world.pass(80_000);
  const { key } = stored(browser);
  tab.kill();
  await world.pass(20 * MINUTE);
  world.script = ["lostReply"];
  assert.ok(await token(open()));
  assert.deepEqual(refreshes(), ["rotated", "rotated", "retry"]);
  assert.deepEqual(world.server.log.map((entry) => entry.key), [first, key, key]);
});

test("the key of a cookie that was presented since is not renewed, even where two tabs saw the same", async () => {
  const { world, browser, tab, open, refreshes } = await signedIn("cookie");
  const other = open();
  await world.pass(20 * MINUTE);
  const { key } = stored(browser);
  // The second tab has the lock before it sees what the first one stored.
  browser.lag = 50;
  world.script = ["none", "lostReply"];
  const calls = [tab, other].map(({ client }) => client.accessToken());
  calls[1].catch(() => {});
  assert.ok(await world.until(calls[0]));
  while (refreshes().length < 2) await world.pass(1);
  other.kill();
  await world.pass(90_000);
  assert.deepEqual([stored(browser).key, stored(browser).isPresented], [key, true]);
});

test("a browser that crashes comes back with the old cookie and with its key", async () => {
  const { world, browser, open, token, refreshes } = await signedIn("cookie");
  await world.pass(20 * MINUTE);
  const old = browser.cookie;
  await token();
  await world.pass(6_000);
  browser.crash();
  browser.cookie = old;
  await world.pass(60 * MINUTE);
  assert.ok(await token(open()));
  assert.deepEqual(refreshes(), ["rotated", "retry"]);
});

test("a page whose storage was emptied finds its cookie", async () => {
  const { world, browser, tab, open, token } = await signedIn("cookie");
  tab.kill();
  browser.storage.clear();
  const next = open();
  assert.equal(await world.until(next.client.isSignedIn()), true);
  assert.ok(await token(next));
});

test("who was never here is asked after once", async () => {
  const world = new World();
  const browser = new Browser(world);
  let asked = 0;
  const handle = world.server.handle.bind(world.server);
  world.server.handle = (request) => ((asked += 1), handle(request));
  const first = browser.open({ mode: "cookie" });
  assert.equal(await world.until(first.client.isSignedIn()), false);
  assert.equal(await world.until(browser.open({ mode: "cookie" }).client.accessToken()), null);
  assert.equal(asked, 1);
  assert.deepEqual(first.changes, []);
});

test("the key of a token in the body is made with it and kept", async () => {
  const { world, browser, open, token } = await signedIn("body");
  await world.pass(20 * MINUTE);
  const { key } = stored(browser);
  await token();
  assert.equal(world.server.log[0].key, key);
  const next = stored(browser);
  assert.notEqual(next.key, key);
  await world.pass(100);
  // The same token again keeps its key.
  const handle = world.server.handle.bind(world.server);
  let refusals = 1;
  world.server.handle = (request) =>
    request.path === "/data" && refusals-- > 0 ? { status: 401, headers: {}, body: "" } : handle(request);
  await world.pass(31_000);
  const other = open();
  await world.until(other.client.fetch(`${OWN}/data`));
  assert.equal(world.server.log.at(-1).event, "same");
  assert.deepEqual([stored(browser).gen, stored(browser).key], [next.gen, next.key]);
});

test("in memory, each tab has a session of its own and nothing is stored", async () => {
  const { world, browser, tab, token } = await signedIn("body");
  await world.until(tab.client.signOut());
  const [one, two] = [browser.open({ mode: "body" }), browser.open({ mode: "body" })];
  await world.until(one.client.signIn("ada@example.com", "right"));
  assert.ok(await token(one));
  assert.equal(await token(two), null);
  assert.equal(browser.storage.size, 0);
});

both("where Web Storage is forbidden, memory takes its place", async (mode) => {
  const world = new World();
  const browser = new Browser(world);
  browser.hasStorage = false;
  const { client } = browser.open({ mode, storage: "local" });
  await world.until(client.signIn("ada@example.com", "right"));
  await world.pass(20 * MINUTE);
  assert.ok(await world.until(client.accessToken()));
  // The cookie is still there for the next page.
  assert.equal(await world.until(browser.open({ mode, storage: "local" }).client.isSignedIn()), mode === "cookie");
});

test("a storage of the caller's may be slow, and may fail", async () => {
  const world = new World();
  const browser = new Browser(world);
  const kept = new Map();
  let fails = false;
  const slowly = (work) =>
    new Promise((resolve, reject) => world.at(50, () => (fails ? reject(new Error("locked")) : resolve(work()))));
  const storage = {
    get: (name) => slowly(() => kept.get(name)),
    set: (name, text) => slowly(() => void (text === null ? kept.delete(name) : kept.set(name, text))),
  };
  const { client } = browser.open({ mode: "body", storage });
  fails = true;
  await assert.rejects(world.until(client.signIn("ada@example.com", "right")), failsWith("storage_failed"));
  fails = false;
  await world.until(client.signIn("ada@example.com", "right"));
  const { gen } = JSON.parse(kept.get(NAME));
  await world.pass(20 * MINUTE);
  // It fails at the very moment at which the next token is to be stored: the tab knows it all the same.
  const set = storage.set;
  storage.set = () => Promise.reject(new Error("full"));
  assert.ok(await world.until(client.accessToken()));
  storage.set = set;
  assert.equal(JSON.parse(kept.get(NAME)).gen, gen);
  await world.pass(20 * MINUTE);
  assert.ok(await world.until(client.accessToken()));
  assert.deepEqual(world.server.log.map(({ event }) => event), ["rotated", "rotated"]);
  assert.equal(JSON.parse(kept.get(NAME)).gen, gen + 2);
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
    assert.equal(await world.until(client.accessToken()), null, text);
  }
});

// ---------------------------------------------------------------- settings and listeners

test("settings that are unsafe or nonsense are refused", () => {
  const good = { baseUrl: API, mode: "body" };
  createClient(good).close();
  createClient({ ...good, baseUrl: "http://127.0.0.1:3000/", origins: ["http://localhost:8080"] }).close();
  const bad = [
    {},
    { mode: "body" },
    { baseUrl: API },
    { ...good, mode: "both" },
    { ...good, baseUrl: "http://auth.example.com" },
    { ...good, baseUrl: "https://user@auth.example.com" },
    { ...good, baseUrl: `${API}/?a=b` },
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
  const { world, tab, token } = await signedIn("body");
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  const heard = [];
  tab.client.onChange(() => {
    throw new Error("of the listener");
  });
  const leave = tab.client.onChange(({ type }) => heard.push(type));
  await world.pass(20 * MINUTE);
  assert.ok(await token());
  leave();
  await world.pass(20 * MINUTE);
  assert.ok(await token());
  delete globalThis.reportError;
  assert.deepEqual(heard, ["refreshed"]);
  assert.deepEqual(reported, ["of the listener", "of the listener"]);
});

test("a closed client hears no other tab", async () => {
  const { world, tab, open } = await signedIn("body");
  const other = open();
  other.client.close();
  await world.until(tab.client.signOut());
  await world.pass(100);
  assert.deepEqual(other.changes, []);
});
