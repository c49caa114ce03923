// Proves that a verifier with the key set in its cache takes tokens across a change of keys:
// those of the old key still, and those of the new one as soon as there are any.
//
//     node rollover.mjs http://127.0.0.1:3000 FILE
//
// Says "first" when it has verified a token of the first key, and goes on when FILE is there:
// by then another key signs.

import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import * as jose from "jose";

import { audience, signIn, url } from "./settings.mjs";

const signalFile = process.argv[3];

// One for the whole time, as a server has it. It asks for newer keys when it meets an unknown
// one, but by itself not before half a minute has passed.
const keySet = jose.createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`), { cooldownDuration: 0 });
const verify = (token) => jose.jwtVerify(token, keySet, { issuer: url, audience, typ: "at+jwt" });
const keyIdOf = (token) => jose.decodeProtectedHeader(token).kid;

const { access_token: first } = await signIn();
await verify(first);
console.log("first");
while (!existsSync(signalFile)) await sleep(50);
const { access_token: second } = await signIn();
if (keyIdOf(first) === keyIdOf(second)) throw new Error("the same key signs");
await verify(second);
await verify(first);
console.log(`jose took tokens of ${keyIdOf(first)} and of ${keyIdOf(second)}`);
