"""Proves that PyJWT takes Relatch's access tokens by what the API publishes, and nothing
else in their place.

    python tests/foreign/verify.py http://127.0.0.1:3000

Who signs in, and what the tokens are for, comes from the environment.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import jwt

Json = dict[str, Any]

EMAIL = os.environ.get("RELATCH_EMAIL") or "demo@example.com"
PASSWORD = os.environ.get("RELATCH_PASSWORD") or "correct horse battery staple"
AUDIENCE = os.environ.get("RELATCH_AUDIENCE") or "relatch-api"
CLIENT_ID = os.environ.get("RELATCH_CLIENT_ID") or "relatch"

# How PyJWT calls the algorithms that sign access tokens.
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


def call(url: str, body: Json | None = None) -> Json:
    """The JSON that a request is answered with: a POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=30) as response:
        return json.load(response)


class Verifier:
    """PyJWT with the keys that an issuer publishes."""

    def __init__(self, url: str) -> None:
        self.metadata = call(f"{url}/.well-known/openid-configuration")
        self.keys = jwt.PyJWKClient(self.metadata["jwks_uri"])

    def verify(self, token: str, issuer: str, audience: str) -> Json:
        """The claims of a valid token."""
        key = self.keys.get_signing_key_from_jwt(token)
        required = ["iss", "aud", "sub", "exp", "iat", "jti", "client_id"]
        jwt_parts = jwt.decode_complete(
            token, key, algorithms=ALGORITHMS, issuer=issuer, audience=audience, options={"require": required}
        )
        # PyJWT leaves the type to its caller.
        if jwt_parts["header"]["typ"] != "at+jwt":
            raise jwt.InvalidTokenError("the type is not at+jwt")
        return jwt_parts["payload"]


def decode(part: str) -> bytes:
    """The bytes of a part of a token."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def encode(part: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def flip_signature_bit(token: str) -> str:
    """The token with one bit of its signature flipped."""
    header, claims, signature = token.split(".")
    changed = bytearray(decode(signature))
    changed[len(changed) // 2] ^= 1
    return ".".join([header, claims, encode(bytes(changed))])


def remove_signature(token: str) -> str:
    """The token as one that needs no signature."""
    header, claims, _ = token.split(".")
    none = json.loads(decode(header)) | {"alg": "none"}
    return ".".join([encode(json.dumps(none).encode()), claims, ""])


def find_wrong_claims(claims: Json, url: str, expires_in: int) -> list[str]:
    """The names of the claims that are wrong."""
    texts = {name: claims.get(name) for name in ("sub", "sid", "jti")}
    results = {name: isinstance(value, str) and value != "" for name, value in texts.items()}
    results |= {
        "iss": claims["iss"] == url,
        "aud": claims["aud"] == AUDIENCE,
        "client_id": claims["client_id"] == CLIENT_ID,
        "user_email": claims.get("user_email") == EMAIL.lower(),
        "iat": isinstance(claims["iat"], int) and abs(claims["iat"] - time.time()) < 60,
        "exp": isinstance(claims["exp"], int) and claims["exp"] - claims["iat"] == expires_in,
    }
    return [name for name, is_valid in results.items() if not is_valid]


def check_accepted(verifier: Verifier, url: str, tokens: Json) -> str:
    """What is wrong with the verdict on the access token; empty when nothing is."""
    try:
        claims = verifier.verify(tokens["access_token"], url, AUDIENCE)
    except jwt.PyJWTError as error:
        return repr(error)
    return ", ".join(find_wrong_claims(claims, url, tokens["expires_in"]))


def check_refused(verifier: Verifier, expected: type[Exception], token: str, issuer: str, audience: str) -> str:
    """What is wrong with the verdict on a bad token. One that is refused for another
    reason, such as a key set that cannot be fetched, proves nothing."""
    try:
        verifier.verify(token, issuer, audience)
    except jwt.PyJWTError as error:
        return "" if type(error) is expected else f"refused by {error!r}, not by {expected.__name__}"
    return "it was accepted"


def run_checks(url: str) -> Iterator[tuple[str, str]]:
    """Each check by its name, with what is wrong; empty when nothing is."""
    verifier = Verifier(url)
    tokens = call(f"{url}/signin", {"email": EMAIL, "password": PASSWORD})
    access = tokens["access_token"]
    yield "the issuer's metadata names the issuer", "" if verifier.metadata["issuer"] == url else "another one"
    yield "PyJWT takes the access token, with its claims", check_accepted(verifier, url, tokens)
    flipped = flip_signature_bit(access)
    cases = {
        # The key set has no key for it.
        "a refresh token": (jwt.PyJWKClientError, tokens["refresh_token"], url, AUDIENCE),
        "a token for another audience": (jwt.InvalidAudienceError, access, url, "another-api"),
        "a token of another issuer": (jwt.InvalidIssuerError, access, "https://issuer.example", AUDIENCE),
        "a token with a flipped bit in its signature": (jwt.InvalidSignatureError, flipped, url, AUDIENCE),
        "a token with the algorithm none": (jwt.InvalidAlgorithmError, remove_signature(access), url, AUDIENCE),
    }
    for name, case in cases.items():
        yield f"PyJWT refuses {name}", check_refused(verifier, *case)


def main(url: str) -> int:
    """The exit status."""
    failed = passed = 0
    for name, failure in run_checks(url.rstrip("/")):
        print(f"FAILED {name}: {failure}" if failure else f"ok     {name}")
        failed, passed = failed + bool(failure), passed + (not failure)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python verify.py URL")
    sys.exit(main(sys.argv[1]))
