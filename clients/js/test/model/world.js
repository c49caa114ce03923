// A world in which time passes only when it is told to: servers, a network, browsers with tabs.
//
// A browser has one cookie, one Web Storage and one lock manager for all its tabs. A tab that is
// killed does nothing more: nothing that it waits for ever comes. What the browser has not yet
// put on its disk is gone after a crash.

import { createClient } from "../../relatch.js";
import { Server, errorResponse } from "./server.js";
import { createRandom } from "./random.js";

export const AUTH_URL = "https://auth.example.com";
export const API_URL = "https://api.example.com";

const COOKIE_FLUSH = 30_000;
const STORAGE_FLUSH = 5_000;
const never = () => new Promise(() => {});

export class World {
  now = 1_800_000_000_000;
  /** How long requests and answers take at most, in ms each way. */
  latency = 200;
  /** How often something goes wrong, of 1; and what may. */
  faultRate = 0;
  faults = Object.keys(FAULTS);
  /** What meets the next requests to Relatch, before chance does. */
  scriptedFaults = [];
  #events = [];
  #count = 0;

  constructor({ seed = 1, ...server } = {}) {
    this.random = createRandom(seed);
    this.server = new Server({ clock: () => this.now, random: this.random, ...server });
  }

  schedule(delay, work) {
    const event = { time: this.now + Math.max(0, delay), order: this.#count++, work };
    this.#events.push(event);
    return event;
  }

  cancel(event) {
    this.#events = this.#events.filter((other) => other !== event);
  }

  /** Lets time pass, and everything happen that is due. */
  async advance(duration) {
    const end = this.now + duration;
    for (;;) {
      await flushPromises();
      const next = this.#next();
      if (next === undefined || next.time > end) break;
      this.cancel(next);
      this.now = Math.max(this.now, next.time);
      next.work();
    }
    this.now = Math.max(this.now, end);
  }

  /** Lets time pass until a promise has ended; what it ended with. */
  async waitFor(promise, maxDuration = 600_000) {
    let outcome;
    promise.then(
      (value) => (outcome = { value }),
      (error) => (outcome = { error }),
    );
    const deadline = this.now + maxDuration;
    await flushPromises();
    while (outcome === undefined) {
      const next = this.#next();
      if (next === undefined || next.time > deadline) throw new Error("it never ends");
      await this.advance(Math.max(0, next.time - this.now));
    }
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  /** All are asleep for so long: what is under way is lost, and timers are late. */
  async sleep(duration, browsers) {
    await flushPromises();
    this.now += duration;
    for (const browser of browsers) browser.wake(duration);
    await this.advance(0);
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

  nextFault() {
    return this.scriptedFaults.shift() ?? (this.random.chance(this.faultRate) ? this.random.pick(this.faults) : "none");
  }
}

/** What may meet a request: whether it reaches the server, and what becomes of the answer. */
const FAULTS = {
  lostRequest: { reachesServer: false, breaksConnection: true },
  lostResponse: { breaksConnection: true },
  hangingResponse: { hangs: true },
  slowResponse: { responseDelay: 15_000 },
  lateRequest: { breaksConnection: true, requestDelay: 25_000 },
  garbledResponse: { response: { status: 200, headers: {}, body: '{"access_to' }, keepsCookie: true },
  captivePortal: {
    reachesServer: false,
    response: { status: 200, headers: {}, body: "<html>Welcome to the hotel</html>" },
  },
  forbiddenByProxy: { reachesServer: false, response: { status: 403, headers: {}, body: "<html>no</html>" } },
  throttled: { reachesServer: false, response: { status: 429, headers: {}, body: '{"message":"Too Many Requests"}' } },
  throttledFor: { reachesServer: false, response: errorResponse(429, "x", { "retry-after": "2" }) },
  unavailable: {
    reachesServer: false,
    response: errorResponse(503, "temporarily_unavailable", { "retry-after": "1" }),
  },
  unavailableAfter: { response: errorResponse(503, "temporarily_unavailable", { "retry-after": "1" }) },
  falseInvalidGrant: { reachesServer: false, response: errorResponse(503, "invalid_grant") },
  brokenServer: { reachesServer: false, response: errorResponse(500, "server_error") },
  gateway: { reachesServer: false, response: { status: 502, headers: {}, body: '{"message":"Internal"}' } },
  requestTimeout: { reachesServer: false, response: { status: 408, headers: {}, body: "" } },
  gatewayTimeout: { response: { status: 504, headers: {}, body: "" } },
};

/** Lets all promises go as far as they can. */
async function flushPromises() {
  await new Promise((resolve) => setImmediate(resolve));
}

export class Browser {
  cookie = null;
  storage = new Map();
  tabs = new Set();
  hasLocks = true;
  hasStorage = true;
  /** How many requests to Relatch were under way at once. */
  maxConcurrentRequests = 0;
  /** How long a tab may see the storage as it was, in ms. */
  lag = 0;
  /** What the device's clock is ahead, and what its clock that nobody sets has missed asleep. */
  wallOffset = 0;
  missedTime = 0;
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
    if (this.world.random.chance(0.5)) this.missedTime += duration;
    for (const tab of this.tabs) tab.dropConnections();
  }

  setCookie(cookie) {
    if (cookie === undefined) return;
    this.cookie = cookie;
    const { world } = this;
    world.schedule(world.random.between(0, COOKIE_FLUSH), () => (this.#disk.cookie = this.cookie));
  }

  setItem(name, text, source) {
    if (text === null) this.storage.delete(name);
    else this.storage.set(name, text);
    source.view.set(name, text);
    const { world } = this;
    world.schedule(world.random.between(0, STORAGE_FLUSH), () => (this.#disk.storage = new Map(this.storage)));
    for (const tab of this.tabs) {
      if (tab === source) continue;
      const updateView = () => tab.view.set(name, this.storage.get(name) ?? null);
      if (this.lag === 0) updateView();
      world.schedule(world.random.between(0, this.lag), () => {
        updateView();
        tab.dispatchStorageEvent(name);
      });
    }
  }

  broadcast(name, message, source) {
    for (const tab of this.tabs) {
      if (tab === source) continue;
      this.world.schedule(this.world.random.between(0, 5), () => tab.receive(name, structuredClone(message)));
    }
  }

  requestLock(tab, name, signal, work) {
    return new Promise((resolve, reject) => {
      const waiter = { tab, work, resolve, reject };
      const queue = this.#waiters.get(name) ?? [];
      this.#waiters.set(name, [...queue, waiter]);
      signal.addEventListener("abort", () => {
        const remaining = this.#waiters.get(name).filter((other) => other !== waiter);
        if (remaining.length < this.#waiters.get(name).length) reject(new DOMException("aborted", "AbortError"));
        this.#waiters.set(name, remaining);
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
  isKilled = false;
  changes = [];
  /** What `/refresh` and the others are asked now, in this tab. */
  pendingRequests = new Set();
  #events = new EventTarget();
  #channels = new Map();
  #timers = new Set();

  constructor(browser, options) {
    this.browser = browser;
    this.world = browser.world;
    this.view = new Map(browser.storage);
    this.localStorage = {
      getItem: (name) => this.view.get(name) ?? null,
      setItem: (name, text) => this.isKilled || this.browser.setItem(name, text, this),
      removeItem: (name) => this.isKilled || this.browser.setItem(name, null, this),
    };
    this.client = createClient({
      baseUrl: AUTH_URL,
      origins: [API_URL],
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
              this.isKilled
                ? never()
                : browser.requestLock(this, name, signal, () => (this.isKilled ? never() : work())),
          }
        : undefined,
      events: this.#events,
      openChannel: (name) => {
        const channel = {
          onmessage: null,
          postMessage: (message) => this.isKilled || browser.broadcast(name, message, this),
          close: () => this.#channels.delete(name),
        };
        this.#channels.set(name, channel);
        return channel;
      },
      now: () => world.now - browser.missedTime,
      wall: () => world.now + browser.wallOffset,
      setTimeout: (work, delay) => {
        const timer = world.schedule(delay, () => {
          this.#timers.delete(timer);
          if (!this.isKilled) work();
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
    this.isKilled = true;
    for (const timer of this.#timers) this.world.cancel(timer);
    for (const request of this.pendingRequests) request.isDisconnected = true;
    this.browser.tabs.delete(this);
    this.browser.releaseLocks(this);
  }

  dropConnections() {
    for (const request of [...this.pendingRequests]) {
      request.isDisconnected = true;
      this.world.schedule(this.world.random.between(0, 50), () => request.reject(new TypeError("network changed")));
    }
  }

  dispatchStorageEvent(name) {
    if (this.isKilled) return;
    this.#events.dispatchEvent(Object.assign(new Event("storage"), { key: name, storageArea: this.localStorage }));
  }

  receive(name, data) {
    if (!this.isKilled) this.#channels.get(name)?.onmessage?.({ data });
  }

  async #fetch(input, init = {}) {
    const isRequest = typeof input === "object";
    const url = new URL(isRequest ? input.url : input);
    const signal = isRequest ? input.signal : init.signal;
    const request = {
      path: url.pathname,
      method: isRequest ? input.method : init.method,
      headers: new Headers(isRequest ? input.headers : init.headers),
      body: isRequest ? await input.text() : init.body,
    };
    if (this.isKilled) return never();
    signal?.throwIfAborted();
    const { world, browser } = this;
    const fault = FAULTS[url.origin === AUTH_URL ? world.nextFault() : "none"] ?? {};
    // Credentials go with the request only where they are asked for.
    const hasCookie = init.credentials === "include";
    const cookie = hasCookie ? browser.cookie : undefined;
    return new Promise((resolve, reject) => {
      const exchange = { ...request, isDisconnected: false };
      const finish = () => this.pendingRequests.delete(exchange);
      exchange.reject = (error) => (finish(), reject(error));
      this.pendingRequests.add(exchange);
      const exchanges = [...browser.tabs].flatMap((tab) => [...tab.pendingRequests]);
      const authRequests = exchanges.filter(({ path }) => path !== "/data");
      browser.maxConcurrentRequests = Math.max(browser.maxConcurrentRequests, authRequests.length);
      signal?.addEventListener("abort", () => {
        exchange.isDisconnected = true;
        exchange.reject(signal.reason);
      });
      const latency = () => world.random.between(1, world.latency);
      world.schedule(latency() + (fault.requestDelay ?? 0), () => {
        // What was cut off on the way may have arrived all the same.
        if (exchange.isDisconnected && world.random.chance(0.5)) return;
        const serverResponse = fault.reachesServer === false ? null : world.server.handle({ ...request, cookie });
        const response = fault.response ?? serverResponse;
        world.schedule(latency() + (fault.responseDelay ?? 0), () => {
          if (fault.hangs || (exchange.isDisconnected && (this.isKilled === false || world.random.chance(0.5)))) return;
          if (fault.breaksConnection) return exchange.reject(new TypeError("fetch failed"));
          const isFromServer = response === serverResponse || (fault.keepsCookie && world.random.chance(0.5));
          // The browser takes the cookie before the page hears of the answer, if it is there to hear.
          if (hasCookie && isFromServer) browser.setCookie(serverResponse.cookie);
          world.schedule(world.random.between(0, 5), () => {
            if (this.isKilled || exchange.isDisconnected) return;
            finish();
            const { status, headers, body } = response;
            resolve(new Response(status === 204 ? null : body, { status, headers }));
          });
        });
      });
    });
  }
}
