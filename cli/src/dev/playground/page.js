// The page: what its buttons do, and what it shows when something happens.

import { RelatchError } from "/relatch.js";

import { Device, readResponse } from "./device.js";
import { createNetwork } from "./network.js";
import { MODE, openSession, rememberMode, rememberedMode } from "./session.js";
import { decode, maxRetryWindow } from "./token.js";
import { $, createElement, formatDuration, formatTime, log, showRecord, showStatus, showToken } from "./view.js";

const network = createNetwork("this tab", log);
const device = new Device(createNetwork("second device", log).fetch);

let session;
/** What the session holds, as it was last shown; null when nobody is signed in. */
let tokens = null;
let renderCount = 0;

// ---------------------------------------------------------------- the session

function openMode(mode) {
  session?.client.close();
  session = openSession(mode, network.fetch);
  session.client.onChange(handleChange);
  $(`mode-${mode}`).checked = true;
  return show();
}

function handleChange({ type, isHere, reason }) {
  const where = isHere ? "here" : "in another tab";
  const [text, kind] =
    type === "signed-in"
      ? [`Signed in ${where}.`, "good"]
      : type === "refreshed"
        ? [`Refreshed ${where}: there is another access token.`, "good"]
        : reason === "user"
          ? [`Signed out ${where}.`, ""]
          : ["The session is over: it was ended elsewhere, or its refresh token was used twice. Sign in again.", "bad"];
  showStatus(text, kind);
  log({ who: "this tab", kind, outcome: type, note: text });
  show();
}

/** Shows what the session holds now. */
async function show() {
  renderCount += 1;
  const currentRender = renderCount;
  let now = null;
  try {
    now = await session.readTokens();
  } catch (error) {
    if (error.code !== "invalid_grant") showStatus(explainError(error), "bad");
  }
  if (currentRender !== renderCount) return;
  const previous = tokens;
  tokens = now;
  showSession();
  showDevice();
  if ((previous === null) !== (tokens === null)) moveFocus();
  if (tokens !== null && sidOf(tokens) !== sidOf(previous)) await listSessions().catch(() => {});
}

function sidOf(holder) {
  return decode(holder?.accessToken)?.claims.sid;
}

/** The keyboard stays where something can be done, when what it was on has gone. */
function moveFocus() {
  const active = document.activeElement;
  if (active !== null && active !== document.body && active.getClientRects().length > 0) return;
  $(tokens === null ? "sign-in-title" : "session-title").focus({ preventScroll: true });
}

function showSession() {
  $("signed-out").hidden = tokens !== null;
  $("signed-in").hidden = tokens === null;
  if (tokens === null) {
    $("answer").textContent = "";
    $("sessions").replaceChildren();
    return;
  }
  const { accessToken, refreshToken, record } = tokens;
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
      `at most ${maxRetryWindow(claims)} seconds.`;
  }
  tick();
}

/** What changes with the time alone. */
function tick() {
  const now = Date.now() / 1000;
  const access = decode(tokens?.accessToken)?.claims;
  if (access !== undefined) {
    const left = access.exp - now;
    $("access-countdown").textContent = left > 0 ? `Expires in ${formatDuration(left)}` : "Expired";
    $("access-countdown").classList.toggle("over", left <= 0);
    $("access-life").max = access.exp - access.iat;
    $("access-life").value = Math.max(0, left);
  }
  const refresh = decode(tokens?.refreshToken)?.claims;
  const notes = [];
  if (refresh !== undefined) {
    notes.push(`Generation ${refresh.gen}`, `expires in ${formatDuration(refresh.exp - now)}`);
    const windowLeft = access === undefined ? 0 : refresh.iat + maxRetryWindow(access) - now;
    if (refresh.gen > 0) {
      const isOpen = windowLeft > 0;
      notes.push(isOpen ? `retry window open for ${formatDuration(windowLeft)} at most` : "retry window over");
    }
  } else if (tokens !== null) {
    notes.push("Cookie mode");
  }
  $("refresh-countdown").textContent = notes.join(", ");
  showDevice();
}

// ---------------------------------------------------------------- calls

async function listSessions() {
  const { status, body } = await readResponse(await session.client.fetch("/sessions", { cache: "no-store" }));
  if (status !== 200) return;
  const deviceSid = sidOf(device);
  const items = body.sessions.map((entry) => {
    const isDevice = entry.sid === deviceSid;
    const names = [entry.is_current && "this session", isDevice && "the second device's"].filter(Boolean);
    const since = `signed in at ${formatTime(new Date(entry.created_at))}, ${entry.sid}`;
    const text = createElement("span", {}, createElement("b", { text: names.join(" and ") || "another session" }));
    text.append(createElement("small", { text: since }));
    text.append(createElement("small", { className: "agent", text: entry.device ?? "" }));
    if (entry.is_current) return createElement("li", {}, text);
    const end = createElement("button", { type: "button", text: "End it", ariaLabel: `End the session ${entry.sid}` });
    end.addEventListener("click", () => runOnce(end, () => endSessions(`/sessions/${encodeURIComponent(entry.sid)}`)));
    return createElement("li", {}, text, end);
  });
  $("sessions").replaceChildren(...items);
}

async function endSessions(path) {
  const { status } = await readResponse(await session.client.fetch(path, { method: "DELETE" }));
  if (status !== 204) return showStatus(`The answer was ${status}.`, "bad");
  await listSessions();
  // The button is gone with what it ended.
  if (document.activeElement === document.body) $("list-sessions").focus();
  showStatus("Ended: its next refresh is refused. Its access token is good until it expires.", "good");
}

function showResponse({ status, text }) {
  $("answer").textContent = `${status}: ${text}`;
  showStatus(`/userinfo answered ${status}.`, status === 200 ? "good" : "bad");
}

// ---------------------------------------------------------------- the second device

function showDevice() {
  const { generation, accessToken, origin } = device;
  const hasToken = generation !== null;
  const originText = origin === "signed in" ? "of a session of its own" : `which was ${origin}`;
  const left = (decode(accessToken)?.claims.exp ?? 0) - Date.now() / 1000;
  const accessText =
    accessToken === null
      ? "It has no access token yet."
      : left > 0
        ? `Its access token expires in ${formatDuration(left)}.`
        : "Its access token has expired.";
  const refreshText = hasToken
    ? `It has the refresh token of generation ${generation}, ${originText}.`
    : "It has no refresh token.";
  $("device-state").textContent = origin === null ? "It has no token." : `${refreshText} ${accessText}`;
  $("device-refresh").disabled = !hasToken;
  $("device-call").disabled = accessToken === null;
  $("steal").disabled = !tokens?.refreshToken;
  $("steal").title = tokens !== null && tokens.refreshToken === null ? "In cookie mode no script can read it" : "";
}

function showDeviceStatus(text, kind) {
  $("device-answer").textContent = text;
  showStatus(`Second device: ${text}`, kind);
  showDevice();
}

function giveDeviceToken(token, origin) {
  device.setToken(token, origin);
  showDeviceStatus(`It has the refresh token of generation ${device.generation} now.`, "bad");
}

async function refreshDevice() {
  const presented = device.generation;
  const { status, body } = await device.refresh();
  if (status === 200) {
    const isSame = device.refreshToken === tokens?.refreshToken;
    const tokenText =
      device.generation === presented ? "the same refresh token again" : `generation ${device.generation}`;
    const sameText = isSame ? ": to the letter the one that this page has" : "";
    return showDeviceStatus(`200, ${tokenText}${sameText}.`, "good");
  }
  if (body?.error !== "invalid_grant") return showDeviceStatus(`The answer was ${status}; it keeps its token.`, "bad");
  const reason =
    device.origin === "signed in"
      ? "its session is over."
      : "the session of that token is over. If it was used before, the theft is caught: whoever shares the session is signed out with the next refresh.";
  showDeviceStatus(`Refused with invalid_grant: ${reason}`, "bad");
}

// ---------------------------------------------------------------- what the buttons do

/** What went wrong, for whoever pressed the button. */
function explainError(error) {
  if (!(error instanceof RelatchError)) return "The request or its answer was lost. Try again.";
  if (error.code === "invalid_credentials") return "The email or the password is wrong.";
  if (error.code === "too_many_attempts") return `Too many attempts. Wait ${error.retryAfter} seconds.`;
  if (error.isTemporary) return `No answer could be had (${error.code}). Try again; nobody is signed out by it.`;
  return `It did not work: ${error.message} (${error.code}).`;
}

/** Does what a button is for, once at a time. */
async function runOnce(button, work) {
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  try {
    await work();
  } catch (error) {
    // Of the end of the session the client's event has told.
    if (error.code !== "invalid_grant") showStatus(explainError(error), "bad");
  } finally {
    button.ariaBusy = "false";
  }
}

function onClick(id, work) {
  $(id).addEventListener("click", () => runOnce($(id), work));
}

function onSubmit(id, button, work) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    runOnce($(button), work);
  });
}

onSubmit("sign-in-form", "sign-in", () => session.client.signIn($("email").value, $("password").value));
for (const mode of ["body", "cookie"]) {
  $(`mode-${mode}`).addEventListener("change", () => {
    rememberMode(mode);
    openMode(mode);
  });
}
addEventListener("storage", ({ key }) => {
  if (key === MODE && rememberedMode() !== session.mode) openMode(rememberedMode());
});

onClick("sign-out", () => session.client.signOut());
onClick("sign-out-everywhere", () => session.client.signOut({ everywhere: true }));

onClick("call", async () => {
  showResponse(await readResponse(await session.client.fetch("/userinfo", { cache: "no-store" })));
});
onClick("call-damaged", async () => {
  // Another one, if the client refreshes before it calls, is left as it is.
  network.tokenToDamage = tokens?.accessToken ?? null;
  try {
    const response = await readResponse(await session.client.fetch("/userinfo", { cache: "no-store" }));
    showResponse(response);
    if (response.status === 401) {
      showStatus("401: the access token came from a refresh a moment ago, so the client asks for no other. Wait half a minute.");
    }
  } finally {
    network.tokenToDamage = null;
  }
});
onClick("call-plain", async () => {
  const headers = { authorization: `Bearer ${tokens?.accessToken}` };
  const response = await network.fetch("/userinfo", { headers, credentials: "omit", cache: "no-store" });
  showResponse(await readResponse(response));
});

onClick("list-sessions", listSessions);
onClick("end-others", () => endSessions("/sessions"));

const setLoss = () => {
  network.loss = $("lossy").checked ? Number($("loss").value) : 0;
};
$("lossy").addEventListener("change", setLoss);
$("loss").addEventListener("change", setLoss);

onClick("steal", () => giveDeviceToken(tokens.refreshToken, "stolen"));
onClick("device-sign-in", async () => {
  const { status } = await device.signIn($("email").value, $("password").value);
  const isSignedIn = status === 200;
  const text = isSignedIn ? `Signed in as ${$("email").value}.` : `The answer was ${status}.`;
  showDeviceStatus(text, isSignedIn ? "good" : "bad");
  if (tokens !== null) await listSessions();
});
onClick("device-refresh", refreshDevice);
onClick("device-call", async () => {
  const { status, text } = await device.call("/userinfo");
  showDeviceStatus(`/userinfo answered ${status}: ${text}`, status === 200 ? "good" : "bad");
});
onSubmit("paste", "use-pasted", () => {
  const token = $("pasted").value.trim();
  if (decode(token)?.header.typ !== "rt+jwt") return showStatus("That is no refresh token.", "bad");
  giveDeviceToken(token, "pasted");
  $("pasted").value = "";
});

onClick("clear-log", () => $("log").replaceChildren());

setLoss();
setInterval(tick, 500);
await openMode(rememberedMode());
if ($("status").textContent === "") showStatus(tokens === null ? "Sign in to begin." : "Signed in already.");
