// What the tests are told of the stacks that run; README.md says how to start them.

function setting(name, fallback) {
  const value = process.env[name] || fallback;
  if (!value) throw new Error(`${name} is not set: see tests/browser/README.md`);
  return value;
}

/** The stack that behaves. */
export const stackUrl = setting("RELATCH_URL");
/** The stack that loses replies. */
export const chaosStackUrl = setting("RELATCH_CHAOS_URL");
/** The page's origin: on 127.0.0.1 as the stacks are, so on their site, and on their list of origins. */
export const origin = setting("RELATCH_ORIGIN");
/** On the list as well, but of another site. */
export const otherSiteOrigin = origin.replace("127.0.0.1", "localhost");
/** `REFRESH_RETRY_WINDOW` of the stack that behaves, in ms. */
export const retryWindow = Number(setting("RELATCH_RETRY_WINDOW")) * 1000;

export const email = setting("RELATCH_EMAIL", "demo@example.com");
export const password = setting("RELATCH_PASSWORD", "correct horse battery staple");
export const executablePath = setting("CHROMIUM", "/usr/bin/chromium");
