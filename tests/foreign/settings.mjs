// Before which Relatch a script stands, who signs in there, and what its tokens are for. The URL is
// the script's first argument; the rest may be in the environment.

/** The URL, without a slash at its end. */
export const url = process.argv[2]?.replace(/\/$/, "");
if (!url) {
  console.error(`usage: node ${process.argv[1]} URL`);
  process.exit(2);
}
/** Only a loopback address may do without TLS. */
export const isLocal = new URL(url).hostname === "127.0.0.1";

const setting = (name, fallback) => process.env[name] || fallback;
export const email = setting("RELATCH_EMAIL", "demo@example.com");
const password = setting("RELATCH_PASSWORD", "correct horse battery staple");
export const audience = setting("RELATCH_AUDIENCE", "relatch-api");
export const clientId = setting("RELATCH_CLIENT_ID", "relatch");

/** Signs in and answers the pair of tokens. */
export async function signIn() {
  const response = await fetch(`${url}/signin`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password }),
  });
  if (!response.ok) throw new Error(`sign-in: ${response.status}`);
  return response.json();
}
