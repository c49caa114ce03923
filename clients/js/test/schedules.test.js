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

import { API, Browser, OWN, World } from "./model/world.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** By then the storage is on the disk. */
const JUST_NOW = 6_000;
const SCHEDULES = Number(process.env.RELATCH_SCHEDULES ?? 150);
const FIRST_SEED = Number(process.env.RELATCH_SEED ?? 1);
const NAME = `relatch ${API}`;
const USUAL = new Set(["network_error", "timeout", "temporarily_unavailable", "unreadable_answer", "server_error"]);
const PASSING = new Set([...USUAL, "unexpected_answer"]);

class Run {
  lost = new Set();
  renewedAt = -Infinity;
  counts = {};
  broken = [];

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
    const beyond = [mode === "cookie" && "lateRequest", mode === "cookie" && crashes && "garbledReply"];
    this.world.faults = this.world.faults.filter((fault) => !beyond.includes(fault));
    this.#watchStorage();
    this.open();
  }

  get tab() {
    return this.random.one([...this.browser.tabs]);
  }

  count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  check(condition, what) {
    if (!condition) this.broken.push(what);
  }

  open() {
    const tab = this.browser.open({ mode: this.mode, storage: "local" });
    tab.client.onChange((change) => {
      if (change.reason !== "invalid_grant") return;
      this.check(!this.world.server.isLive(this.#current()), "told that the session is over, which it is not");
      this.count("session over");
    });
    return tab;
  }

  /** The session whose token the browser has. */
  #current() {
    const { cookie, storage } = this.browser;
    const record = JSON.parse(storage.get(NAME) ?? "null");
    if (record === null || record.isSignedOut) return undefined;
    const token = this.mode === "cookie" ? cookie : record.refreshToken;
    return token ? this.world.server.named(token).session : undefined;
  }

  #watchStorage() {
    const { browser } = this;
    const set = browser.setItem.bind(browser);
    browser.setItem = (name, text, by) => {
      if (name !== NAME) return set(name, text, by);
      const before = JSON.parse(browser.storage.get(name) ?? "null");
      const after = JSON.parse(text ?? "null");
      const isOlder = before?.sid && before.sid === after?.sid && after.gen < before.gen;
      this.check(!isOlder, "an older token was stored over a newer one");
      if (before?.sid && before.sid === after?.sid && before.gen === undefined && before.key !== after.key) {
        this.renewedAt = this.world.now;
      }
      this.count("stored");
      set(name, text, by);
    };
  }

  /** A call whose end nobody waits for. */
  ask() {
    const { client } = this.tab;
    const signal = this.random.happens(0.2) ? AbortSignal.abort(new Error("left")) : undefined;
    const leaving = this.random.happens(0.2) ? new AbortController() : undefined;
    if (leaving) this.world.at(this.random.between(0, 3000), () => leaving.abort(new Error("left")));
    const asked = this.random.happens(0.5)
      ? client.accessToken({ signal: leaving?.signal ?? signal })
      : client.fetch(`${OWN}/data`, { method: "POST", body: "b", signal: leaving?.signal });
    asked.then(
      () => this.count("had a token"),
      (error) => {
        // What the caller's own route does is not the client's.
        if (error.message === "left" || error.message === "network changed") return;
        const isUsual = USUAL.has(error.code) || error.code === "unexpected_answer" || error.code === "invalid_grant";
        this.check(isUsual, `an error of its own: ${error.stack}`);
        this.count(`error ${error.code}`);
      },
    );
  }

  async signIn() {
    const { trouble } = this.world;
    for (let time = 0; ; time += 1) {
      try {
        await this.world.until(this.tab.client.signIn("ada@example.com", "right"));
        break;
      } catch (error) {
        if (!PASSING.has(error.code)) throw error;
        if (time > 3) this.world.trouble = 0;
      }
    }
    this.world.trouble = trouble;
    this.count("sign-in");
  }

  async signOut() {
    const { trouble } = this.world;
    // What another tab has just done, this one may not have seen.
    await this.world.pass(2 * this.browser.lag);
    const before = this.#current();
    const everywhere = this.random.happens(0.3);
    try {
      await this.world.until(this.tab.client.signOut({ everywhere }));
      this.check(!this.world.server.isLive(before), "signed out, but the session is alive");
    } catch (error) {
      if (!PASSING.has(error.code)) throw error;
    }
    this.world.trouble = trouble;
    await this.world.pass(100);
    // Without a lock, a refresh that ends in another tab at this very moment may store its tokens
    // once more. The session has ended, and the next refresh says so.
    if (this.browser.hasLocks) await this.#lookAtSignOut();
    this.count("sign-out");
    await this.signIn();
  }

  async #lookAtSignOut() {
    const stored = this.browser.storage.get(NAME);
    this.check(stored === undefined || JSON.parse(stored).isSignedOut, "signed out, but a session is stored");
    for (const tab of this.browser.tabs) {
      // One that has joined a refresh that was under way may hear how that failed.
      const token = await this.world.until(tab.client.accessToken().catch((error) => (error.code ? null : error)));
      this.check(token === null, "a tab has an access token after the sign-out");
    }
  }

  async step() {
    const { random, world, browser } = this;
    const deeds = [
      [30, async () => this.ask()],
      [6, async () => this.open()],
      [5, async () => browser.tabs.size > 1 && (this.tab.kill(), this.count("kill"))],
      [5, async () => (this.tab.kill(), this.open(), this.count("reload"))],
      [8, async () => (world.trouble = random.one([0, 0, 0.3, 0.7, 1]))],
      [12, async () => world.pass(random.between(0, 2000))],
      [10, async () => world.pass(random.between(0, 2 * MINUTE))],
      [10, async () => world.pass(random.between(5 * MINUTE, 30 * MINUTE))],
      [2, async () => world.pass(random.between(HOUR, 40 * HOUR))],
      [4, async () => (await world.sleep(random.between(MINUTE, 12 * HOUR), [browser]), this.count("sleep"))],
      [3, async () => (browser.wallOffset += random.between(-2 * HOUR, 2 * HOUR))],
      [2, async () => this.signOut()],
      [1, async () => this.signIn()],
      [this.crashes ? 3 : 0, async () => (await this.crash(), this.count("crash"))],
    ];
    let choice = random.between(0, deeds.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, deed] of deeds) {
      choice -= weight;
      if (choice < 0) return deed();
    }
  }

  async crash() {
    // What a change of keys costs, if it is lost with the cookie that was rotated by it: README.md.
    if (this.world.now - this.renewedAt < JUST_NOW) await this.world.pass(JUST_NOW);
    const newest = this.#current();
    this.browser.crash();
    // A sign-in whose cookie was not on the disk is lost, and nothing is asked of the one before.
    if (this.mode === "cookie" && this.#current() !== newest) this.lost.add(this.#current()?.sid);
    if (this.random.happens(0.7)) await this.world.pass(this.random.between(0, 5 * HOUR));
    this.open();
  }

  async run(steps) {
    await this.signIn();
    for (let step = 0; step < steps && this.broken.length === 0; step += 1) {
      if (this.browser.tabs.size === 0) this.open();
      await this.step();
      this.#look();
    }
    this.world.trouble = 0;
    await this.world.pass(5 * MINUTE);
    this.open();
    const session = this.#current();
    const isLive = this.world.server.isLive(session) && !this.lost.has(session.sid);
    for (const tab of this.browser.tabs) {
      const token = await this.world.until(tab.client.accessToken().catch((error) => error));
      if (isLive) this.check(typeof token === "string", `signed in, but no access token: ${token}`);
    }
    this.count(isLive ? "ended signed in" : "ended signed out");
    this.#look();
  }

  #look() {
    const { log } = this.world.server;
    for (const { event, key, sid, presented } of log) {
      if (this.lost.has(sid)) continue;
      this.check(event !== "reuse" && event !== "future", `${event} of generation ${presented} of ${sid}`);
      this.check(key !== null, "a refresh without a key");
    }
  }

  /** What is true of the whole log. */
  lookAtWhole() {
    if (this.browser.hasLocks) this.check(this.browser.mostAtOnce === 1, "two requests for tokens at once");
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

async function explore(name, settings, steps, expected) {
  await test(name, async (t) => {
    const counts = {};
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed += 1) {
      const run = new Run(seed, settings);
      await run.run(steps);
      run.lookAtWhole();
      assert.deepEqual(run.broken, [], `seed ${seed}`);
      for (const [what, count] of Object.entries(run.counts)) counts[what] = (counts[what] ?? 0) + count;
    }
    t.diagnostic(Object.entries(counts).map(([what, count]) => `${what} ${count}`).join(", "));
    // A schedule in which nothing happens proves nothing.
    for (const what of expected) assert.ok(counts[what] > 0, `never: ${what}`);
  });
}

const USUALLY = ["rotated", "same", "retry", "kill", "reload", "sleep", "sign-out", "had a token", "stored"];
USUALLY.push("ended signed in");
const CRASHING = [...USUALLY, "crash"];
const inBody = { mode: "body", hasLocks: true, lag: 0 };
const inCookie = { mode: "cookie", hasLocks: true, lag: 0 };

await explore("body mode, tabs with locks", { ...inBody, crashes: true }, 80, CRASHING);
await explore("body mode, a storage that is seen late", { ...inBody, lag: 50 }, 80, USUALLY);
await explore("body mode, no locks", { ...inBody, hasLocks: false, lag: 50 }, 80, USUALLY);
await explore("body mode, short tokens, a short window", { ...inBody, window: 12, accessTtl: 60 }, 80, USUALLY);
await explore("cookie mode, tabs with locks", { ...inCookie, crashes: true }, 80, CRASHING);
await explore("cookie mode, a storage that is seen late", { ...inCookie, lag: 50 }, 80, USUALLY);
