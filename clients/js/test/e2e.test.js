// The client against a Relatch that runs:
//
//     cargo run dev --chaos lost-replies=20% --chaos throttle=5%
//     RELATCH_URL=http://127.0.0.1:3000 RELATCH_EMAIL=demo@example.com \
//       RELATCH_PASSWORD='correct horse battery staple' node --test test/e2e.test.js
//
// With RELATCH_ORIGIN, one of the origins that the deployment allows, cookie mode as well.
// Time passes for the client only, so that tokens are refreshed which the server still takes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";

import { createClient } from "../relatch.js";

const { RELATCH_URL, RELATCH_EMAIL, RELATCH_PASSWORD, RELATCH_ORIGIN } = process.env;
const url = RELATCH_URL?.replace(/\/$/, "");
const skipReason = [RELATCH_URL, RELATCH_EMAIL, RELATCH_PASSWORD].includes(undefined) &&
  "RELATCH_URL, RELATCH_EMAIL and RELATCH_PASSWORD do not say where a Relatch runs";
const options = { skip: skipReason, timeout: 300_000 };

let browsers = 0;
const channels = [];
// An open channel keeps the process alive.
after(() => channels.forEach((channel) => channel.close()));

/** What two tabs of one browser share, but for a cookie. */
function createBrowser() {
  browsers += 1;
  const channel = `browser ${browsers}`;
  const items = new Map();
  const localStorage = {
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, text) => void items.set(name, text),
    removeItem: (name) => void items.delete(name),
  };
  let lastTurn = Promise.resolve();
  const locks = {
    request(_, { signal }, work) {
      const turn = lastTurn.then(() => (signal.throwIfAborted(), work()));
      lastTurn = turn.catch(() => {});
      return turn;
    },
  };
  const openChannel = () => {
    channels.push(new BroadcastChannel(channel));
    return channels.at(-1);
  };
  return { items, localStorage, locks, openChannel };
}

/** A tab in which as much time has passed as is said. */
function openTab({ localStorage, locks, openChannel }, overrides = {}, fetch = globalThis.fetch) {
  const clock = { elapsed: 0 };
  const client = createClient({
    baseUrl: url,
    mode: "body",
    storage: "local",
    origins: [new URL(url).origin],
    ...overrides,
    environment: {
      fetch,
      localStorage,
      locks,
      openChannel,
      now: () => performance.now() + clock.elapsed,
      wall: () => Date.now() + clock.elapsed,
    },
  });
  return { client, clock };
}

/** Again while it is temporary: the stack may be one that misbehaves on purpose. */
async function retry(work) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!error.isTemporary) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function fetchEmail({ client }) {
  // The network of the page's own requests is the page's matter.
  for (let attempt = 0; attempt < 20; attempt += 1) {
    const response = await client.fetch(`${url}/userinfo`).catch((error) => {
      if (error.code !== undefined) throw error;
    });
    if (response?.status === 429 || response === undefined) continue;
    assert.equal(response.status, 200);
    return (await response.json()).email;
  }
  throw new Error("the stack answers nothing");
}

const storedGeneration = ({ items }) => JSON.parse([...items.values()][0]).gen;

test("sign in, call, refresh, sign out", options, async () => {
  const shared = createBrowser();
  const [one, two] = [openTab(shared), openTab(shared)];
  await retry(() => one.client.signIn(RELATCH_EMAIL, RELATCH_PASSWORD));
  assert.equal(storedGeneration(shared), 0);
  assert.equal(await fetchEmail(one), RELATCH_EMAIL);
  assert.equal(await fetchEmail(two), RELATCH_EMAIL);
  const first = await two.client.accessToken();

  one.clock.elapsed = two.clock.elapsed = 3_600_000;
  const tokens = await retry(() => Promise.all([one, two, one].map(({ client }) => client.accessToken())));
  assert.equal(new Set(tokens).size, 1);
  assert.notEqual(tokens[0], first);
  assert.equal(storedGeneration(shared), 1);
  assert.equal(await fetchEmail(two), RELATCH_EMAIL);

  const change = new Promise((resolve) => two.client.onChange(resolve));
  await retry(() => one.client.signOut({ everywhere: true }));
  assert.equal(shared.items.size, 0);
  assert.deepEqual(await change, { type: "signed-out", isHere: false, reason: "user" });
  assert.equal(await two.client.accessToken(), null);
});

test("every reply is lost at first, and nobody is signed out", options, async () => {
  const shared = createBrowser();
  let count = 0;
  const lossyFetch = async (...request) => {
    const response = await fetch(...request);
    count += 1;
    if (count % 3 !== 0) throw new TypeError("the reply is lost");
    return response;
  };
  const { client } = openTab(shared);
  await retry(() => client.signIn(RELATCH_EMAIL, RELATCH_PASSWORD));
  for (let hour = 1; hour <= 3; hour += 1) {
    // A page that was opened anew, with what the last one stored.
    const page = openTab(shared, { patience: 30 }, lossyFetch);
    page.clock.elapsed = hour * 3_600_000;
    assert.ok(await retry(() => page.client.accessToken()));
  }
  assert.ok(storedGeneration(shared) >= 1);
  await retry(() => client.signOut());
});

test("wrong passwords are told apart from trouble", options, async () => {
  const { client } = openTab(createBrowser());
  const unknownEmail = `nobody-${Date.now()}@example.com`;
  const codes = [];
  for (let attempt = 0; attempt < 20 && codes.at(-1) !== "too_many_attempts"; attempt += 1) {
    const error = await client.signIn(unknownEmail, "wrong").catch((error) => error);
    codes.push(error.code);
    if (error.code === "too_many_attempts") assert.ok(error.retryAfter >= 1, `${error.retryAfter}`);
  }
  assert.ok(codes.includes("invalid_credentials") && codes.includes("too_many_attempts"), codes.join());
});

test("a session that was ended elsewhere is over", options, async () => {
  const shared = createBrowser();
  const one = openTab(shared);
  await retry(() => one.client.signIn(RELATCH_EMAIL, RELATCH_PASSWORD));
  const other = openTab(createBrowser());
  await retry(() => other.client.signIn(RELATCH_EMAIL, RELATCH_PASSWORD));
  await retry(() => other.client.signOut({ everywhere: true }));
  one.clock.elapsed = 3_600_000;
  await assert.rejects(retry(() => one.client.accessToken()), { code: "invalid_grant", status: 400 });
  assert.equal(shared.items.size, 0);
});

const cookieOptions = {
  ...options,
  skip: skipReason || (!RELATCH_ORIGIN && "RELATCH_ORIGIN names no origin that may use cookies"),
};

test("cookie mode: sign in, reload, lose replies, sign out", cookieOptions, async () => {
  const shared = createBrowser();
  let jar = null;
  let isLossy = false;
  const bodies = [];
  const fetch = async (input, init = {}) => {
    if (init.credentials !== "include") return globalThis.fetch(input, init);
    const headers = { ...init.headers, origin: RELATCH_ORIGIN, ...(jar && { cookie: jar }) };
    const response = await globalThis.fetch(input, { ...init, headers });
    bodies.push(await response.clone().text());
    if (isLossy && bodies.length % 2) throw new TypeError("the reply is lost");
    for (const cookie of response.headers.getSetCookie()) jar = /max-age=0/i.test(cookie) ? null : cookie.split(";")[0];
    return response;
  };
  const open = () => openTab(shared, { mode: "cookie" }, fetch);
  const one = open();
  await retry(() => one.client.signIn(RELATCH_EMAIL, RELATCH_PASSWORD));
  assert.match(jar, /relatch_refresh=/);
  assert.equal(await fetchEmail(one), RELATCH_EMAIL);
  isLossy = true;
  for (let page = 0; page < 4; page += 1) {
    const next = open();
    assert.equal(await retry(() => next.client.isSignedIn()), true);
    assert.ok(await retry(() => next.client.accessToken()));
    next.client.close();
  }
  isLossy = false;
  assert.deepEqual(bodies.filter((text) => text.includes("refresh_token\"")), []);
  await retry(() => one.client.signOut());
  assert.equal(jar, null);
  assert.equal(await open().client.accessToken(), null);
  one.client.close();
});

// This one needs no Relatch, but a real fetch.
test("a redirection to another origin does not take the token along", async () => {
  const authorizations = [];
  const listen = async (handler) => {
    const server = createServer((request, response) => handler(request, response)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    return { server, origin: `http://127.0.0.1:${server.address().port}` };
  };
  const otherServer = await listen((request, response) => {
    authorizations.push(request.headers.authorization);
    response.end("taken");
  });
  const ownServer = await listen((request, response) => {
    authorizations.push(request.headers.authorization);
    response.writeHead(307, { location: `${otherServer.origin}/` }).end();
  });
  const claims = Buffer.from(JSON.stringify({ sid: "s", gen: 0 })).toString("base64url");
  const client = createClient({
    baseUrl: "https://auth.example.com",
    mode: "body",
    origins: [ownServer.origin],
    environment: {
      fetch: (input, init) =>
        typeof input === "string"
          ? Response.json({ access_token: `e30.${claims}.x`, refresh_token: `e30.${claims}.y`, expires_in: 900 })
          : fetch(input, init),
    },
  });
  try {
    await client.signIn("ada@example.com", "right");
    assert.equal(await (await client.fetch(`${ownServer.origin}/`)).text(), "taken");
    assert.deepEqual(authorizations, [`Bearer e30.${claims}.x`, undefined]);
  } finally {
    ownServer.server.close();
    otherServer.server.close();
  }
});
