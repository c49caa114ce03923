// What the page shows. All text goes in as text, never as markup.

import { decode } from "./token.js";

export const $ = (id) => document.getElementById(id);

const MAX_LOG_ENTRIES = 200;

const MEANINGS = {
  iss: "who issued it",
  aud: "whom it is for",
  sub: "the user",
  sid: "the session",
  jti: "this very token",
  iat: "issued",
  exp: "expires",
  auth_time: "the sign-in",
  client_id: "the client",
  scope: "what it opens",
  user_email: "for display",
  gen: "the generation of the session",
  secret: "the session's secret",
  key: "the idempotency key that is sent with it",
  revision: "counts what the client stored",
  isPresented: "whether the key is in use",
};
const TIME_FIELDS = ["iat", "exp", "auth_time"];

/** An element with text and children. */
export function createElement(tag, { className, text, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  if (className !== undefined) element.className = className;
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/** Says what happened, to everybody. */
export function showStatus(text, kind = "") {
  $("status").className = kind;
  $("status").textContent = text;
}

/** Adds what happened to the list, the newest first. */
export function log({ who, method, path, kind, outcome, note }) {
  const item = createElement("li", { className: who === "this tab" ? kind : `${kind} there` });
  const now = new Date();
  item.append(createElement("time", { text: formatTime(now), dateTime: now.toISOString() }), " ");
  item.append(createElement("span", { className: "who", text: who }), " ");
  if (method !== undefined) item.append(createElement("code", { text: `${method} ${path}` }), " ");
  item.append(createElement("b", { text: outcome }));
  if (note) item.append(createElement("span", { className: "note", text: note }));
  $("log").prepend(item);
  while ($("log").childElementCount > MAX_LOG_ENTRIES) $("log").lastElementChild.remove();
}

/** Fills a table with the header and the claims of a token. */
export function showToken(id, token) {
  const { header, claims } = decode(token) ?? { header: {}, claims: {} };
  const { typ = "", alg = "" } = header;
  const rows = Object.entries(claims).map(([name, value]) => createRow(name, value));
  const first = token ? [createRow("header", `${typ} ${alg}`, `signed with the key ${header.kid}`)] : [];
  $(id).replaceChildren(...first, ...rows);
}

/** Fills a table with the members of a record. */
export function showRecord(id, record) {
  const fields = Object.entries(record ?? {}).filter(([name]) => name in MEANINGS);
  $(id).replaceChildren(...fields.map(([name, value]) => createRow(name, value)));
}

function createRow(name, value, meaning = MEANINGS[name]) {
  const isTime = TIME_FIELDS.includes(name) && typeof value === "number";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const note = isTime ? `${meaning} ${new Date(value * 1000).toLocaleString("en-GB")}` : meaning;
  const cell = createElement("td", {}, createElement("code", { text }));
  if (note) cell.append(createElement("small", { text: note }));
  return createElement("tr", {}, createElement("th", { scope: "row", text: name }), cell);
}

/** The time of day. */
export function formatTime(date) {
  return date.toLocaleTimeString("en-GB");
}

/** A number of seconds, for people. */
export function formatDuration(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole >= 2 * 86_400) return `${Math.round(whole / 86_400)} days`;
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [hours, minutes, rest] = parts.map((part) => String(part).padStart(2, "0"));
  return whole >= 3600 ? `${parts[0]}:${minutes}:${rest}` : `${Number(minutes)}:${rest}`;
}
