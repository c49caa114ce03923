// The network of one device, as the page wants it: it tells of every exchange, loses some on
// purpose, and damages an access token on the way when it is asked to.

import { decode } from "./token.js";

/** Makes one. `report` is called with `{ who, method, path, kind, outcome, note }`. */
export function createNetwork(who, report) {
  const network = {
    /** How many of all exchanges are lost, from 0 to 1: the request or the answer, one as often as the other. */
    loss: 0,
    /** The access token that is damaged the next time it is sent, if any. */
    tokenToDamage: null,
    fetch: exchange,
  };
  return network;

  async function exchange(input, init) {
    let request = new Request(input, init);
    const fields = { who, method: request.method, path: new URL(request.url).pathname };
    const reportExchange = (kind, outcome, note) => report({ ...fields, kind, outcome, note });
    let note;
    if (network.tokenToDamage !== null && request.headers.get("authorization") === `Bearer ${network.tokenToDamage}`) {
      network.tokenToDamage = null;
      request = damageToken(request);
      note = "with a damaged access token";
    }
    const isLost = Math.random() < network.loss;
    if (isLost && Math.random() < 0.5) {
      reportExchange("lost", "request lost", "the server has not seen it");
      throw new TypeError("the request is lost");
    }
    const key = request.headers.get("idempotency-key");
    let response;
    try {
      response = await fetch(request);
    } catch (error) {
      reportExchange("lost", "no answer", error.name === "AbortError" ? "it was given up" : undefined);
      throw error;
    }
    if (isLost) {
      response.body?.cancel().catch(() => {});
      reportExchange("lost", "answer lost", "the server has done it");
      throw new TypeError("the answer is lost");
    }
    const notes = [note, await describeResponse(response.clone()), key && `key ${key.slice(0, 6)}…`];
    reportExchange(response.ok ? "good" : "bad", String(response.status), notes.filter(Boolean).join(", "));
    return response;
  }
}

/** The same request, with the first character of its token's signature changed. */
function damageToken(request) {
  const headers = new Headers(request.headers);
  const start = headers.get("authorization").lastIndexOf(".") + 1;
  const flipFirstCharacter = (text) => text.slice(0, start) + (text[start] === "A" ? "B" : "A") + text.slice(start + 1);
  headers.set("authorization", flipFirstCharacter(headers.get("authorization")));
  return new Request(request, { headers });
}

/** What an answer says, in a few words. */
async function describeResponse(response) {
  const body = await response.json().catch(() => null);
  if (typeof body?.error === "string") return body.error;
  if (typeof body?.message === "string") return body.message;
  const gen = decode(body?.refresh_token)?.claims.gen;
  if (gen !== undefined) return `refresh token of generation ${gen}`;
  return body?.access_token === undefined ? undefined : "access token; the refresh token is in the cookie";
}
