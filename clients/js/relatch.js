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
const SETTLED_AFTER = 60_000;
/**
 * A token that came this long ago, in ms, is left alone: a request with the one before may still be
 * under way, and on a 401 another would be no better.
 */
const TOO_YOUNG = 30_000;
/** How long other tabs may take to tell an access token, in ms. */
const TOLD_WITHIN = 200;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** What a `Retry-After` may bind a client to, in seconds. */
const LONGEST_RETRY_AFTER = 3600;

/** The codes that the server gives, each with the only status that it means something with. */
const STATUS_OF = {
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
  #known = null;
  /** `{ token, sid, life, at, wall, isRefreshed }`; times in ms. */
  #access = null;
  /** In cookie mode: the access token of another tab, until the record is seen that goes with it. */
  #heard = null;
  #onHeard = () => {};
  #refreshing = null;
  /** Another one with every write; it ends when that has. */
  #lastWrite = Promise.resolve();
  /** Before this time the server asked not to be asked again. */
  #notBefore = -Infinity;
  #settling;
  #listeners = new Set();
  #onStorage = (event) => {
    const isOurs = event.key === this.#settings.name || event.key === null;
    if (isOurs && event.storageArea === this.#environment.localStorage) this.#load().catch(() => {});
  };

  constructor(options) {
    this.#settings = settingsOf(options);
    this.#environment = { ...surroundings(), ...options.environment };
    this.#storage = storageOf(this.#settings, this.#environment);
    // Without a storage in common each tab has a session of its own, but for the one cookie.
    const isAlone = this.#storage.isMemory && this.#settings.mode === "body";
    this.#locks = (!isAlone && this.#environment.locks) || queue();
    if (!isAlone) {
      this.#environment.events?.addEventListener("storage", this.#onStorage);
      this.#channel = this.#environment.openChannel?.(this.#settings.name);
      if (this.#channel) this.#channel.onmessage = ({ data }) => this.#hear(data);
    }
  }

  async signIn(email, password, { signal } = {}) {
    await this.#whenReady(signal);
    await this.#alone(async () => {
      const { mode } = this.#settings;
      const sentAt = this.#time();
      const form = mode === "cookie" ? { email, password, cookie: true } : { email, password };
      const answer = await this.#post("/signin", form, { signal });
      if (answer.status !== 200) throw refusal(answer);
      const pair = pairOf(answer, mode);
      const access = accessOf(pair, sentAt, false);
      const { sid, gen, refreshToken } = pair;
      const record =
        mode === "cookie"
          ? { mode, sid, revision: revisionOf(this.#known) + 1, key: newKey(), at: this.#time().wall }
          : { mode, sid, gen, refreshToken, key: newKey(), access: shared(access) };
      this.#notBefore = -Infinity;
      try {
        await this.#put(record, { access, isHere: true });
      } catch (error) {
        // A session that the next page would not find again is none.
        await this.#load().catch(() => {});
        throw error;
      }
      this.#tell(access);
    }, signal);
  }

  async signOut({ everywhere = false, signal } = {}) {
    await this.#whenReady(signal);
    // At once, so that nothing is called any more, whatever the network does. A refresh that is
    // under way finds the record gone and stores nothing.
    const dropped = this.#drop();
    dropped.catch(() => {});
    let pending = null;
    let turns = 0;
    const ending = this.#insistently(() => {
      const isFirst = turns++ === 0;
      return this.#alone(async () => {
        const own = await dropped;
        pending ??= new Map(own === null ? [] : [[own.sid, own]]);
        await this.#load();
        // What began before this sign-out may have stored a record since, which this tab may see
        // late. Any other is that of a later sign-in.
        if (isFirst || (this.#state() === "in" && pending.has(this.#known.sid))) {
          const record = await this.#drop();
          if (record !== null) pending.set(record.sid, record);
        }
        if (this.#settings.mode === "cookie") {
          // The cookie is by now that of the later one.
          if (this.#state() === "in") return;
          return this.#end({ everywhere }, [...pending.values()].at(-1)?.key);
        }
        for (const [sid, record] of pending) {
          await this.#end({ refresh_token: record.refreshToken, everywhere }, record.key);
          pending.delete(sid);
        }
      });
    });
    await unless(signal, Promise.all([dropped, ending]));
  }

  async accessToken({ signal } = {}) {
    await this.#whenReady(signal);
    if (this.#isFresh()) return this.#access.token;
    try {
      // Again when another sign-in came in between, whose tokens this tab has not heard of.
      for (let time = 0; time < 3 && !this.#isFresh() && this.#state() !== "out"; time += 1) {
        await unless(signal, this.#refresh());
      }
    } catch (error) {
      // Within the margin the old one is still good.
      if (!error.isTemporary || !this.#isGood()) throw error;
    }
    return this.#access?.token ?? null;
  }

  async isSignedIn({ signal } = {}) {
    await this.#whenReady(signal);
    await this.#load();
    if (this.#state() === "unknown") await unless(signal, this.#refresh());
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
    let again = false;
    try {
      const response = await this.#environment.fetch(request);
      const next = response.status === 401 ? await this.#replace(token, request.signal) : null;
      if (next === null) return response;
      again = true;
      response.body?.cancel().catch(() => {});
      copy.headers.set("authorization", `Bearer ${next}`);
      return await this.#environment.fetch(copy);
    } finally {
      if (!again) copy.body?.cancel().catch(() => {});
    }
  }

  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.#environment.events?.removeEventListener("storage", this.#onStorage);
    this.#channel?.close();
    this.#environment.clearTimeout(this.#settling);
    this.#listeners.clear();
  }

  // -------------------------------------------------------------- refreshing

  /** One for all callers of this tab. It goes on when they leave. */
  #refresh(refused) {
    this.#refreshing ??= this.#insistently(() => this.#alone(() => this.#attempt(refused))).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** One attempt, with nobody else at it. */
  async #attempt(refused) {
    const { mode } = this.#settings;
    await this.#load();
    if (this.#state() === "out") return;
    // Another tab was faster.
    const isServed = () => this.#isFresh() && this.#access.token !== refused;
    if (isServed()) return;
    if (mode === "cookie") await this.#askTabs();
    if (isServed()) return;

    const presented = mode === "cookie" ? await this.#use(this.#known) : this.#known;
    const sentAt = this.#time();
    const form = mode === "cookie" ? {} : { refresh_token: presented.refreshToken };
    const answer = await this.#post("/refresh", form, { key: presented.key });
    if (answer.status === 400 && answer.body?.error === "invalid_grant") {
      return this.#lose(presented, refused, refusal(answer));
    }
    if (answer.status !== 200) throw refusal(answer);
    // An answer that cannot be read is a lost one: the same token again, with the same key.
    const pair = pairOf(answer, mode);
    const access = accessOf(pair, sentAt, true);
    await this.#load();
    const record = mode === "cookie" ? this.#nextMarker(presented, pair) : this.#nextToken(presented, pair, access);
    if (record === null) return;
    // If it cannot be stored, this tab goes on with what it knows, and stores it next time.
    await this.#put(record, { access, isHere: true }).catch(() => {});
    this.#tell(access);
    if (mode === "cookie") this.#settle(record);
  }

  /**
   * When a cookie has just come, its access token is in another tab, or on its way from there. The
   * cookie itself must not be traded again at once, for the first rule of the contract.
   */
  async #askTabs() {
    const age = this.#time().wall - (this.#known?.at ?? Infinity);
    if (!this.#channel || age < 0 || !(age < TOO_YOUNG)) return;
    this.#channel.postMessage({ isWanted: true });
    await new Promise((resolve) => {
      this.#onHeard = resolve;
      this.#environment.setTimeout(resolve, TOLD_WITHIN);
    });
  }

  /** The record with the token of an answer; null when it has gone on without it. */
  #nextToken(presented, pair, access) {
    const current = this.#known;
    // A sign-out or another sign-in came in between.
    if (current === null || current.sid !== presented.sid) return null;
    if (pair.sid !== presented.sid) throw unreadable("the answer is for another session");
    if (pair.gen < current.gen) return null;
    const record = { ...current, access: shared(access) };
    // The same token keeps its key.
    if (pair.gen === current.gen) return record;
    return { ...record, gen: pair.gen, refreshToken: pair.refreshToken, key: newKey() };
  }

  /** The record that says that the browser has the cookie of an answer, or null likewise. */
  #nextMarker(presented, pair) {
    const current = this.#known;
    if (this.#state() === "out") return null;
    const isOther = current !== null && current.sid !== presented.sid;
    if (isOther && current.sid !== pair.sid) return null;
    // The key stays for now. If the browser crashes before it has put the cookie on the disk, it
    // comes back with the one before, which needs the key that it was presented with.
    const { key } = isOther ? current : presented;
    const revision = Math.max(revisionOf(current), presented.revision) + 1;
    return { mode: "cookie", sid: pair.sid, revision, key, at: this.#time().wall };
  }

  /**
   * Says that the key is in use, before a request goes out: from here on, until an answer is
   * there, every attempt has this key, and nobody makes another.
   */
  async #use(record) {
    const { sid = null, key = newKey() } = record ?? {};
    const used = { mode: "cookie", sid, revision: revisionOf(record) + 1, key, isPresented: true };
    await this.#put(used).catch(() => {});
    return used;
  }

  /** Makes another key when the cookie is on the disk, unless it was presented meanwhile. */
  #settle({ sid, revision }) {
    const renew = async () => {
      await this.#load();
      const current = this.#known;
      if (current === null || current.sid !== sid || current.revision !== revision || current.isPresented) return;
      await this.#put({ ...current, revision: revision + 1, key: newKey() });
    };
    this.#environment.clearTimeout(this.#settling);
    this.#settling = this.#environment.setTimeout(() => void this.#alone(renew).catch(() => {}), SETTLED_AFTER);
  }

  /** After `invalid_grant`: the session is over, unless the record has gone on meanwhile. */
  async #lose(presented, refused, error) {
    await this.#load();
    const current = this.#known;
    if (this.#state() === "out") return;
    if (current !== null && (current.sid !== presented.sid || current.gen > presented.gen)) {
      return this.#attempt(refused);
    }
    await this.#drop("invalid_grant");
    // Whoever was not known to be signed in is not signed out by it.
    if (presented.sid !== null) throw error;
  }

  /** Another access token than the one that was refused; null where there is no better one. */
  async #replace(refused, signal) {
    const access = this.#access;
    if (access?.token === refused && access.isRefreshed) {
      // It came a moment ago: whoever refuses it would refuse the next one too.
      if (this.#age(access) < Math.min(TOO_YOUNG, access.life / 2)) return null;
    }
    if (!this.#isFresh() || this.#access.token === refused) await unless(signal, this.#refresh(refused));
    const token = this.#access?.token ?? null;
    return token === refused ? null : token;
  }

  // -------------------------------------------------------------- ends

  /** Forgets the session in all tabs; what was forgotten, or null. */
  async #drop(reason = "user") {
    const { mode } = this.#settings;
    await this.#load();
    const before = this.#state() === "in" ? this.#known : null;
    const after = mode === "cookie" ? { mode, isSignedOut: true, revision: revisionOf(this.#known) + 1 } : null;
    await this.#put(after, { isHere: true, reason });
    this.#tell();
    return before;
  }

  async #end(form, key) {
    const answer = await this.#post("/signout", form, { key });
    // A 200 is from somebody else on the way, such as the page of a hotel's network.
    if (answer.status === 200) throw unreadable("the answer is none to a sign-out");
    if (answer.status !== 204) throw refusal(answer);
  }

  // -------------------------------------------------------------- the record

  /** Reads the storage. What this tab then knows is `#known`, which may be newer. */
  async #load() {
    for (;;) {
      const write = this.#lastWrite;
      await write;
      const text = await stored(() => this.#storage.get(this.#settings.name));
      // What was read while this tab wrote may be older than what it wrote.
      if (write !== this.#lastWrite) continue;
      this.#see(parsed(text, this.#settings.mode));
      this.#isLoaded = true;
      return;
    }
  }

  /** Takes note of a record and stores it: the one at once, the other after earlier writes. */
  #put(record, note) {
    this.#see(record, note);
    const text = record === null ? null : JSON.stringify(record);
    const write = this.#lastWrite.then(() => stored(() => this.#storage.set(this.#settings.name, text)));
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  #state() {
    return stateOf(this.#known, this.#settings.mode);
  }

  /** Takes note of a record, and tells the listeners what it means. */
  #see(record, { access, isHere = false, reason = "user" } = {}) {
    const { mode } = this.#settings;
    const before = this.#known;
    // An older one of the same session is a late view of the storage, or could not be replaced.
    if (before !== null && record !== null && before.sid === record.sid && rankOf(record) < rankOf(before)) return;
    this.#known = record;
    const [was, is] = [stateOf(before, mode), stateOf(record, mode)];
    const hadToken = this.#access?.token;
    if (access) this.#access = access;
    else if (is === "in") this.#adopt(record);
    if (is === "out" || (is === "in" && this.#access?.sid !== record.sid)) this.#access = null;
    if (!this.#isLoaded) return;

    if (is === "in" && (was !== "in" || before.sid !== record.sid)) this.#emit({ type: "signed-in", isHere });
    else if (is === "in" && this.#access && this.#access.token !== hadToken) this.#emit({ type: "refreshed", isHere });
    else if (is === "out" && (was === "in" || hadToken)) this.#emit({ type: "signed-out", isHere, reason });
  }

  /** The access token that another tab stored or told of. */
  #adopt(record) {
    const other = record.access ?? (this.#heard?.sid === record.sid ? this.#heard : null);
    if (other === null || other.token === this.#access?.token) return;
    const { now, wall } = this.#time();
    // Clocks of tabs begin at different times. What is between them is told by the device's.
    const age = Math.max(0, wall - other.wall);
    if (this.#access?.sid === record.sid && this.#access.life - this.#age(this.#access) > other.life - age) return;
    this.#access = { ...other, sid: record.sid, at: now - age, isRefreshed: true };
  }

  #hear(message) {
    const access = message?.access;
    if (message?.isWanted === true) {
      if (this.#isFresh()) this.#tell(this.#access);
      return;
    }
    if (this.#settings.mode === "cookie" && isAccess(access) && typeof access.sid === "string") {
      this.#heard = { ...shared(access), sid: access.sid };
    }
    this.#load().then(() => this.#onHeard(), () => {});
  }

  /** Tells the other tabs to look; in cookie mode with the access token, which is stored nowhere. */
  #tell(access) {
    const isCookie = this.#settings.mode === "cookie";
    this.#channel?.postMessage(isCookie && access ? { access: { ...shared(access), sid: access.sid } } : {});
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

  #time() {
    return { now: this.#environment.now(), wall: this.#environment.wall() };
  }

  /** In ms, by the clock that says more: one may stand still asleep, the other may be set. */
  #age({ at, wall }) {
    const time = this.#time();
    return Math.max(time.now - at, time.wall - wall);
  }

  #isFresh() {
    if (this.#access === null) return false;
    const margin = Math.min(this.#settings.margin, this.#access.life / 10);
    return this.#age(this.#access) < this.#access.life - margin;
  }

  #isGood() {
    return this.#access !== null && this.#age(this.#access) < this.#access.life;
  }

  // -------------------------------------------------------------- the network

  /** Works again after what passes, for as long as patience lasts. */
  async #insistently(work) {
    const { setTimeout, random } = this.#environment;
    const end = this.#environment.now() + this.#settings.patience;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const wait = this.#notBefore - this.#environment.now();
        if (wait > 0) throw busy(wait);
        return await work();
      } catch (error) {
        if (!error.isTemporary) throw error;
        const asked = Math.min(error.retryAfter ?? 0, LONGEST_RETRY_AFTER) * 1000;
        const now = this.#environment.now();
        if (error.status !== undefined && asked > 0) this.#notBefore = Math.max(this.#notBefore, now + asked);
        const pause = Math.min(FIRST_PAUSE * 2 ** attempt, LONGEST_PAUSE);
        // By chance, so that those who failed together do not come back together.
        const delay = asked + pause * (0.5 + random() / 2);
        if (now + delay > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  /** Works while no other tab does. */
  async #alone(work, signal) {
    const { setTimeout, clearTimeout } = this.#environment;
    const waiting = new AbortController();
    const leave = () => waiting.abort(signal.reason);
    const timer = setTimeout(() => waiting.abort(late()), this.#settings.timeout);
    signal?.addEventListener("abort", leave, { once: true });
    const stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    };
    try {
      return await this.#locks.request(this.#settings.name, { signal: waiting.signal }, () => {
        stop();
        return work();
      });
    } catch (error) {
      // Lock managers differ in what they reject with.
      throw waiting.signal.aborted ? waiting.signal.reason : error;
    } finally {
      stop();
    }
  }

  async #post(path, form, { key, signal } = {}) {
    const { fetch, setTimeout, clearTimeout } = this.#environment;
    const headers = { "content-type": "application/json" };
    if (key !== undefined) headers["idempotency-key"] = key;
    const controller = new AbortController();
    const leave = () => controller.abort(signal.reason);
    const timer = setTimeout(() => controller.abort(late()), this.#settings.timeout);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", leave, { once: true });
    try {
      const response = await fetch(this.#settings.baseUrl + path, {
        method: "POST",
        headers,
        body: JSON.stringify(form),
        credentials: this.#settings.mode === "cookie" ? "include" : "omit",
        cache: "no-store",
        redirect: "error",
        referrerPolicy: "no-referrer",
        signal: controller.signal,
      });
      const text = await response.text();
      return { status: response.status, retryAfter: this.#retryAfter(response.headers), body: objectOf(text) };
    } catch (cause) {
      if (controller.signal.aborted) throw controller.signal.reason;
      throw new RelatchError("network_error", "no answer came", { isTemporary: true, cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    }
  }

  /** In seconds: a number of them, or a date (RFC 9110 §10.2.3). */
  #retryAfter(headers) {
    const text = headers.get("retry-after")?.trim();
    if (!text) return undefined;
    if (/^\d+$/.test(text)) return Number(text);
    const seconds = Math.ceil((Date.parse(text) - this.#environment.wall()) / 1000);
    return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
  }

  async #whenReady(signal) {
    signal?.throwIfAborted();
    if (!this.#isLoaded) await unless(signal, this.#load());
  }
}

// ---------------------------------------------------------------- settings

function settingsOf({ baseUrl, mode, storage, origins = [], margin = 30, timeout = 20, patience = 60, name }) {
  const base = originOf(baseUrl, "baseUrl");
  if (base.search || base.hash || base.username) throw new TypeError("baseUrl is more than an address");
  if (mode !== "body" && mode !== "cookie") throw new TypeError('mode is neither "body" nor "cookie"');
  for (const [of, value] of Object.entries({ margin, timeout, patience })) {
    if (!(value >= 0 && value < Infinity)) throw new TypeError(`${of} is no number of seconds`);
  }
  const address = base.href.replace(/\/+$/, "");
  return {
    baseUrl: address,
    mode,
    storage: storage ?? (mode === "cookie" ? "local" : "memory"),
    origins: new Set(origins.map((origin) => originOf(origin, "origins").origin)),
    margin: margin * 1000,
    timeout: timeout * 1000,
    patience: patience * 1000,
    name: name ?? `relatch ${address}`,
  };
}

/** Over TLS, or on this machine: no token goes anywhere in the clear. */
function originOf(text, what) {
  const url = new URL(text);
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) {
    throw new TypeError(`${what}: ${url.origin} is not https`);
  }
  return url;
}

function surroundings() {
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

function storageOf({ storage, name }, { localStorage }) {
  if (typeof storage === "object" && typeof storage.get === "function" && typeof storage.set === "function") {
    return storage;
  }
  if (storage !== "local" && storage !== "memory") {
    throw new TypeError('storage is neither "memory" nor "local" nor has get and set');
  }
  if (storage === "local" && isWritable(localStorage, name)) {
    return {
      get: (of) => localStorage.getItem(of),
      set: (of, text) => (text === null ? localStorage.removeItem(of) : localStorage.setItem(of, text)),
    };
  }
  let kept = null;
  return { isMemory: true, get: () => kept, set: (_, text) => void (kept = text) };
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

async function stored(work) {
  try {
    return await work();
  } catch (cause) {
    throw new RelatchError("storage_failed", "the storage failed", { cause });
  }
}

/** Turns in one tab, where there is no lock manager. */
function queue() {
  let last = Promise.resolve();
  return {
    request(_, { signal }, work) {
      const turn = last.then(() => {
        signal.throwIfAborted();
        return work();
      });
      last = turn.catch(() => {});
      return unless(signal, turn);
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
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;
const isText = (value) => typeof value === "string" && value !== "";
const isKey = (value) => isText(value) && /^[A-Za-z0-9_-]{22,64}$/.test(value);
const isAccess = (value) => isText(value?.token) && value.life > 0 && Number.isFinite(value.wall);

/** A record as it was stored; null when it is none of ours, which may be anything. */
function parsed(text, mode) {
  const record = typeof text === "string" ? objectOf(text) : null;
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
  return { mode, sid, gen, refreshToken, key, access: isAccess(access) ? shared(access) : null };
}

/** What another tab can use of an access token. */
function shared({ token, life, wall }) {
  return { token, life, wall };
}

// ---------------------------------------------------------------- answers

function accessOf({ accessToken, expiresIn, sid }, { now, wall }, isRefreshed) {
  return { token: accessToken, sid, life: expiresIn * 1000, at: now, wall, isRefreshed };
}

function pairOf({ body }, mode) {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = body ?? {};
  const sid = isText(accessToken) ? claimsOf(accessToken)?.sid : undefined;
  if (!isText(sid) || !(expiresIn > 0 && expiresIn < Infinity)) throw unreadable("the answer has no access token");
  if (mode === "cookie") {
    if (refreshToken === undefined) return { accessToken, expiresIn, sid };
    throw new RelatchError("unexpected_answer", "the server keeps no refresh tokens in cookies", { status: 200 });
  }
  const gen = isText(refreshToken) ? claimsOf(refreshToken)?.gen : undefined;
  if (!isNumber(gen)) throw unreadable("the answer has no refresh token");
  return { accessToken, expiresIn, sid, refreshToken, gen };
}

/** The claims of a JWT, which are the server's to verify. */
function claimsOf(token) {
  try {
    const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return objectOf(new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))));
  } catch {
    return null;
  }
}

function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function refusal({ status, retryAfter, body }) {
  const isTemporary = status === 408 || status === 429 || status >= 500;
  const told = typeof body?.error === "string" && Object.hasOwn(STATUS_OF, body.error) ? body.error : undefined;
  const isTrue = told !== undefined && STATUS_OF[told] === status;
  const code = isTrue ? told : isTemporary ? "temporarily_unavailable" : "unexpected_answer";
  const text = isTrue && isText(body.error_description) ? body.error_description : `the server answered ${status}`;
  return new RelatchError(code, text, { status, retryAfter, isTemporary });
}

function unreadable(message) {
  return new RelatchError("unreadable_answer", message, { status: 200, isTemporary: true });
}

function late() {
  return new RelatchError("timeout", "no answer came in time", { isTemporary: true });
}

function busy(wait) {
  const retryAfter = Math.ceil(wait / 1000);
  return new RelatchError("temporarily_unavailable", "the server asked to wait", { retryAfter, isTemporary: true });
}

/** The promise's end, or the signal's, whichever is first. The promise is not touched. */
function unless(signal, promise) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
