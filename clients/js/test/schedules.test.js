// Random schedules of everything that happens to tabs, networks, clocks and browsers. Each has a
// seed, and the same seed the same schedule. What must hold in each:
//
// - the server never sees a token that was rotated away (`reuse`), nor one of the future
// - nobody is told that the session is over while it is not
// - no stored token is replaced by an older one of its session
// - with locks, there is one request for tokens at a time in the browser
// - every attempt with a token has the same key, in cookie mode until an answer is there
// - when the network is calm again, who did not sign out has an access token

import assert from "node:assert/strict";
import { test } from "node:test";

import { API_URL, AUTH_URL, Browser, World } from "./model/world.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** By then the storage is on the disk. */
const STORAGE_FLUSH = 6_000;
const SCHEDULES = Number(process.env.RELATCH_SCHEDULES ?? 150);
const FIRST_SEED = Number(process.env.RELATCH_SEED ?? 1);
const NAME = `relatch ${AUTH_URL}`;
const EXPECTED_CODES = new Set([
  "network_error",
  "timeout",
  "temporarily_unavailable",
  "unreadable_answer",
  "server_error",
]);
const TEMPORARY_CODES = new Set([...EXPECTED_CODES, "unexpected_answer"]);

class Run {
  lostSessions = new Set();
  keyRenewedAt = -Infinity;
  counts = {};
  failures = [];

  constructor(seed, { mode, hasLocks, lag, crashes, ...server }) {
    Object.assign(this, { seed, mode, crashes });
    this.world = new World({ seed, ...server });
    this.random = this.world.random;
    this.browser = new Browser(this.world);
    Object.assign(this.browser, { hasLocks, lag });
    // A page does not know which token its cookie is. If a request of long ago is still under way
    // while two others are answered, of which it heard the last only, it arrives two generations
    // late. Only a token in the body can be left alone for so long.
    // And a crash may take two cookies back, if the answer to the first could not be read.
    const excludedFaults = [mode === "cookie" && "lateRequest", mode === "cookie" && crashes && "garbledResponse"];
    this.world.faults = this.world.faults.filter((fault) => !excludedFaults.includes(fault));
    this.#watchStorage();
    this.open();
  }

  get randomTab() {
    return this.random.pick([...this.browser.tabs]);
  }

  count(name) {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  check(condition, message) {
    if (!condition) this.failures.push(message);
  }

  open() {
    const tab = this.browser.open({ mode: this.mode, storage: "local" });
    tab.client.onChange((change) => {
      if (change.reason !== "invalid_grant") return;
      this.check(!this.world.server.isLive(this.#currentSession()), "told that the session is over, which it is not");
      this.count("session over");
    });
    return tab;
  }

  /** The session whose token the browser has. */
  #currentSession() {
    const { cookie, storage } = this.browser;
    const record = JSON.parse(storage.get(NAME) ?? "null");
    if (record === null || record.isSignedOut) return undefined;
    const token = this.mode === "cookie" ? cookie : record.refreshToken;
    return token ? this.world.server.lookUpToken(token).session : undefined;
  }

  #watchStorage() {
    const { browser } = this;
    const set = browser.setItem.bind(browser);
    browser.setItem = (name, text, source) => {
      if (name !== NAME) return set(name, text, source);
      const before = JSON.parse(browser.storage.get(name) ?? "null");
      const after = JSON.parse(text ?? "null");
      const isOlder = before?.sid && before.sid === after?.sid && after.gen < before.gen;
      this.check(!isOlder, "an older token was stored over a newer one");
      if (before?.sid && before.sid === after?.sid && before.gen === undefined && before.key !== after.key) {
        this.keyRenewedAt = this.world.now;
      }
      this.count("stored");
      set(name, text, source);
    };
  }

  /** A call whose end nobody waits for. */
  callClient() {
    const { client } = this.randomTab;
    const signal = this.random.chance(0.2) ? AbortSignal.abort(new Error("left")) : undefined;
    const controller = this.random.chance(0.2) ? new AbortController() : undefined;
    if (controller) this.world.schedule(this.random.between(0, 3000), () => controller.abort(new Error("left")));
    const call = this.random.chance(0.5)
      ? client.accessToken({ signal: controller?.signal ?? signal })
      : client.fetch(`${API_URL}/data`, { method: "POST", body: "b", signal: controller?.signal });
    call.then(
      () => this.count("had a token"),
      (error) => {
        // What the caller's own route does is not the client's.
        if (error.message === "left" || error.message === "network changed") return;
        const isExpected = TEMPORARY_CODES.has(error.code) || error.code === "invalid_grant";
        this.check(isExpected, `an error of its own: ${error.stack}`);
        this.count(`error ${error.code}`);
      },
    );
  }

  async signIn() {
    const { faultRate } = this.world;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.world.waitFor(this.randomTab.client.signIn("ada@example.com", "right"));
        break;
      } catch (error) {
        if (!TEMPORARY_CODES.has(error.code)) throw error;
        if (attempt > 3) this.world.faultRate = 0;
      }
    }
    this.world.faultRate = faultRate;
    this.count("sign-in");
  }

  async signOut() {
    const { faultRate } = this.world;
    // What another tab has just done, this one may not have seen.
    await this.world.advance(2 * this.browser.lag);
    const before = this.#currentSession();
    const everywhere = this.random.chance(0.3);
    try {
      await this.world.waitFor(this.randomTab.client.signOut({ everywhere }));
      this.check(!this.world.server.isLive(before), "signed out, but the session is alive");
    } catch (error) {
      if (!TEMPORARY_CODES.has(error.code)) throw error;
    }
    this.world.faultRate = faultRate;
    await this.world.advance(100);
    // Without a lock, a refresh that ends in another tab at this very moment may store its tokens
    // once more. The session has ended, and the next refresh says so.
    if (this.browser.hasLocks) await this.#checkSignOut();
    this.count("sign-out");
    await this.signIn();
  }

  async #checkSignOut() {
    const stored = this.browser.storage.get(NAME);
    this.check(stored === undefined || JSON.parse(stored).isSignedOut, "signed out, but a session is stored");
    for (const tab of this.browser.tabs) {
      // One that has joined a refresh that was under way may hear how that failed.
      const token = await this.world.waitFor(tab.client.accessToken().catch((error) => (error.code ? null : error)));
      this.check(token === null, "a tab has an access token after the sign-out");
    }
  }

  async step() {
    const { random, world, browser } = this;
    const actions = [
      [30, async () => this.callClient()],
      [6, async () => this.open()],
      [5, async () => browser.tabs.size > 1 && (this.randomTab.kill(), this.count("kill"))],
      [5, async () => (this.randomTab.kill(), this.open(), this.count("reload"))],
      [8, async () => (world.faultRate = random.pick([0, 0, 0.3, 0.7, 1]))],
      [12, async () => world.advance(random.between(0, 2000))],
      [10, async () => world.advance(random.between(0, 2 * MINUTE))],
      [10, async () => world.advance(random.between(5 * MINUTE, 30 * MINUTE))],
      [2, async () => world.advance(random.between(HOUR, 40 * HOUR))],
      [4, async () => (await world.sleep(random.between(MINUTE, 12 * HOUR), [browser]), this.count("sleep"))],
      [3, async () => (browser.wallOffset += random.between(-2 * HOUR, 2 * HOUR))],
      [2, async () => this.signOut()],
      [1, async () => this.signIn()],
      [this.crashes ? 3 : 0, async () => (await this.crash(), this.count("crash"))],
    ];
    let choice = random.between(0, actions.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, action] of actions) {
      choice -= weight;
      if (choice < 0) return action();
    }
  }

  async crash() {
    // What a change of keys costs, if it is lost with the cookie that was rotated by it: README.md.
    if (this.world.now - this.keyRenewedAt < STORAGE_FLUSH) await this.world.advance(STORAGE_FLUSH);
    const sessionBefore = this.#currentSession();
    this.browser.crash();
    // A sign-in whose cookie was not on the disk is lost, and nothing is asked of the one before.
    if (this.mode === "cookie" && this.#currentSession() !== sessionBefore) {
      this.lostSessions.add(this.#currentSession()?.sid);
    }
    if (this.random.chance(0.7)) await this.world.advance(this.random.between(0, 5 * HOUR));
    this.open();
  }

  async run(steps) {
    await this.signIn();
    for (let step = 0; step < steps && this.failures.length === 0; step += 1) {
      if (this.browser.tabs.size === 0) this.open();
      await this.step();
      this.#checkLog();
    }
    this.world.faultRate = 0;
    await this.world.advance(5 * MINUTE);
    this.open();
    const session = this.#currentSession();
    const isLive = this.world.server.isLive(session) && !this.lostSessions.has(session.sid);
    for (const tab of this.browser.tabs) {
      const token = await this.world.waitFor(tab.client.accessToken().catch((error) => error));
      if (isLive) this.check(typeof token === "string", `signed in, but no access token: ${token}`);
    }
    this.count(isLive ? "ended signed in" : "ended signed out");
    this.#checkLog();
  }

  #checkLog() {
    const { log } = this.world.server;
    for (const { event, key, sid, presented } of log) {
      if (this.lostSessions.has(sid)) continue;
      this.check(event !== "reuse" && event !== "future", `${event} of generation ${presented} of ${sid}`);
      this.check(key !== null, "a refresh without a key");
    }
  }

  /** What is true of the whole log. */
  checkWholeLog() {
    if (this.browser.hasLocks) this.check(this.browser.maxConcurrentRequests === 1, "two requests for tokens at once");
    const keys = new Map();
    for (const { event, sid, presented, key } of this.world.server.log) {
      this.count(event);
      const token = `${sid} ${presented}`;
      // Two tabs without a lock may store the same token at once, each with a key of its own.
      // After a crash the token may be received, and given a key, for a second time.
      if (this.mode === "body" && this.browser.hasLocks && !this.crashes) {
        this.check((keys.get(token) ?? key) === key, `two keys for ${token}`);
      }
      keys.set(token, key);
    }
  }
}

async function testSchedules(name, settings, steps, expectedEvents) {
  await test(name, async (t) => {
    const counts = {};
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed += 1) {
      const run = new Run(seed, settings);
      await run.run(steps);
      run.checkWholeLog();
      assert.deepEqual(run.failures, [], `seed ${seed}`);
      for (const [event, count] of Object.entries(run.counts)) counts[event] = (counts[event] ?? 0) + count;
    }
    t.diagnostic(Object.entries(counts).map(([event, count]) => `${event} ${count}`).join(", "));
    // A schedule in which nothing happens proves nothing.
    for (const event of expectedEvents) assert.ok(counts[event] > 0, `never: ${event}`);
  });
}

const USUAL_EVENTS = ["rotated", "same", "retry", "kill", "reload", "sleep", "sign-out", "had a token", "stored"];
USUAL_EVENTS.push("ended signed in");
const CRASH_EVENTS = [...USUAL_EVENTS, "crash"];
const inBody = { mode: "body", hasLocks: true, lag: 0 };
const inCookie = { mode: "cookie", hasLocks: true, lag: 0 };

await testSchedules("body mode, tabs with locks", { ...inBody, crashes: true }, 80, CRASH_EVENTS);
await testSchedules("body mode, a storage that is seen late", { ...inBody, lag: 50 }, 80, USUAL_EVENTS);
await testSchedules("body mode, no locks", { ...inBody, hasLocks: false, lag: 50 }, 80, USUAL_EVENTS);
const shortLives = { ...inBody, window: 12, accessTtl: 60 };
await testSchedules("body mode, short tokens, a short window", shortLives, 80, USUAL_EVENTS);
await testSchedules("cookie mode, tabs with locks", { ...inCookie, crashes: true }, 80, CRASH_EVENTS);
await testSchedules("cookie mode, a storage that is seen late", { ...inCookie, lag: 50 }, 80, USUAL_EVENTS);
