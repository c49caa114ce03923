// A browser, and in it a user for each test.

import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { Network } from "./network.mjs";
import { servePages } from "./page-server.mjs";
import { email, executablePath, origin, password, stackUrl } from "./settings.mjs";

/** How the browser is started: without what it does by itself. */
export const launchOptions = {
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

let browser;
const servers = [];

before(async () => {
  servers.push((await servePages(origin)).server);
  browser = await chromium.launch(launchOptions);
});

after(async () => {
  await browser?.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

/** A test for each place of the refresh token: Web Storage, and the cookie. */
export function testBothModes(name, work) {
  for (const mode of ["body", "cookie"]) test(`${name} [${mode}]`, (t) => work(t, mode));
}

/** A browser profile of its own, with a network of its own. */
export async function openBrowser(t, mode, { storage = "local", url } = {}) {
  const network = await Network.start(stackUrl);
  const context = await browser.newContext();
  t.after(async () => {
    await context.close();
    network.close();
  });
  const open = (overrides) => openTab(context, { baseUrl: url ?? network.url, mode, storage, ...overrides });
  return { network, context, open };
}

/** Pages of another origin, until the tests of the file are over. */
export async function serveUnlistedOrigin(host) {
  const { server, origin: unlistedOrigin } = await servePages(`http://${host}:0`);
  servers.push(server);
  return unlistedOrigin;
}

/** Opens the page in a tab. */
export async function openTab(context, { at = origin, ...settings }) {
  const page = await context.newPage();
  await page.goto(`${at}/?${new URLSearchParams(settings)}`);
  return page;
}

/** Signs in; null, or the error's code and status. */
export function signIn(page) {
  return page.evaluate(
    ({ email, password }) => relatch.signIn(email, password).then(() => null, ({ code, status }) => ({ code, status })),
    { email, password },
  );
}

/** The access token, null, or the error's code and status. */
export function accessToken(page) {
  return page.evaluate(() => relatch.accessToken().catch(({ code, status }) => ({ code, status })));
}

/** The same after the last access token has expired. */
export async function nextAccessToken(page) {
  await expireToken(page);
  return accessToken(page);
}

/** Lets the access token of a page expire. */
export function expireToken(page) {
  return page.evaluate(() => advanceClock(30));
}

/** Whose the page's access token is, by a guarded route; else the status. */
export function fetchEmail(page) {
  return page.evaluate(async () => {
    const url = new URLSearchParams(location.search).get("baseUrl");
    const response = await relatch.fetch(`${url}/userinfo`);
    return response.ok ? (await response.json()).email : response.status;
  });
}

/** What the client told the page: the types of its events. */
export function eventTypes(page) {
  return page.evaluate(() => events.map(({ type }) => type));
}

/** All that script can find in the page and its storages, as text. */
export function readPageData(page) {
  return page.evaluate(async () => {
    const cookies = "cookieStore" in globalThis ? await cookieStore.getAll() : [];
    const databases = await indexedDB.databases();
    return JSON.stringify([document.cookie, cookies, { ...localStorage }, { ...sessionStorage }, databases]);
  });
}

/** The refresh token that the browser has, or null. */
export async function refreshToken(page, mode) {
  if (mode === "cookie") {
    const cookies = await page.context().cookies();
    return cookies.find(({ name }) => name.endsWith("relatch_refresh"))?.value ?? null;
  }
  return page.evaluate(() => {
    const record = Object.entries(localStorage).find(([name]) => name.startsWith("relatch "))?.[1];
    return record === undefined ? null : JSON.parse(record).refreshToken;
  });
}
