// A world in which time passes only when it is told to: servers, a network, browsers with tabs.
//
// A browser has one cookie, one Web Storage and one lock manager for all its tabs. A tab that is
// killed does nothing more: nothing that it waits for ever comes. What the browser has not yet
// put on its disk is gone after a crash.

import { createClient } from "../../relatch.js";
import { Server, refuse } from "./server.js";
import { randomFrom } from "./random.js";

export const API = "https://auth.example.com";
export const OWN = "https://api.example.com";

const COOKIE_FLUSH = 30_000;
const STORAGE_FLUSH = 5_000;
const never = () => new Promise(() => {});

export class World {
  now = 1_800_000_000_000;
  /** How long requests and answers take at most, in ms each way. */
  latency = 200;
  /** How often something goes wrong, of 1; and what may. */
  trouble = 0;
  faults = Object.keys(FAULTS);
  /** What meets the next requests to Relatch, before chance does. */
  script = [];
  #events = [];
  #count = 0;

  constructor({ seed = 1, ...server } = {}) {
    this.random = randomFrom(seed);
    this.server = new Server({ clock: () => this.now, random: this.random, ...server });
  }

  at(delay, work) {
    const event = { time: this.now + Math.max(0, delay), order: this.#count++, work };
    this.#events.push(event);
    return event;
  }

  cancel(event) {
    this.#events = this.#events.filter((other) => other !== event);
  }

  /** Lets time pass, and everything happen that is due. */
  async pass(duration) {
    const end = this.now + duration;
    for (;;) {
      await settled();
      const next = this.#next();
      if (next === undefined || next.time > end) break;
      this.cancel(next);
      this.now = Math.max(this.now, next.time);
      next.work();
    }
    this.now = Math.max(this.now, end);
  }

  /** Lets time pass until a promise has ended; what it ended with. */
  async until(promise, longest = 600_000) {
    let end;
    promise.then(
      (value) => (end = { value }),
      (error) => (end = { error }),
    );
    const last = this.now + longest;
    await settled();
    while (end === undefined) {
      const next = this.#next();
      if (next === undefined || next.time > last) throw new Error("it never ends");
      await this.pass(Math.max(0, next.time - this.now));
    }
    if ("error" in end) throw end.error;
    return end.value;
  }

  /** All are asleep for so long: what is under way is lost, and timers are late. */
  async sleep(duration, browsers) {
    await settled();
    this.now += duration;
    for (const browser of browsers) browser.wake(duration);
    await this.pass(0);
  }

  #next() {
    return this.#events.reduce(
      (first, event) =>
        first === undefined || event.time < first.time || (event.time === first.time && event.order < first.order)
          ? event
          : first,
      undefined,
    );
  }

  fault() {
    return this.script.shift() ?? (this.random.happens(this.trouble) ? this.random.one(this.faults) : "none");
  }
}

/** What may meet a request: whether it reaches the server, and what becomes of the answer. */
const FAULTS = {
  lostRequest: { reaches: false, breaks: true },
  lostReply: { breaks: true },
  silentReply: { hangs: true },
  slowReply: { slowness: 15_000 },
  lateRequest: { breaks: true, lateness: 25_000 },
  garbledReply: { answer: { status: 200, headers: {}, body: '{"access_to' }, keepsCookie: true },
  portal: { reaches: false, answer: { status: 200, headers: {}, body: "<html>Welcome to the hotel</html>" } },
  forbiddenByProxy: { reaches: false, answer: { status: 403, headers: {}, body: "<html>no</html>" } },
  throttled: { reaches: false, answer: { status: 429, headers: {}, body: '{"message":"Too Many Requests"}' } },
  throttledFor: { reaches: false, answer: refuse(429, "x", { "retry-after": "2" }) },
  unavailable: { reaches: false, answer: refuse(503, "temporarily_unavailable", { "retry-after": "1" }) },
  unavailableAfter: { answer: refuse(503, "temporarily_unavailable", { "retry-after": "1" }) },
  liar: { reaches: false, answer: refuse(503, "invalid_grant") },
  brokenServer: { reaches: false, answer: refuse(500, "server_error") },
  gateway: { reaches: false, answer: { status: 502, headers: {}, body: '{"message":"Internal"}' } },
  requestTimeout: { reaches: false, answer: { status: 408, headers: {}, body: "" } },
  gatewayTimeout: { answer: { status: 504, headers: {}, body: "" } },
};

/** Lets all promises go as far as they can. */
async function settled() {
  await new Promise((resolve) => setImmediate(resolve));
}

export class Browser {
  cookie = null;
  storage = new Map();
  tabs = new Set();
  hasLocks = true;
  hasStorage = true;
  /** How many requests to Relatch were under way at once. */
  mostAtOnce = 0;
  /** How long a tab may see the storage as it was, in ms. */
  lag = 0;
  /** What the device's clock is ahead, and what its clock that nobody sets has missed asleep. */
  wallOffset = 0;
  missed = 0;
  #disk = { cookie: null, storage: new Map() };
  #holders = new Map();
  #waiters = new Map();

  constructor(world) {
    this.world = world;
  }

  open(options) {
    const tab = new Tab(this, options);
    this.tabs.add(tab);
    return tab;
  }

  /** Everything stops, and starts again with what was on the disk. */
  crash() {
    for (const tab of [...this.tabs]) tab.kill();
    this.cookie = this.#disk.cookie;
    this.storage = new Map(this.#disk.storage);
  }

  wake(duration) {
    // Whether a clock that nobody sets runs on asleep differs from system to system.
    if (this.world.random.happens(0.5)) this.missed += duration;
    for (const tab of this.tabs) tab.loseConnections();
  }

  setCookie(cookie) {
    if (cookie === undefined) return;
    this.cookie = cookie;
    const { world } = this;
    world.at(world.random.between(0, COOKIE_FLUSH), () => (this.#disk.cookie = this.cookie));
  }

  setItem(name, text, by) {
    if (text === null) this.storage.delete(name);
    else this.storage.set(name, text);
    by.view.set(name, text);
    const { world } = this;
    world.at(world.random.between(0, STORAGE_FLUSH), () => (this.#disk.storage = new Map(this.storage)));
    for (const tab of this.tabs) {
      if (tab === by) continue;
      const show = () => tab.view.set(name, this.storage.get(name) ?? null);
      if (this.lag === 0) show();
      world.at(world.random.between(0, this.lag), () => {
        show();
        tab.notice(name);
      });
    }
  }

  post(name, message, by) {
    for (const tab of this.tabs) {
      if (tab === by) continue;
      this.world.at(this.world.random.between(0, 5), () => tab.receive(name, structuredClone(message)));
    }
  }

  requestLock(tab, name, signal, work) {
    return new Promise((resolve, reject) => {
      const waiter = { tab, work, resolve, reject };
      const queue = this.#waiters.get(name) ?? [];
      this.#waiters.set(name, [...queue, waiter]);
      signal.addEventListener("abort", () => {
        const left = this.#waiters.get(name).filter((other) => other !== waiter);
        if (left.length < this.#waiters.get(name).length) reject(new DOMException("aborted", "AbortError"));
        this.#waiters.set(name, left);
      });
      this.#grant(name);
    });
  }

  #grant(name) {
    if (this.#holders.has(name)) return;
    const [next, ...rest] = this.#waiters.get(name) ?? [];
    if (next === undefined) return;
    this.#waiters.set(name, rest);
    this.#holders.set(name, next.tab);
    const release = () => {
      if (this.#holders.get(name) !== next.tab) return;
      this.#holders.delete(name);
      this.#grant(name);
    };
    const run = async () => next.work();
    Promise.resolve()
      .then(run)
      .then(
        (value) => (release(), next.resolve(value)),
        (error) => (release(), next.reject(error)),
      );
  }

  releaseLocks(tab) {
    for (const [name, queue] of this.#waiters) {
      this.#waiters.set(name, queue.filter((waiter) => waiter.tab !== tab));
    }
    for (const [name, holder] of [...this.#holders]) {
      if (holder !== tab) continue;
      this.#holders.delete(name);
      this.#grant(name);
    }
  }
}

export class Tab {
  view;
  isDead = false;
  changes = [];
  /** What `/refresh` and the others are asked now, in this tab. */
  underWay = new Set();
  #events = new EventTarget();
  #channels = new Map();
  #timers = new Set();

  constructor(browser, options) {
    this.browser = browser;
    this.world = browser.world;
    this.view = new Map(browser.storage);
    this.localStorage = {
      getItem: (name) => this.view.get(name) ?? null,
      setItem: (name, text) => this.isDead || this.browser.setItem(name, text, this),
      removeItem: (name) => this.isDead || this.browser.setItem(name, null, this),
    };
    this.client = createClient({
      baseUrl: API,
      origins: [OWN],
      ...options,
      environment: { ...this.#environment(), ...options.environment },
    });
    this.client.onChange((change) => this.changes.push(change));
  }

  #environment() {
    const { world, browser } = this;
    return {
      fetch: (input, init) => this.#fetch(input, init),
      localStorage: browser.hasStorage ? this.localStorage : undefined,
      locks: browser.hasLocks
        ? {
            request: (name, { signal }, work) =>
              this.isDead ? never() : browser.requestLock(this, name, signal, () => (this.isDead ? never() : work())),
          }
        : undefined,
      events: this.#events,
      openChannel: (name) => {
        const channel = {
          onmessage: null,
          postMessage: (message) => this.isDead || browser.post(name, message, this),
          close: () => this.#channels.delete(name),
        };
        this.#channels.set(name, channel);
        return channel;
      },
      now: () => world.now - browser.missed,
      wall: () => world.now + browser.wallOffset,
      setTimeout: (work, delay) => {
        const timer = world.at(delay, () => {
          this.#timers.delete(timer);
          if (!this.isDead) work();
        });
        this.#timers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => {
        world.cancel(timer);
        this.#timers.delete(timer);
      },
      random: () => world.random.next(),
    };
  }

  kill() {
    this.isDead = true;
    for (const timer of this.#timers) this.world.cancel(timer);
    for (const request of this.underWay) request.isCut = true;
    this.browser.tabs.delete(this);
    this.browser.releaseLocks(this);
  }

  loseConnections() {
    for (const request of [...this.underWay]) {
      request.isCut = true;
      this.world.at(this.world.random.between(0, 50), () => request.reject(new TypeError("network changed")));
    }
  }

  notice(name) {
    if (this.isDead) return;
    this.#events.dispatchEvent(Object.assign(new Event("storage"), { key: name, storageArea: this.localStorage }));
  }

  receive(name, data) {
    if (!this.isDead) this.#channels.get(name)?.onmessage?.({ data });
  }

  async #fetch(input, init = {}) {
    const isRequest = typeof input === "object";
    const url = new URL(isRequest ? input.url : input);
    const signal = isRequest ? input.signal : init.signal;
    const asked = {
      path: url.pathname,
      method: isRequest ? input.method : init.method,
      headers: new Headers(isRequest ? input.headers : init.headers),
      body: isRequest ? await input.text() : init.body,
    };
    if (this.isDead) return never();
    signal?.throwIfAborted();
    const { world, browser } = this;
    const fault = FAULTS[url.origin === API ? world.fault() : "none"] ?? {};
    // Credentials go with the request only where they are asked for.
    const hasCookie = init.credentials === "include";
    const cookie = hasCookie ? browser.cookie : undefined;
    return new Promise((resolve, reject) => {
      const request = { ...asked, isCut: false };
      const leave = () => this.underWay.delete(request);
      request.reject = (error) => (leave(), reject(error));
      this.underWay.add(request);
      const all = [...browser.tabs].flatMap((tab) => [...tab.underWay]);
      browser.mostAtOnce = Math.max(browser.mostAtOnce, all.filter(({ path }) => path !== "/data").length);
      signal?.addEventListener("abort", () => {
        request.isCut = true;
        request.reject(signal.reason);
      });
      const latency = () => world.random.between(1, world.latency);
      world.at(latency() + (fault.lateness ?? 0), () => {
        // What was cut off on the way may have arrived all the same.
        if (request.isCut && world.random.happens(0.5)) return;
        const own = fault.reaches === false ? null : world.server.handle({ ...asked, cookie });
        const answer = fault.answer ?? own;
        world.at(latency() + (fault.slowness ?? 0), () => {
          if (fault.hangs || (request.isCut && (this.isDead === false || world.random.happens(0.5)))) return;
          if (fault.breaks) return request.reject(new TypeError("fetch failed"));
          const isOwn = answer === own || (fault.keepsCookie && world.random.happens(0.5));
          // The browser takes the cookie before the page hears of the answer, if it is there to hear.
          if (hasCookie && isOwn) browser.setCookie(own.cookie);
          world.at(world.random.between(0, 5), () => {
            if (this.isDead || request.isCut) return;
            leave();
            const { status, headers, body } = answer;
            resolve(new Response(status === 204 ? null : body, { status, headers }));
          });
        });
      });
    });
  }
}
