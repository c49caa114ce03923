// Proves that verifiers which other people wrote take Relatch's access tokens by what the
// API publishes, and nothing else in their place.
//
//     npm ci && node verify.mjs http://127.0.0.1:3000
//
// - aws-jwt-verify: AWS's own, for a Lambda authorizer or a server
// - jose: what most JavaScript servers use
// - oauth4webapi: finds the key set through discovery and holds the token against RFC 9068

import { JwtVerifier } from "aws-jwt-verify";
import { assertStringEquals } from "aws-jwt-verify/assert";
import { JwtInvalidClaimError } from "aws-jwt-verify/error";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";
import * as jose from "jose";
import * as oauth from "oauth4webapi";

import { audience, clientId, email, isLocal, signIn, url } from "./settings.mjs";

// ---------------------------------------------------------------- the verifiers

// Each takes a token, an issuer and an audience, and answers with the claims or throws.
// `refusals` has a part of the error by which it refuses what: a token that is refused
// for another reason, such as a key set that cannot be fetched, proves nothing.

// The issuer's metadata, as discovery fetches and checks it (OpenID Connect Discovery 1.0).
const options = { [oauth.allowInsecureRequests]: isLocal };
const issuerUrl = new URL(url);
const metadata = await oauth
  .discoveryRequest(issuerUrl, options)
  .then((response) => oauth.processDiscoveryResponse(issuerUrl, response));

// Its own fetcher speaks https only. A fetcher of one's own is the documented way to fetch
// otherwise (README, "Using a different Fetcher with SimpleJwksCache"); here it is one
// cache for all verifiers, so that the key set is fetched once.
const fetcher = { fetch: async (uri) => (await fetch(uri)).arrayBuffer() };
const jwksCache = new SimpleJwksCache({ fetcher });
const awsJwtVerify = {
  name: "aws-jwt-verify",
  verify(token, issuer, audience) {
    const customJwtCheck = ({ header }) =>
      assertStringEquals("typ", header.typ, "at+jwt", JwtInvalidClaimError);
    const expected = { issuer, audience, jwksUri: metadata.jwks_uri, customJwtCheck };
    return JwtVerifier.create(expected, { jwksCache }).verify(token);
  },
  refusals: {
    refreshToken: "KidNotFoundInJwksError",
    audience: "JwtInvalidAudienceError",
    issuer: "JwtInvalidIssuerError",
    signature: "JwtInvalidSignatureError",
    none: "JwtParseError", // a token without a signature is no token to it
  },
};

const keySet = jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
const joseVerify = {
  name: "jose",
  async verify(token, issuer, audience) {
    return (await jose.jwtVerify(token, keySet, { issuer, audience, typ: "at+jwt" })).payload;
  },
  refusals: {
    refreshToken: 'Unsupported "alg" value', // no key set may hold a key for HS256
    audience: 'unexpected "aud" claim value',
    issuer: 'unexpected "iss" claim value',
    signature: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    none: 'Unsupported "alg" value',
  },
};

const oauth4webapi = {
  name: "oauth4webapi",
  verify(token, issuer, audience) {
    const request = new Request(`${url}/`, { headers: { authorization: `Bearer ${token}` } });
    return oauth.validateJwtAccessToken({ ...metadata, issuer }, request, audience, options);
  },
  refusals: {
    refreshToken: 'unexpected JWT "alg" header parameter',
    audience: 'unexpected JWT "aud" (audience) claim value',
    issuer: 'unexpected JWT "iss" (issuer) claim value',
    signature: "JWT signature verification failed",
    none: 'unexpected JWT "alg" header parameter',
  },
};

// ---------------------------------------------------------------- what they are given

/** The token with one bit of its signature flipped. */
function flipSignatureBit(token) {
  const [header, claims, signature] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes[bytes.length >> 1] ^= 1;
  return [header, claims, bytes.toString("base64url")].join(".");
}

/** The token as one that needs no signature. */
function removeSignature(token) {
  const [header, claims] = token.split(".");
  const none = { ...JSON.parse(Buffer.from(header, "base64url")), alg: "none" };
  return [Buffer.from(JSON.stringify(none)).toString("base64url"), claims, ""].join(".");
}

// ---------------------------------------------------------------- the checks

const count = { passed: 0, failed: 0 };

function report(name, failure) {
  count[failure ? "failed" : "passed"] += 1;
  console.log(failure ? `FAILED ${name}: ${failure}` : `ok     ${name}`);
}

/** The names of the claims that are wrong. */
function findWrongClaims(claims, expiresIn) {
  const now = Date.now() / 1000;
  const expectations = {
    iss: metadata.issuer === url && claims.iss === url,
    aud: claims.aud === audience,
    sub: typeof claims.sub === "string" && claims.sub !== "" && claims.sub !== email,
    sid: typeof claims.sid === "string" && claims.sid !== "",
    jti: typeof claims.jti === "string" && claims.jti !== "",
    client_id: claims.client_id === clientId,
    user_email: claims.user_email === email.toLowerCase(),
    iat: Number.isInteger(claims.iat) && Math.abs(claims.iat - now) < 60,
    exp: Number.isInteger(claims.exp) && claims.exp - claims.iat === expiresIn,
  };
  return Object.keys(expectations).filter((name) => !expectations[name]).join(", ");
}

async function checkAccepted(verifier, name, tokens) {
  try {
    const claims = await verifier.verify(tokens.access_token, url, audience);
    report(name, findWrongClaims(claims, tokens.expires_in));
  } catch (error) {
    report(name, error);
  }
}

async function checkRefused(verifier, name, expected, token, issuer, audience) {
  try {
    await verifier.verify(token, issuer, audience);
    report(name, "it was accepted");
  } catch (error) {
    const reason = `${error.code ?? error.constructor.name}: ${error.message}`;
    report(name, reason.includes(expected) ? "" : `refused by ${reason}, not by ${expected}`);
  }
}

const tokens = await signIn();
const access = tokens.access_token;
for (const verifier of [awsJwtVerify, joseVerify, oauth4webapi]) {
  const { name, refusals } = verifier;
  await checkAccepted(verifier, `${name} takes the access token, with its claims`, tokens);
  const cases = [
    ["a refresh token", refusals.refreshToken, tokens.refresh_token, url, audience],
    ["a token for another audience", refusals.audience, access, url, "another-api"],
    ["a token of another issuer", refusals.issuer, access, "https://issuer.example", audience],
    ["a token with a flipped bit in its signature", refusals.signature, flipSignatureBit(access), url, audience],
    ["a token with the algorithm none", refusals.none, removeSignature(access), url, audience],
  ];
  for (const [description, ...parameters] of cases) {
    await checkRefused(verifier, `${name} refuses ${description}`, ...parameters);
  }
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 ? 0 : 1;
