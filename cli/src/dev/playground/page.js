// The page: what its buttons do, and what it shows when something happens.

import { RelatchError } from "/relatch.js";

import { Device, answerOf } from "./device.js";
import { createNetwork } from "./network.js";
import { MODE, openSession, rememberMode, rememberedMode } from "./session.js";
import { decode, longestWindow } from "./token.js";
import { $, clock, duration, log, make, say, showRecord, showToken } from "./view.js";

const network = createNetwork("this tab", log);
const device = new Device(createNetwork("second device", log).fetch);

let session;
/** What the session holds, as it was last shown; null when nobody is signed in. */
let held = null;
let shows = 0;

// ---------------------------------------------------------------- the session

function use(mode) {
  session?.client.close();
  session = openSession(mode, network.fetch);
  session.client.onChange(changed);
  $(`mode-${mode}`).checked = true;
  return show();
}

function changed({ type, isHere, reason }) {
  const where = isHere ? "here" : "in another tab";
  const [text, kind] =
    type === "signed-in"
      ? [`Signed in ${where}.`, "good"]
      : type === "refreshed"
        ? [`Refreshed ${where}: there is another access token.`, "good"]
        : reason === "user"
          ? [`Signed out ${where}.`, ""]
          : ["The session is over: it was ended elsewhere, or its refresh token was used twice. Sign in again.", "bad"];
  say(text, kind);
  log({ who: "this tab", kind, outcome: type, note: text });
  show();
}

/** Shows what the session holds now. */
async function show() {
  shows += 1;
  const mine = shows;
  let now = null;
  try {
    now = await session.held();
  } catch (error) {
    if (error.code !== "invalid_grant") say(explanation(error), "bad");
  }
  if (mine !== shows) return;
  const before = held;
  held = now;
  showSession();
  showDevice();
  if ((before === null) !== (held === null)) moveFocus();
  if (held !== null && sidOf(held) !== sidOf(before)) await listSessions().catch(() => {});
}

function sidOf(what) {
  return decode(what?.accessToken)?.claims.sid;
}

/** The keyboard stays where something can be done, when what it was on has gone. */
function moveFocus() {
  const active = document.activeElement;
  if (active !== null && active !== document.body && active.getClientRects().length > 0) return;
  $(held === null ? "sign-in-title" : "session-title").focus({ preventScroll: true });
}

function showSession() {
  $("signed-out").hidden = held !== null;
  $("signed-in").hidden = held === null;
  if (held === null) {
    $("answer").textContent = "";
    $("sessions").replaceChildren();
    return;
  }
  const { accessToken, refreshToken, record } = held;
  const claims = decode(accessToken)?.claims;
  $("who").textContent = claims?.user_email ?? "";
  showToken("access-claims", accessToken);
  $("access-token").textContent = accessToken ?? "";
  const isHidden = refreshToken === null;
  $("refresh-hidden").hidden = !isHidden;
  $("refresh-raw").hidden = isHidden;
  $("refresh-token").textContent = refreshToken ?? "";
  if (isHidden) showRecord("refresh-claims", record);
  else showToken("refresh-claims", refreshToken);
  $("document-cookie").textContent = document.cookie || "(nothing)";
  if (claims !== undefined) {
    const life = claims.exp - claims.iat;
    $("settings").textContent =
      `This access token lives for ${life} seconds. Lives are shortened at random by up to a fifth, so that ` +
      `ACCESS_TOKEN_TTL is from ${life} to ${Math.ceil(life / 0.8)}, and the retry window, unless it is set, ` +
      `at most ${longestWindow(claims)} seconds.`;
  }
  tick();
}

/** What changes with the time alone. */
function tick() {
  const now = Date.now() / 1000;
  const access = decode(held?.accessToken)?.claims;
  if (access !== undefined) {
    const left = access.exp - now;
    $("access-countdown").textContent = left > 0 ? `Expires in ${duration(left)}` : "Expired";
    $("access-countdown").classList.toggle("over", left <= 0);
    $("access-life").max = access.exp - access.iat;
    $("access-life").value = Math.max(0, left);
  }
  const refresh = decode(held?.refreshToken)?.claims;
  const told = [];
  if (refresh !== undefined) {
    told.push(`Generation ${refresh.gen}`, `expires in ${duration(refresh.exp - now)}`);
    const open = access === undefined ? 0 : refresh.iat + longestWindow(access) - now;
    if (refresh.gen > 0) told.push(open > 0 ? `retry window open for ${duration(open)} at most` : "retry window over");
  } else if (held !== null) {
    told.push("Cookie mode");
  }
  $("refresh-countdown").textContent = told.join(", ");
  showDevice();
}

// ---------------------------------------------------------------- calls

async function listSessions() {
  const { status, body } = await answerOf(await session.client.fetch("/sessions", { cache: "no-store" }));
  if (status !== 200) return;
  const there = sidOf(device);
  const items = body.sessions.map((it) => {
    const names = [it.is_current && "this session", it.sid === there && "the second device's"].filter(Boolean);
    const since = `signed in at ${clock(new Date(it.created_at))}, ${it.sid}`;
    const text = make("span", {}, make("b", { text: names.join(" and ") || "another session" }), make("small", { text: since }));
    text.append(make("small", { className: "agent", text: it.device ?? "" }));
    if (it.is_current) return make("li", {}, text);
    const end = make("button", { type: "button", text: "End it", ariaLabel: `End the session ${it.sid}` });
    end.addEventListener("click", () => attempt(end, () => endSessions(`/sessions/${encodeURIComponent(it.sid)}`)));
    return make("li", {}, text, end);
  });
  $("sessions").replaceChildren(...items);
}

async function endSessions(path) {
  const { status } = await answerOf(await session.client.fetch(path, { method: "DELETE" }));
  if (status !== 204) return say(`The answer was ${status}.`, "bad");
  await listSessions();
  // The button is gone with what it ended.
  if (document.activeElement === document.body) $("list-sessions").focus();
  say("Ended: its next refresh is refused. Its access token is good until it expires.", "good");
}

function showAnswer({ status, text }) {
  $("answer").textContent = `${status}: ${text}`;
  say(`/userinfo answered ${status}.`, status === 200 ? "good" : "bad");
}

// ---------------------------------------------------------------- the second device

function showDevice() {
  const { generation, accessToken, origin } = device;
  const isThere = generation !== null;
  const how = origin === "signed in" ? "of a session of its own" : `which was ${origin}`;
  const left = (decode(accessToken)?.claims.exp ?? 0) - Date.now() / 1000;
  const access =
    accessToken === null
      ? "It has no access token yet."
      : left > 0
        ? `Its access token expires in ${duration(left)}.`
        : "Its access token has expired.";
  const refresh = isThere ? `It has the refresh token of generation ${generation}, ${how}.` : "It has no refresh token.";
  $("device-state").textContent = origin === null ? "It has no token." : `${refresh} ${access}`;
  $("device-refresh").disabled = !isThere;
  $("device-call").disabled = accessToken === null;
  $("steal").disabled = !held?.refreshToken;
  $("steal").title = held !== null && held.refreshToken === null ? "In cookie mode no script can read it" : "";
}

function tellOfDevice(text, kind) {
  $("device-answer").textContent = text;
  say(`Second device: ${text}`, kind);
  showDevice();
}

function take(token, origin) {
  device.take(token, origin);
  tellOfDevice(`It has the refresh token of generation ${device.generation} now.`, "bad");
}

async function refreshThere() {
  const presented = device.generation;
  const { status, body } = await device.refresh();
  if (status === 200) {
    const isSame = device.refreshToken === held?.refreshToken;
    const what = device.generation === presented ? "the same refresh token again" : `generation ${device.generation}`;
    const alike = isSame ? ": to the letter the one that this page has" : "";
    return tellOfDevice(`200, ${what}${alike}.`, "good");
  }
  if (body?.error !== "invalid_grant") return tellOfDevice(`The answer was ${status}; it keeps its token.`, "bad");
  const why =
    device.origin === "signed in"
      ? "its session is over."
      : "the session of that token is over. If it was used before, the theft is caught: whoever shares the session is signed out with the next refresh.";
  tellOfDevice(`Refused with invalid_grant: ${why}`, "bad");
}

// ---------------------------------------------------------------- what the buttons do

/** What went wrong, for whoever pressed the button. */
function explanation(error) {
  if (!(error instanceof RelatchError)) return "The request or its answer was lost. Try again.";
  if (error.code === "invalid_credentials") return "The email or the password is wrong.";
  if (error.code === "too_many_attempts") return `Too many attempts. Wait ${error.retryAfter} seconds.`;
  if (error.isTemporary) return `No answer could be had (${error.code}). Try again; nobody is signed out by it.`;
  return `It did not work: ${error.message} (${error.code}).`;
}

/** Does what a button is for, once at a time. */
async function attempt(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await work();
  } catch (error) {
    // Of the end of the session the client's event has told.
    if (error.code !== "invalid_grant") say(explanation(error), "bad");
  } finally {
    button.ariaBusy = "false";
  }
}

function on(id, work) {
  $(id).addEventListener("click", () => attempt($(id), work));
}

function onSubmit(id, button, work) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    attempt($(button), work);
  });
}

onSubmit("sign-in-form", "sign-in", () => session.client.signIn($("email").value, $("password").value));
for (const mode of ["body", "cookie"]) {
  $(`mode-${mode}`).addEventListener("change", () => {
    rememberMode(mode);
    use(mode);
  });
}
addEventListener("storage", ({ key }) => {
  if (key === MODE && rememberedMode() !== session.mode) use(rememberedMode());
});

on("sign-out", () => session.client.signOut());
on("sign-out-everywhere", () => session.client.signOut({ everywhere: true }));

on("call", async () => showAnswer(await answerOf(await session.client.fetch("/userinfo", { cache: "no-store" }))));
on("call-damaged", async () => {
  // Another one, if the client refreshes before it calls, is left as it is.
  network.toDamage = held?.accessToken ?? null;
  try {
    const answer = await answerOf(await session.client.fetch("/userinfo", { cache: "no-store" }));
    showAnswer(answer);
    if (answer.status === 401) {
      say("401: the access token came from a refresh a moment ago, so the client asks for no other. Wait half a minute.");
    }
  } finally {
    network.toDamage = null;
  }
});
on("call-plain", async () => {
  const headers = { authorization: `Bearer ${held?.accessToken}` };
  showAnswer(await answerOf(await network.fetch("/userinfo", { headers, credentials: "omit", cache: "no-store" })));
});

on("list-sessions", listSessions);
on("end-others", () => endSessions("/sessions"));

const setLoss = () => {
  network.loss = $("lossy").checked ? Number($("loss").value) : 0;
};
$("lossy").addEventListener("change", setLoss);
$("loss").addEventListener("change", setLoss);

on("steal", () => take(held.refreshToken, "stolen"));
on("device-sign-in", async () => {
  const { status } = await device.signIn($("email").value, $("password").value);
  tellOfDevice(status === 200 ? `Signed in as ${$("email").value}.` : `The answer was ${status}.`, status === 200 ? "good" : "bad");
  if (held !== null) await listSessions();
});
on("device-refresh", refreshThere);
on("device-call", async () => {
  const { status, text } = await device.call("/userinfo");
  tellOfDevice(`/userinfo answered ${status}: ${text}`, status === 200 ? "good" : "bad");
});
onSubmit("paste", "use-pasted", () => {
  const token = $("pasted").value.trim();
  if (decode(token)?.header.typ !== "rt+jwt") return say("That is no refresh token.", "bad");
  take(token, "pasted");
  $("pasted").value = "";
});

on("clear-log", () => $("log").replaceChildren());

setLoss();
setInterval(tick, 500);
await use(rememberedMode());
if ($("status").textContent === "") say(held === null ? "Sign in to begin." : "Signed in already.");
