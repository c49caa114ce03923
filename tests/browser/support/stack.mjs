// What somebody without a browser does at the stack, such as a thief.

import { setTimeout as sleep } from "node:timers/promises";

import { retryWindow, stackUrl } from "./settings.mjs";

/** Refreshes with a token that was copied, without a key. */
export async function refresh(token) {
  const response = await fetch(`${stackUrl}/refresh`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ refresh_token: token }),
  });
  const { error, refresh_token: next } = await response.json();
  return { status: response.status, error, next };
}

/** The generation of its session that a refresh token stands for. */
export function generationOf(token) {
  return decodeClaims(token).gen;
}

/** The claims of a token. */
export function decodeClaims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

/** Until the retry window of what happened so far is over. */
export async function waitForRetryWindow() {
  await sleep(retryWindow + 100);
}

/** Until a condition holds. */
export async function waitFor(condition) {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    if (await condition()) return;
    await sleep(25);
  }
  throw new Error(`it never was so: ${condition}`);
}
