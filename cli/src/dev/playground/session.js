// This page's session: the client, and what a script of the page can see of what it holds.

import { createClient } from "/relatch.js";

/**
 * Opens the session of a mode, `body` or `cookie`. `readTokens` returns null when nobody is signed in,
 * else `{ accessToken, refreshToken, record }`, of which in cookie mode the refresh token is not to be had.
 */
export function openSession(mode, fetch) {
  // A name for each mode: the records of the two are of different forms.
  const name = `relatch playground, ${mode} mode`;
  const url = location.origin;
  const client = createClient({
    baseUrl: url,
    mode,
    storage: "local",
    origins: [url],
    name,
    environment: { fetch },
  });
  let accessToken = null;

  async function readTokens() {
    if (!(await client.isSignedIn())) {
      accessToken = null;
      return null;
    }
    const record = readStored(name);
    if (mode === "body" && record !== null) {
      return { accessToken: record.access?.token ?? null, refreshToken: record.refreshToken, record };
    }
    // The client gives out good ones only; the last one is what expires before the eyes.
    try {
      accessToken = await client.accessToken();
    } catch (error) {
      if (!error.isTemporary) throw error;
    }
    return { accessToken, refreshToken: null, record };
  }

  return { mode, client, readTokens };
}

/** What was stored under a name; null if nothing, or if the browser forbids it. */
function readStored(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

/** The mode that this browser was last told to use; all tabs have the same one. */
export function rememberedMode() {
  return readStored(MODE) === "cookie" ? "cookie" : "body";
}

/** Remembers a mode. */
export function rememberMode(mode) {
  try {
    localStorage.setItem(MODE, JSON.stringify(mode));
  } catch {
    // Then the next page begins in body mode.
  }
}

/** Under what name the mode is stored. */
export const MODE = "relatch playground";
