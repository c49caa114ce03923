// The server's side of the protocol: the table of docs/sessions.md, in the order in which
// shared/core/src/session/decision.rs decides, for as much of sign-in, refresh and sign-out as a client sees.
// Tokens are not signed, and secrets are numbers: here nobody forges.

const SECOND = 1000;

export class Server {
  /** What was decided about each refresh: `{ event, sid, presented, gen, key, at }`. */
  log = [];
  #sessions = new Map();
  #epochs = new Map();
  #count = 0;

  constructor({
    clock,
    random,
    window = 60,
    accessTtl = 900,
    idle = 30 * 86400,
    age = 90 * 86400,
    acceptsKeys = true,
  }) {
    Object.assign(this, { clock, random, accessTtl, acceptsKeys });
    [this.window, this.idle, this.age] = [window * SECOND, idle * SECOND, age * SECOND];
  }

  /** `{ path, method, headers, body, cookie }` to `{ status, headers, body, cookie }`. */
  handle(request) {
    const routes = { "/signin": this.#signIn, "/refresh": this.#refresh, "/signout": this.#signOut, "/data": this.#data };
    const route = routes[request.path];
    if (!route) return errorResponse(404, "not_found");
    if (route === this.#data) return this.#data(request);
    if (request.method !== "POST" || request.headers.get("content-type") !== "application/json") {
      return errorResponse(415, "unsupported_media_type");
    }
    const key = request.headers.get("idempotency-key");
    if (key !== null && !/^[A-Za-z0-9_-]{22,64}$/.test(key)) return errorResponse(400, "invalid_request");
    return route.call(this, { ...request, key, fields: JSON.parse(request.body) });
  }

  findSession(sid) {
    return [...this.#sessions.values()].find((session) => session.sid === sid);
  }

  /** The session and the generation that a refresh token names. */
  lookUpToken(token) {
    const { secret, gen } = decodeClaims(token);
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

  #signIn({ fields }) {
    if (fields.password === "slow down") return errorResponse(429, "too_many_attempts", { "retry-after": "7" });
    if (fields.password !== "right") return errorResponse(401, "invalid_credentials");
    const now = this.clock();
    this.#count += 1;
    const session = {
      sid: `sid-${this.#count}`,
      secret: this.#count,
      sub: fields.email,
      gen: 0,
      rotatedAt: null,
      key: null,
      isActive: true,
      epoch: this.#epoch(fields.email),
      createdAt: now,
      idleExpiry: now + this.idle,
      maxExpiry: now + this.age,
    };
    this.#sessions.set(session.secret, session);
    return this.#pair(session, fields.cookie === true);
  }

  #refresh({ fields, cookie, key }) {
    const isCookie = fields.refresh_token === undefined;
    const token = isCookie ? cookie : fields.refresh_token;
    const invalidGrant = errorResponse(400, "invalid_grant", {}, isCookie ? null : undefined);
    if (isCookie && !token) return invalidGrant;
    const { session, gen } = this.lookUpToken(token);
    const logEvent = (event) =>
      this.log.push({ event, sid: session?.sid, presented: gen, gen: session?.gen, key, at: this.clock() });
    const now = this.clock();
    if (!session) return logEvent("gone"), invalidGrant;
    if (!this.isLive(session)) return logEvent("dead"), invalidGrant;
    const isInWindow = session.rotatedAt !== null && Math.max(0, now - session.rotatedAt) < this.window;
    if (gen === session.gen && !isInWindow) {
      // Without a key, or where a key is not looked at, the request's own value is nobody else's.
      const ownKey = this.acceptsKeys ? key : null;
      Object.assign(session, { gen: gen + 1, rotatedAt: now, key: ownKey, idleExpiry: now + this.idle });
      return logEvent("rotated"), this.#pair(session, isCookie);
    }
    if (gen === session.gen) return logEvent("same"), this.#pair(session, isCookie);
    const hasSameKey = this.acceptsKeys && key !== null && key === session.key;
    if (gen === session.gen - 1 && (isInWindow || hasSameKey)) return logEvent("retry"), this.#pair(session, isCookie);
    session.isActive = false;
    return logEvent(gen > session.gen ? "future" : "reuse"), invalidGrant;
  }

  #signOut({ fields, cookie, key }) {
    const isCookie = fields.refresh_token === undefined;
    const token = isCookie ? cookie : fields.refresh_token;
    const { session, gen } = token ? this.lookUpToken(token) : {};
    if (session) {
      const isRetry = gen === session.gen - 1 && this.acceptsKeys && key !== null && key === session.key;
      const isAccepted = this.isLive(session) && (gen === session.gen || isRetry);
      if (fields.everywhere && isAccepted) this.#epochs.set(session.sub, this.#epoch(session.sub) + 1);
      session.isActive = false;
    }
    return { status: 204, headers: {}, body: "", cookie: isCookie ? null : undefined };
  }

  /** A route of the owner's, which trusts an access token until it expires, or looks at the session. */
  #data({ headers, body }) {
    const token = headers.get("authorization")?.replace(/^Bearer /, "");
    if (!token) return errorResponse(401, "invalid_token");
    const { exp, sid } = decodeClaims(token);
    const isOver = this.checksSessions && !this.isLive(this.findSession(sid));
    if (this.clock() >= exp || isOver) return errorResponse(401, "invalid_token");
    return { status: 200, headers: {}, body: JSON.stringify({ sid, body }) };
  }

  #pair(session, isCookie) {
    const now = this.clock();
    const life = Math.ceil(this.accessTtl * (1 - this.random.next() / 5));
    this.#count += 1;
    const body = {
      access_token: encodeToken({ sid: session.sid, exp: now + life * SECOND, jti: this.#count }),
      token_type: "Bearer",
      expires_in: life,
      refresh_expires_in: Math.floor((expiry(session) - now) / SECOND),
    };
    const refreshToken = encodeToken({ secret: session.secret, gen: session.gen, sub: session.sub });
    if (!isCookie) body.refresh_token = refreshToken;
    return { status: 200, headers: {}, body: JSON.stringify(body), cookie: isCookie ? refreshToken : undefined };
  }
}

function expiry({ idleExpiry, maxExpiry }) {
  return Math.min(idleExpiry, maxExpiry);
}

export function errorResponse(status, error, headers = {}, cookie = undefined) {
  return { status, headers, body: JSON.stringify({ error, error_description: `it is ${error}` }), cookie };
}

function encodeToken(content) {
  return `e30.${Buffer.from(JSON.stringify(content)).toString("base64url")}.c2ln`;
}

export function decodeClaims(text) {
  return JSON.parse(Buffer.from(text.split(".")[1], "base64url"));
}
