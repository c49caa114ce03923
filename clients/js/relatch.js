// The client of Relatch for web pages.
//
// A session is a chain of refresh tokens, of which the server takes the newest, and the one
// before it only from whoever can show that its answer got lost. So what this file is about is
// to present the newest token, once at a time, and with the same key each time. The rules are
// in docs/sessions.md of Relatch, under "The contract of a client".
//
//   signIn ──► record in the storage ──► accessToken, fetch ──► refresh, when it is time
//                      ▲                                           │
//                      └────────── the next record ◄───────────────┘
//
// The record is what the tabs of a browser have in common:
//
//   body    { mode, sid, gen, refreshToken, key, access }   null when signed out
//   cookie  { mode, sid, revision, key, at }                 at: when the cookie came
//           { mode, sid, revision, key, isPresented }        sid null: not known yet
//           { mode, isSignedOut, revision }

/** How long a cookie may take to be on the disk, in ms: Chromium writes them every 30 s. */
const COOKIE_FLUSH_DELAY = 60_000;
/**
 * A token that came this long ago, in ms, is left alone: a request with the one before may still be
 * under way, and on a 401 another would be no better.
 */
const MIN_TOKEN_AGE = 30_000;
/** How long other tabs may take to tell an access token, in ms. */
const TAB_RESPONSE_TIMEOUT = 200;
const MIN_RETRY_DELAY = 500;
const MAX_RETRY_DELAY = 30_000;
/** What a `Retry-After` may bind a client to, in seconds. */
const MAX_RETRY_AFTER = 3600;

/** The codes that the server gives, each with the only status that it means something with. */
const STATUS_BY_CODE = {
  invalid_request: 400,
  invalid_grant: 400,
  invalid_credentials: 401,
  not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  unsupported_media_type: 415,
  too_many_attempts: 429,
  server_error: 500,
  temporarily_unavailable: 503,
};

/** What went wrong; relatch.d.ts says what each `code` means. */
export class RelatchError extends Error {
  constructor(code, message, { status, retryAfter, isTemporary = false, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RelatchError";
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
    this.isTemporary = isTemporary;
  }
}

/** Makes a client; relatch.d.ts describes the options. */
export function createClient(options) {
  return new Client(options);
}

class Client {
  #settings;
  #environment;
  #storage;
  #locks;
  #channel;
  #isLoaded = false;
  /** The newest record that this tab knows of. */
  #record = null;
  /** `{ token, sid, life, at, wall, isRefreshed }`; times in ms. */
  #access = null;
  /** In cookie mode: the access token of another tab, until the record is seen that goes with it. */
  #receivedAccess = null;
  #onMessage = () => {};
  #currentRefresh = null;
  /** Another one with every write; it ends when that has. */
  #lastWrite = Promise.resolve();
  /** Before this time the server asked not to be asked again. */
  #retryNotBefore = -Infinity;
  #keyTimer;
  #listeners = new Set();
  #onStorage = (event) => {
    const isOurs = event.key === this.#settings.name || event.key === null;
    if (isOurs && event.storageArea === this.#environment.localStorage) this.#load().catch(() => {});
  };

  constructor(options) {
    this.#settings = parseSettings(options);
    this.#environment = { ...defaultEnvironment(), ...options.environment };
    this.#storage = createStorage(this.#settings, this.#environment);
    // Without a storage in common each tab has a session of its own, but for the one cookie.
    const isIsolated = this.#storage.isMemory && this.#settings.mode === "body";
    this.#locks = (!isIsolated && this.#environment.locks) || createQueue();
    if (!isIsolated) {
      this.#environment.events?.addEventListener("storage", this.#onStorage);
      this.#channel = this.#environment.openChannel?.(this.#settings.name);
      if (this.#channel) this.#channel.onmessage = ({ data }) => this.#receive(data);
    }
  }

  async signIn(email, password, { signal } = {}) {
    await this.#ensureLoaded(signal);
    await this.#withLock(async () => {
      const { mode } = this.#settings;
      const sentAt = this.#readClocks();
      const fields = mode === "cookie" ? { email, password, cookie: true } : { email, password };
      const response = await this.#post("/signin", fields, { signal });
      if (response.status !== 200) throw createResponseError(response);
      const pair = parsePair(response, mode);
      const access = createAccess(pair, sentAt, false);
      const { sid, gen, refreshToken } = pair;
      const record =
        mode === "cookie"
          ? { mode, sid, revision: revisionOf(this.#record) + 1, key: createKey(), at: this.#readClocks().wall }
          : { mode, sid, gen, refreshToken, key: createKey(), access: toSharedAccess(access) };
      this.#retryNotBefore = -Infinity;
      try {
        await this.#store(record, { access, isHere: true });
      } catch (error) {
        // A session that the next page would not find again is none.
        await this.#load().catch(() => {});
        throw error;
      }
      this.#broadcast(access);
    }, signal);
  }

  async signOut({ everywhere = false, signal } = {}) {
    await this.#ensureLoaded(signal);
    // At once, so that nothing is called any more, whatever the network does. A refresh that is
    // under way finds the record gone and stores nothing.
    const cleared = this.#clear();
    cleared.catch(() => {});
    let pending = null;
    let attempts = 0;
    const serverSignOut = this.#retry(() => {
      const isFirst = attempts++ === 0;
      return this.#withLock(async () => {
        const ownRecord = await cleared;
        pending ??= new Map(ownRecord === null ? [] : [[ownRecord.sid, ownRecord]]);
        await this.#load();
        // What began before this sign-out may have stored a record since, which this tab may see
        // late. Any other is that of a later sign-in.
        if (isFirst || (this.#state() === "in" && pending.has(this.#record.sid))) {
          const record = await this.#clear();
          if (record !== null) pending.set(record.sid, record);
        }
        if (this.#settings.mode === "cookie") {
          // The cookie is by now that of the later one.
          if (this.#state() === "in") return;
          return this.#sendSignOut({ everywhere }, [...pending.values()].at(-1)?.key);
        }
        for (const [sid, record] of pending) {
          await this.#sendSignOut({ refresh_token: record.refreshToken, everywhere }, record.key);
          pending.delete(sid);
        }
      });
    });
    await withAbort(signal, Promise.all([cleared, serverSignOut]));
  }

  async accessToken({ signal } = {}) {
    await this.#ensureLoaded(signal);
    if (this.#isFresh()) return this.#access.token;
    try {
      // Again when another sign-in came in between, whose tokens this tab has not heard of.
      for (let attempt = 0; attempt < 3 && !this.#isFresh() && this.#state() !== "out"; attempt += 1) {
        await withAbort(signal, this.#refresh());
      }
    } catch (error) {
      // Within the margin the old one is still good.
      if (!error.isTemporary || !this.#isValid()) throw error;
    }
    return this.#access?.token ?? null;
  }

  async isSignedIn({ signal } = {}) {
    await this.#ensureLoaded(signal);
    await this.#load();
    if (this.#state() === "unknown") await withAbort(signal, this.#refresh());
    return this.#state() === "in";
  }

  async fetch(input, init) {
    const request = new Request(input, init);
    const isOurs = this.#settings.origins.has(new URL(request.url).origin);
    if (!isOurs || request.headers.has("authorization")) return this.#environment.fetch(request);
    const token = await this.accessToken({ signal: request.signal });
    if (token === null) return this.#environment.fetch(request);

    // A body can be read once: the copy is for the second time.
    const copy = request.clone();
    request.headers.set("authorization", `Bearer ${token}`);
    let isRepeated = false;
    try {
      const response = await this.#environment.fetch(request);
      const next = response.status === 401 ? await this.#replaceToken(token, request.signal) : null;
      if (next === null) return response;
      isRepeated = true;
      response.body?.cancel().catch(() => {});
      copy.headers.set("authorization", `Bearer ${next}`);
      return await this.#environment.fetch(copy);
    } finally {
      if (!isRepeated) copy.body?.cancel().catch(() => {});
    }
  }

  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.#environment.events?.removeEventListener("storage", this.#onStorage);
    this.#channel?.close();
    this.#environment.clearTimeout(this.#keyTimer);
    this.#listeners.clear();
  }

  // -------------------------------------------------------------- refreshing

  /** One for all callers of this tab. It goes on when they leave. */
  #refresh(refusedToken) {
    this.#currentRefresh ??= this.#retry(() => this.#withLock(() => this.#attemptRefresh(refusedToken))).finally(() => {
      this.#currentRefresh = null;
    });
    return this.#currentRefresh;
  }

  /** One attempt, with nobody else at it. */
  async #attemptRefresh(refusedToken) {
    const { mode } = this.#settings;
    await this.#load();
    if (this.#state() === "out") return;
    // Another tab was faster.
    const hasNewToken = () => this.#isFresh() && this.#access.token !== refusedToken;
    if (hasNewToken()) return;
    if (mode === "cookie") await this.#requestTabAccess();
    if (hasNewToken()) return;

    const presented = mode === "cookie" ? await this.#markPresented(this.#record) : this.#record;
    const sentAt = this.#readClocks();
    const fields = mode === "cookie" ? {} : { refresh_token: presented.refreshToken };
    const response = await this.#post("/refresh", fields, { key: presented.key });
    if (response.status === 400 && response.body?.error === "invalid_grant") {
      return this.#handleInvalidGrant(presented, refusedToken, createResponseError(response));
    }
    if (response.status !== 200) throw createResponseError(response);
    // An answer that cannot be read is a lost one: the same token again, with the same key.
    const pair = parsePair(response, mode);
    const access = createAccess(pair, sentAt, true);
    await this.#load();
    const record =
      mode === "cookie" ? this.#nextCookieRecord(presented, pair) : this.#nextBodyRecord(presented, pair, access);
    if (record === null) return;
    // If it cannot be stored, this tab goes on with what it knows, and stores it next time.
    await this.#store(record, { access, isHere: true }).catch(() => {});
    this.#broadcast(access);
    if (mode === "cookie") this.#scheduleNewKey(record);
  }

  /**
   * When a cookie has just come, its access token is in another tab, or on its way from there. The
   * cookie itself must not be traded again at once, for the first rule of the contract.
   */
  async #requestTabAccess() {
    const age = this.#readClocks().wall - (this.#record?.at ?? Infinity);
    if (!this.#channel || age < 0 || !(age < MIN_TOKEN_AGE)) return;
    this.#channel.postMessage({ isWanted: true });
    await new Promise((resolve) => {
      this.#onMessage = resolve;
      this.#environment.setTimeout(resolve, TAB_RESPONSE_TIMEOUT);
    });
  }

  /** The record with the token of an answer; null when it has gone on without it. */
  #nextBodyRecord(presented, pair, access) {
    const current = this.#record;
    // A sign-out or another sign-in came in between.
    if (current === null || current.sid !== presented.sid) return null;
    if (pair.sid !== presented.sid) throw createUnreadableError("the answer is for another session");
    if (pair.gen < current.gen) return null;
    const record = { ...current, access: toSharedAccess(access) };
    // The same token keeps its key.
    if (pair.gen === current.gen) return record;
    return { ...record, gen: pair.gen, refreshToken: pair.refreshToken, key: createKey() };
  }

  /** The record that says that the browser has the cookie of an answer, or null likewise. */
  #nextCookieRecord(presented, pair) {
    const current = this.#record;
    if (this.#state() === "out") return null;
    const isOther = current !== null && current.sid !== presented.sid;
    if (isOther && current.sid !== pair.sid) return null;
    // The key stays for now. If the browser crashes before it has put the cookie on the disk, it
    // comes back with the one before, which needs the key that it was presented with.
    const { key } = isOther ? current : presented;
    const revision = Math.max(revisionOf(current), presented.revision) + 1;
    return { mode: "cookie", sid: pair.sid, revision, key, at: this.#readClocks().wall };
  }

  /**
   * Says that the key is in use, before a request goes out: from here on, until an answer is
   * there, every attempt has this key, and nobody makes another.
   */
  async #markPresented(record) {
    const { sid = null, key = createKey() } = record ?? {};
    const marked = { mode: "cookie", sid, revision: revisionOf(record) + 1, key, isPresented: true };
    await this.#store(marked).catch(() => {});
    return marked;
  }

  /** Makes another key when the cookie is on the disk, unless it was presented meanwhile. */
  #scheduleNewKey({ sid, revision }) {
    const renewKey = async () => {
      await this.#load();
      const current = this.#record;
      if (current === null || current.sid !== sid || current.revision !== revision || current.isPresented) return;
      await this.#store({ ...current, revision: revision + 1, key: createKey() });
    };
    this.#environment.clearTimeout(this.#keyTimer);
    this.#keyTimer = this.#environment.setTimeout(
      () => void this.#withLock(renewKey).catch(() => {}),
      COOKIE_FLUSH_DELAY,
    );
  }

  /** After `invalid_grant`: the session is over, unless the record has gone on meanwhile. */
  async #handleInvalidGrant(presented, refusedToken, error) {
    await this.#load();
    const current = this.#record;
    if (this.#state() === "out") return;
    if (current !== null && (current.sid !== presented.sid || current.gen > presented.gen)) {
      return this.#attemptRefresh(refusedToken);
    }
    await this.#clear("invalid_grant");
    // Whoever was not known to be signed in is not signed out by it.
    if (presented.sid !== null) throw error;
  }

  /** Another access token than the one that was refused; null where there is no better one. */
  async #replaceToken(refusedToken, signal) {
    const access = this.#access;
    if (access?.token === refusedToken && access.isRefreshed) {
      // It came a moment ago: whoever refuses it would refuse the next one too.
      if (this.#age(access) < Math.min(MIN_TOKEN_AGE, access.life / 2)) return null;
    }
    if (!this.#isFresh() || this.#access.token === refusedToken) await withAbort(signal, this.#refresh(refusedToken));
    const token = this.#access?.token ?? null;
    return token === refusedToken ? null : token;
  }

  // -------------------------------------------------------------- ends

  /** Forgets the session in all tabs; what was forgotten, or null. */
  async #clear(reason = "user") {
    const { mode } = this.#settings;
    await this.#load();
    const previous = this.#state() === "in" ? this.#record : null;
    const next = mode === "cookie" ? { mode, isSignedOut: true, revision: revisionOf(this.#record) + 1 } : null;
    await this.#store(next, { isHere: true, reason });
    this.#broadcast();
    return previous;
  }

  async #sendSignOut(fields, key) {
    const response = await this.#post("/signout", fields, { key });
    // A 200 is from somebody else on the way, such as the page of a hotel's network.
    if (response.status === 200) throw createUnreadableError("the answer is none to a sign-out");
    if (response.status !== 204) throw createResponseError(response);
  }

  // -------------------------------------------------------------- the record

  /** Reads the storage. The result is `#record`, which may be newer than the storage. */
  async #load() {
    for (;;) {
      const write = this.#lastWrite;
      await write;
      const text = await withStorageErrors(() => this.#storage.get(this.#settings.name));
      // What was read while this tab wrote may be older than what it wrote.
      if (write !== this.#lastWrite) continue;
      this.#applyRecord(parseRecord(text, this.#settings.mode));
      this.#isLoaded = true;
      return;
    }
  }

  /** Takes note of a record and stores it: the one at once, the other after earlier writes. */
  #store(record, change) {
    this.#applyRecord(record, change);
    const text = record === null ? null : JSON.stringify(record);
    const write = this.#lastWrite.then(() => withStorageErrors(() => this.#storage.set(this.#settings.name, text)));
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  #state() {
    return stateOf(this.#record, this.#settings.mode);
  }

  /** Takes note of a record, and tells the listeners what it means. */
  #applyRecord(record, { access, isHere = false, reason = "user" } = {}) {
    const { mode } = this.#settings;
    const previous = this.#record;
    // An older one of the same session is a late view of the storage, or could not be replaced.
    const isSameSession = previous !== null && record !== null && previous.sid === record.sid;
    if (isSameSession && rankOf(record) < rankOf(previous)) return;
    this.#record = record;
    const [stateBefore, stateAfter] = [stateOf(previous, mode), stateOf(record, mode)];
    const previousToken = this.#access?.token;
    if (access) this.#access = access;
    else if (stateAfter === "in") this.#adoptAccess(record);
    if (stateAfter === "out" || (stateAfter === "in" && this.#access?.sid !== record.sid)) this.#access = null;
    if (!this.#isLoaded) return;

    if (stateAfter === "in" && (stateBefore !== "in" || previous.sid !== record.sid)) {
      this.#emit({ type: "signed-in", isHere });
    } else if (stateAfter === "in" && this.#access && this.#access.token !== previousToken) {
      this.#emit({ type: "refreshed", isHere });
    } else if (stateAfter === "out" && (stateBefore === "in" || previousToken)) {
      this.#emit({ type: "signed-out", isHere, reason });
    }
  }

  /** The access token that another tab stored or told of. */
  #adoptAccess(record) {
    const other = record.access ?? (this.#receivedAccess?.sid === record.sid ? this.#receivedAccess : null);
    if (other === null || other.token === this.#access?.token) return;
    const { now, wall } = this.#readClocks();
    // Clocks of tabs begin at different times. What is between them is told by the device's.
    const age = Math.max(0, wall - other.wall);
    if (this.#access?.sid === record.sid && this.#access.life - this.#age(this.#access) > other.life - age) return;
    this.#access = { ...other, sid: record.sid, at: now - age, isRefreshed: true };
  }

  #receive(message) {
    const access = message?.access;
    if (message?.isWanted === true) {
      if (this.#isFresh()) this.#broadcast(this.#access);
      return;
    }
    if (this.#settings.mode === "cookie" && isAccess(access) && typeof access.sid === "string") {
      this.#receivedAccess = { ...toSharedAccess(access), sid: access.sid };
    }
    this.#load().then(() => this.#onMessage(), () => {});
  }

  /** Tells the other tabs to look; in cookie mode with the access token, which is stored nowhere. */
  #broadcast(access) {
    const isCookie = this.#settings.mode === "cookie";
    this.#channel?.postMessage(isCookie && access ? { access: { ...toSharedAccess(access), sid: access.sid } } : {});
  }

  #emit(event) {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        // It is the listener's, and must not end a refresh.
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  // -------------------------------------------------------------- time

  #readClocks() {
    return { now: this.#environment.now(), wall: this.#environment.wall() };
  }

  /** In ms, by the clock that says more: one may stand still asleep, the other may be set. */
  #age({ at, wall }) {
    const time = this.#readClocks();
    return Math.max(time.now - at, time.wall - wall);
  }

  #isFresh() {
    if (this.#access === null) return false;
    const margin = Math.min(this.#settings.margin, this.#access.life / 10);
    return this.#age(this.#access) < this.#access.life - margin;
  }

  #isValid() {
    return this.#access !== null && this.#age(this.#access) < this.#access.life;
  }

  // -------------------------------------------------------------- the network

  /** Works again after what passes, for as long as patience lasts. */
  async #retry(work) {
    const { setTimeout, random } = this.#environment;
    const deadline = this.#environment.now() + this.#settings.patience;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const wait = this.#retryNotBefore - this.#environment.now();
        if (wait > 0) throw createBusyError(wait);
        return await work();
      } catch (error) {
        if (!error.isTemporary) throw error;
        const requestedDelay = Math.min(error.retryAfter ?? 0, MAX_RETRY_AFTER) * 1000;
        const now = this.#environment.now();
        if (error.status !== undefined && requestedDelay > 0) {
          this.#retryNotBefore = Math.max(this.#retryNotBefore, now + requestedDelay);
        }
        const backoff = Math.min(MIN_RETRY_DELAY * 2 ** attempt, MAX_RETRY_DELAY);
        // By chance, so that those who failed together do not come back together.
        const delay = requestedDelay + backoff * (0.5 + random() / 2);
        if (now + delay > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  /** Works while no other tab does. */
  async #withLock(work, signal) {
    const { setTimeout, clearTimeout } = this.#environment;
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal.reason);
    const timer = setTimeout(() => controller.abort(createTimeoutError()), this.#settings.timeout);
    signal?.addEventListener("abort", onAbort, { once: true });
    const cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    try {
      return await this.#locks.request(this.#settings.name, { signal: controller.signal }, () => {
        cleanUp();
        return work();
      });
    } catch (error) {
      // Lock managers differ in what they reject with.
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      cleanUp();
    }
  }

  async #post(path, fields, { key, signal } = {}) {
    const { fetch, setTimeout, clearTimeout } = this.#environment;
    const headers = { "content-type": "application/json" };
    if (key !== undefined) headers["idempotency-key"] = key;
    const controller = new AbortController();
    const onAbort = () => controller.abort(signal.reason);
    const timer = setTimeout(() => controller.abort(createTimeoutError()), this.#settings.timeout);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const response = await fetch(this.#settings.baseUrl + path, {
        method: "POST",
        headers,
        body: JSON.stringify(fields),
        credentials: this.#settings.mode === "cookie" ? "include" : "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: controller.signal,
      });
      const text = await response.text();
      return { status: response.status, retryAfter: this.#parseRetryAfter(response.headers), body: parseObject(text) };
    } catch (cause) {
      if (controller.signal.aborted) throw controller.signal.reason;
      throw new RelatchError("network_error", "no answer came", { isTemporary: true, cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** In seconds: a number of them, or a date (RFC 9110 §10.2.3). */
  #parseRetryAfter(headers) {
    const text = headers.get("retry-after")?.trim();
    if (!text) return undefined;
    if (/^\d+$/.test(text)) return Number(text);
    const seconds = Math.ceil((Date.parse(text) - this.#environment.wall()) / 1000);
    return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
  }

  async #ensureLoaded(signal) {
    signal?.throwIfAborted();
    if (!this.#isLoaded) await withAbort(signal, this.#load());
  }
}

// ---------------------------------------------------------------- settings

function parseSettings({ baseUrl, mode, storage, origins = [], margin = 30, timeout = 20, patience = 60, name }) {
  const base = parseSecureUrl(baseUrl, "baseUrl");
  if (base.search || base.hash || base.username) throw new TypeError("baseUrl is more than an address");
  if (mode !== "body" && mode !== "cookie") throw new TypeError('mode is neither "body" nor "cookie"');
  for (const [option, value] of Object.entries({ margin, timeout, patience })) {
    if (!(value >= 0 && value < Infinity)) throw new TypeError(`${option} is no number of seconds`);
  }
  const address = base.href.replace(/\/+$/, "");
  return {
    baseUrl: address,
    mode,
    storage: storage ?? (mode === "cookie" ? "local" : "memory"),
    origins: new Set(origins.map((origin) => parseSecureUrl(origin, "origins").origin)),
    margin: margin * 1000,
    timeout: timeout * 1000,
    patience: patience * 1000,
    name: name ?? `relatch ${address}`,
  };
}

/** Over TLS, or on this machine: no token goes anywhere in the clear. */
function parseSecureUrl(text, option) {
  const url = new URL(text);
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) {
    throw new TypeError(`${option}: ${url.origin} is not https`);
  }
  return url;
}

function defaultEnvironment() {
  const { navigator, BroadcastChannel } = globalThis;
  let localStorage;
  try {
    localStorage = globalThis.localStorage;
  } catch {
    // A browser that forbids it says so by throwing.
  }
  return {
    fetch: (...request) => globalThis.fetch(...request),
    localStorage,
    locks: navigator?.locks,
    events: typeof globalThis.addEventListener === "function" ? globalThis : undefined,
    openChannel: BroadcastChannel && ((name) => new BroadcastChannel(name)),
    now: () => performance.now(),
    wall: () => Date.now(),
    setTimeout: (work, delay) => globalThis.setTimeout(work, delay),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    random: () => Math.random(),
  };
}

function createStorage({ storage, name }, { localStorage }) {
  if (typeof storage === "object" && typeof storage.get === "function" && typeof storage.set === "function") {
    return storage;
  }
  if (storage !== "local" && storage !== "memory") {
    throw new TypeError('storage is neither "memory" nor "local" nor has get and set');
  }
  if (storage === "local" && isWritable(localStorage, name)) {
    return {
      get: (key) => localStorage.getItem(key),
      set: (key, text) => (text === null ? localStorage.removeItem(key) : localStorage.setItem(key, text)),
    };
  }
  let value = null;
  return { isMemory: true, get: () => value, set: (_, text) => void (value = text) };
}

function isWritable(localStorage, name) {
  try {
    localStorage.setItem(`${name} probe`, "");
    localStorage.removeItem(`${name} probe`);
    return true;
  } catch {
    return false;
  }
}

async function withStorageErrors(work) {
  try {
    return await work();
  } catch (cause) {
    throw new RelatchError("storage_failed", "the storage failed", { cause });
  }
}

/** Turns in one tab, where there is no lock manager. */
function createQueue() {
  let lastTurn = Promise.resolve();
  return {
    request(_, { signal }, work) {
      const turn = lastTurn.then(() => {
        signal.throwIfAborted();
        return work();
      });
      lastTurn = turn.catch(() => {});
      return withAbort(signal, turn);
    },
  };
}

// ---------------------------------------------------------------- records

/** "in", "out", or in cookie mode "unknown": only a request tells whether there is a cookie. */
function stateOf(record, mode) {
  if (mode === "body") return record === null ? "out" : "in";
  if (record === null || record.sid === null) return "unknown";
  return record.isSignedOut ? "out" : "in";
}

function rankOf(record) {
  return record.gen ?? record.revision;
}

function revisionOf(record) {
  return record?.revision ?? 0;
}

/** 128 random bits, as the server takes them. */
function createKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === "string" && value !== "";
const isKey = (value) => isText(value) && /^[A-Za-z0-9_-]{22,64}$/.test(value);
const isAccess = (value) => isText(value?.token) && value.life > 0 && Number.isFinite(value.wall);

/** A record as it was stored; null when it is none of ours, which may be anything. */
function parseRecord(text, mode) {
  const record = typeof text === "string" ? parseObject(text) : null;
  if (record?.mode !== mode) return null;
  if (mode === "cookie") {
    if (!isNumber(record.revision)) return null;
    if (record.isSignedOut === true) return { mode, isSignedOut: true, revision: record.revision };
    if (!isKey(record.key) || !(record.sid === null || isText(record.sid))) return null;
    const { sid, revision, key, isPresented, at } = record;
    if (isPresented === true) return { mode, sid, revision, key, isPresented };
    return { mode, sid, revision, key, ...(Number.isFinite(at) && { at }) };
  }
  const { sid, gen, refreshToken, key, access } = record;
  if (!isText(sid) || !isNumber(gen) || !isText(refreshToken) || !isKey(key)) return null;
  return { mode, sid, gen, refreshToken, key, access: isAccess(access) ? toSharedAccess(access) : null };
}

/** What another tab can use of an access token. */
function toSharedAccess({ token, life, wall }) {
  return { token, life, wall };
}

// ---------------------------------------------------------------- answers

function createAccess({ accessToken, expiresIn, sid }, { now, wall }, isRefreshed) {
  return { token: accessToken, sid, life: expiresIn * 1000, at: now, wall, isRefreshed };
}

function parsePair({ body }, mode) {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = body ?? {};
  const sid = isText(accessToken) ? decodeClaims(accessToken)?.sid : undefined;
  if (!isText(sid) || !(expiresIn > 0 && expiresIn < Infinity)) {
    throw createUnreadableError("the answer has no access token");
  }
  if (mode === "cookie") {
    if (refreshToken === undefined) return { accessToken, expiresIn, sid };
    throw new RelatchError("unexpected_answer", "the server keeps no refresh tokens in cookies", { status: 200 });
  }
  const gen = isText(refreshToken) ? decodeClaims(refreshToken)?.gen : undefined;
  if (!isNumber(gen)) throw createUnreadableError("the answer has no refresh token");
  return { accessToken, expiresIn, sid, refreshToken, gen };
}

/** The claims of a JWT, which are the server's to verify. */
function decodeClaims(token) {
  try {
    const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return parseObject(new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))));
  } catch {
    return null;
  }
}

function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function createResponseError({ status, retryAfter, body }) {
  const isTemporary = status === 408 || status === 429 || status >= 500;
  const error = body?.error;
  const isKnown = typeof error === "string" && Object.hasOwn(STATUS_BY_CODE, error) && STATUS_BY_CODE[error] === status;
  const code = isKnown ? error : isTemporary ? "temporarily_unavailable" : "unexpected_answer";
  const text = isKnown && isText(body.error_description) ? body.error_description : `the server answered ${status}`;
  return new RelatchError(code, text, { status, retryAfter, isTemporary });
}

function createUnreadableError(message) {
  return new RelatchError("unreadable_answer", message, { status: 200, isTemporary: true });
}

function createTimeoutError() {
  return new RelatchError("timeout", "no answer came in time", { isTemporary: true });
}

function createBusyError(wait) {
  const retryAfter = Math.ceil(wait / 1000);
  return new RelatchError("temporarily_unavailable", "the server asked to wait", { retryAfter, isTemporary: true });
}

/** The promise's end, or the signal's, whichever is first. The promise is not touched. */
function withAbort(signal, promise) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
