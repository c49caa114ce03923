// What a token says of itself. The server verifies it; a page can only read it.

/** The header and the claims of a JWT, which nobody has verified here; null if it is none. */
export function decode(token) {
  try {
    const [header, claims] = token.split(".").slice(0, 2).map((part) => {
      const base64 = part.replaceAll("-", "+").replaceAll("_", "/");
      const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const value = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof value !== "object" || value === null) throw new TypeError("not an object");
      return value;
    });
    return { header, claims };
  } catch {
    return null;
  }
}

/** A bound on the retry window, in seconds, from the life of an access token: a fifth of what it may be at most. */
export function maxRetryWindow(claims) {
  // Lives are shortened at random, by up to a fifth.
  return Math.min(60, Math.floor((claims.exp - claims.iat) / 0.8 / 5));
}
