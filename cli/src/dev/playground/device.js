// A second device: it has nothing of this page's but the token that it was given, and uses no
// client, as a thief would not.

import { decode } from "./token.js";

export class Device {
  refreshToken = null;
  accessToken = null;
  /** How it came by its token: `stolen`, `pasted` or `signed in`. */
  origin = null;
  #fetch;

  constructor(fetch) {
    this.#fetch = fetch;
  }

  /** The generation that its refresh token names; null when it has none. */
  get generation() {
    return decode(this.refreshToken)?.claims.gen ?? null;
  }

  setToken(refreshToken, origin) {
    this.refreshToken = refreshToken;
    this.accessToken = null;
    this.origin = origin;
  }

  /** Opens a session of its own; answers the status and the body of the answer. */
  async signIn(email, password) {
    const response = await this.#post("/signin", { email, password });
    if (response.status === 200) {
      this.setToken(response.body.refresh_token, "signed in");
      this.accessToken = response.body.access_token;
    }
    return response;
  }

  /** Trades its refresh token. A token that is refused it has no more use for. */
  async refresh() {
    const response = await this.#post("/refresh", { refresh_token: this.refreshToken });
    if (response.status === 200) {
      this.refreshToken = response.body.refresh_token;
      this.accessToken = response.body.access_token;
    } else if (response.body?.error === "invalid_grant") {
      this.refreshToken = null;
    }
    return response;
  }

  /** Calls a guarded route with the access token that it has, good or not. */
  async call(path) {
    const headers = { authorization: `Bearer ${this.accessToken}` };
    return readResponse(await this.#fetch(location.origin + path, { headers, credentials: "omit", cache: "no-store" }));
  }

  async #post(path, form) {
    const response = await this.#fetch(location.origin + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(form),
      credentials: "omit",
    });
    return readResponse(response);
  }
}

/** The status of an answer, and its body if it is JSON. */
export async function readResponse(response) {
  const text = await response.text();
  try {
    return { status: response.status, text, body: JSON.parse(text) };
  } catch {
    return { status: response.status, text, body: null };
  }
}
