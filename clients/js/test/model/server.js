// The server's side of the protocol: the table of docs/sessions.md, in the order in which
// shared/src/session.rs decides, for as much of sign-in, refresh and sign-out as a client sees.
// Tokens are not signed, and secrets are numbers: here nobody forges.

const SECOND = 1000;

export class Server {
  /** What was decided about each refresh: `{ event, sid, presented, gen, key, at }`. */
  log = [];
  #sessions = new Map();
  #epochs = new Map();
  #count = 0;

  constructor({ clock, random, window = 60, accessTtl = 900, idle = 30 * 86400, age = 90 * 86400, takesKeys = true }) {
    Object.assign(this, { clock, random, accessTtl, takesKeys });
    [this.window, this.idle, this.age] = [window * SECOND, idle * SECOND, age * SECOND];
  }

  /** `{ path, method, headers, body, cookie }` to `{ status, headers, body, cookie }`. */
  handle(request) {
    const routes = { "/signin": this.#signIn, "/refresh": this.#refresh, "/signout": this.#signOut, "/data": this.#data };
    const route = routes[request.path];
    if (!route) return refuse(404, "not_found");
    if (route === this.#data) return this.#data(request);
    if (request.method !== "POST" || request.headers.get("content-type") !== "application/json") {
      return refuse(415, "unsupported_media_type");
    }
    const key = request.headers.get("idempotency-key");
    if (key !== null && !/^[A-Za-z0-9_-]{22,64}$/.test(key)) return refuse(400, "invalid_request");
    return route.call(this, { ...request, key, form: JSON.parse(request.body) });
  }

  session(sid) {
    return [...this.#sessions.values()].find((session) => session.sid === sid);
  }

  /** The session and the generation that a refresh token names. */
  named(token) {
    const { secret, gen } = claims(token);
    return { session: this.#sessions.get(secret), gen };
  }

  isLive(session) {
    const now = this.clock();
    return (
      session !== undefined && session.isActive && now < expiry(session) && session.epoch === this.#epoch(session.sub)
    );
  }

  #epoch(sub) {
    return this.#epochs.get(sub) ?? 0;
  }

  #signIn({ form }) {
    if (form.password === "slow down") return refuse(429, "too_many_attempts", { "retry-after": "7" });
    if (form.password !== "right") return refuse(401, "invalid_credentials");
    const now = this.clock();
    this.#count += 1;
    const session = {
      sid: `sid-${this.#count}`,
      secret: this.#count,
      sub: form.email,
      gen: 0,
      rotatedAt: null,
      key: null,
      isActive: true,
      epoch: this.#epoch(form.email),
      createdAt: now,
      idleExpiry: now + this.idle,
      lastExpiry: now + this.age,
    };
    this.#sessions.set(session.secret, session);
    return this.#pair(session, form.cookie === true);
  }

  #refresh({ form, cookie, key }) {
    const isCookie = form.refresh_token === undefined;
    const token = isCookie ? cookie : form.refresh_token;
    const over = refuse(400, "invalid_grant", {}, isCookie ? null : undefined);
    if (isCookie && !token) return over;
    const { session, gen } = this.named(token);
    const note = (event) =>
      this.log.push({ event, sid: session?.sid, presented: gen, gen: session?.gen, key, at: this.clock() });
    const now = this.clock();
    if (!session) return note("gone"), over;
    if (!this.isLive(session)) return note("dead"), over;
    const isWithin = session.rotatedAt !== null && Math.max(0, now - session.rotatedAt) < this.window;
    if (gen === session.gen && !isWithin) {
      // Without a key, or where a key is not looked at, the request's own value is nobody else's.
      const own = this.takesKeys ? key : null;
      Object.assign(session, { gen: gen + 1, rotatedAt: now, key: own, idleExpiry: now + this.idle });
      return note("rotated"), this.#pair(session, isCookie);
    }
    if (gen === session.gen) return note("same"), this.#pair(session, isCookie);
    const hasItsKey = this.takesKeys && key !== null && key === session.key;
    if (gen === session.gen - 1 && (isWithin || hasItsKey)) return note("retry"), this.#pair(session, isCookie);
    session.isActive = false;
    return note(gen > session.gen ? "future" : "reuse"), over;
  }

  #signOut({ form, cookie, key }) {
    const isCookie = form.refresh_token === undefined;
    const token = isCookie ? cookie : form.refresh_token;
    const { session, gen } = token ? this.named(token) : {};
    if (session) {
      const isNext = gen === session.gen - 1 && this.takesKeys && key !== null && key === session.key;
      const isAccepted = this.isLive(session) && (gen === session.gen || isNext);
      if (form.everywhere && isAccepted) this.#epochs.set(session.sub, this.#epoch(session.sub) + 1);
      session.isActive = false;
    }
    return { status: 204, headers: {}, body: "", cookie: isCookie ? null : undefined };
  }

  /** A route of the owner's, which trusts an access token until it expires, or looks at the session. */
  #data({ headers, body }) {
    const token = headers.get("authorization")?.replace(/^Bearer /, "");
    if (!token) return refuse(401, "invalid_token");
    const { exp, sid } = claims(token);
    if (this.clock() >= exp || (this.isChecked && !this.isLive(this.session(sid)))) return refuse(401, "invalid_token");
    return { status: 200, headers: {}, body: JSON.stringify({ sid, body }) };
  }

  #pair(session, isCookie) {
    const now = this.clock();
    const life = Math.ceil(this.accessTtl * (1 - this.random.next() / 5));
    this.#count += 1;
    const answer = {
      access_token: token({ sid: session.sid, exp: now + life * SECOND, jti: this.#count }),
      token_type: "Bearer",
      expires_in: life,
      refresh_expires_in: Math.floor((expiry(session) - now) / SECOND),
    };
    const refreshToken = token({ secret: session.secret, gen: session.gen, sub: session.sub });
    if (!isCookie) answer.refresh_token = refreshToken;
    return { status: 200, headers: {}, body: JSON.stringify(answer), cookie: isCookie ? refreshToken : undefined };
  }
}

function expiry({ idleExpiry, lastExpiry }) {
  return Math.min(idleExpiry, lastExpiry);
}

export function refuse(status, error, headers = {}, cookie = undefined) {
  return { status, headers, body: JSON.stringify({ error, error_description: `it is ${error}` }), cookie };
}

function token(content) {
  return `e30.${Buffer.from(JSON.stringify(content)).toString("base64url")}.c2ln`;
}

export function claims(text) {
  return JSON.parse(Buffer.from(text.split(".")[1], "base64url"));
}
