// Proves that standard OAuth clients which other people wrote refresh and revoke at Relatch
// unchanged, by what its metadata says.
//
//     npm ci && node clients.mjs http://127.0.0.1:3000
//
// - oauth4webapi: each request and each answer by itself, held against its RFC
// - openid-client: the same as an application uses it
//
// Relatch has no authorization endpoint: the first refresh token comes from its own sign-in.

import * as oauth from "oauth4webapi";
import * as openid from "openid-client";

import { audience, clientId, isLocal, signIn, url } from "./settings.mjs";

// ---------------------------------------------------------------- the clients

// Each discovers Relatch by one of its documents, and then knows three things to do.

async function withOauth4webapi(algorithm) {
  const options = { algorithm, [oauth.allowInsecureRequests]: isLocal };
  const issuer = new URL(url);
  const discoveryResponse = await oauth.discoveryRequest(issuer, options);
  const server = await oauth.processDiscoveryResponse(issuer, discoveryResponse);
  const client = { client_id: clientId };
  return {
    async refresh(token) {
      const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, options);
      return oauth.processRefreshTokenResponse(server, client, response);
    },
    async revoke(token) {
      const response = await oauth.revocationRequest(server, client, oauth.None(), token, options);
      return oauth.processRevocationResponse(response);
    },
    async verify(token) {
      const request = new Request(`${url}/`, { headers: { authorization: `Bearer ${token}` } });
      return oauth.validateJwtAccessToken(server, request, audience, options);
    },
  };
}

async function withOpenidClient(algorithm) {
  const options = { algorithm, execute: isLocal ? [openid.allowInsecureRequests] : [] };
  const config = await openid.discovery(new URL(url), clientId, undefined, openid.None(), options);
  return {
    refresh: (token) => openid.refreshTokenGrant(config, token),
    revoke: (token) => openid.tokenRevocation(config, token),
  };
}

// ---------------------------------------------------------------- the checks

const count = { passed: 0, failed: 0 };

async function check(name, work) {
  try {
    await work();
    count.passed += 1;
    console.log(`ok     ${name}`);
  } catch (error) {
    count.failed += 1;
    console.log(`FAILED ${name}: ${error.code ?? ""} ${error.message}`);
  }
}

function assertTrue(condition, message) {
  if (!condition) throw new Error(message);
}

async function assertRefused(code, promise) {
  try {
    await promise;
  } catch (error) {
    assertTrue(error.error === code, `refused as ${error.error ?? error.message}, not as ${code}`);
    return;
  }
  throw new Error("it was accepted");
}

for (const [name, discover] of [
  ["oauth4webapi", withOauth4webapi],
  ["openid-client", withOpenidClient],
]) {
  for (const algorithm of ["oidc", "oauth2"]) {
    const client = await discover(algorithm);
    const label = `${name} (${algorithm})`;
    const first = await signIn();
    let next;
    await check(`${label} refreshes`, async () => {
      next = await client.refresh(first.refresh_token);
      assertTrue(next.refresh_token !== first.refresh_token, "the same refresh token");
      assertTrue(next.token_type === "bearer" && next.expires_in > 0, "not a token response");
    });
    await check(`${label} repeats a refresh whose answer was lost`, async () => {
      const repeated = await client.refresh(first.refresh_token);
      assertTrue(repeated.refresh_token === next.refresh_token, "another successor");
    });
    if (client.verify) {
      await check(`${label} takes the access token by RFC 9068`, async () => {
        const claims = await client.verify(next.access_token);
        assertTrue(claims.client_id === clientId && claims.iss === url, "other claims");
      });
    }
    await check(`${label} revokes`, () => client.revoke(next.refresh_token));
    await check(`${label} revokes again`, () => client.revoke(next.refresh_token));
    await check(`${label} hears that the session has ended`, () =>
      assertRefused("invalid_grant", client.refresh(next.refresh_token)));
  }
}
console.log(`${count.passed} passed, ${count.failed} failed`);
process.exitCode = count.failed === 0 ? 0 : 1;
