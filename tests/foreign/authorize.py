"""Asks the authorizer as API Gateway does, through AWS's runtime interface emulator, and reads
its answers as API Gateway does: what becomes of a bad token depends on the text of an error.

    python tests/foreign/authorize.py INVOKE RELATCH

INVOKE is the address of the authorizer's emulator, RELATCH that of an API with the demo user.
Ends with status 1 if an answer is not the expected one.
"""

import json
import os
import sys
from typing import Any
from urllib.request import Request, urlopen

Json = dict[str, Any]

ARN = "arn:aws:execute-api:us-east-1:123456789012:abcdefghij/prod/GET/orders"


def post(url: str, body: Json) -> Json:
    """What is answered to a body."""
    request = Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


def of_http_api(token: str) -> Json:
    """The event of an HTTP API, payload 2.0."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeKey": "GET /orders",
        "rawPath": "/orders",
        "identitySource": [f"Bearer {token}", "GET /orders"],
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}, "requestId": "id", "stage": "$default"},
    }


def of_rest_api(token: str) -> Json:
    """The event of a REST API's token authorizer."""
    return {"type": "TOKEN", "methodArn": ARN, "authorizationToken": f"Bearer {token}"}


def main() -> None:
    """Asks, and compares."""
    invoke, relatch = sys.argv[1:]
    email = os.environ.get("RELATCH_EMAIL") or "demo@example.com"
    password = os.environ.get("RELATCH_PASSWORD") or "correct horse battery staple"
    tokens = post(f"{relatch}/signin", {"email": email, "password": password})
    good = tokens["access_token"]
    failures = 0
    for name, event, expected in [
        ("an HTTP API lets a good token through", of_http_api(good), ("isAuthorized", True)),
        ("a REST API gets a policy", of_rest_api(good), ("policyDocument", None)),
        ("an HTTP API hears of a bad token", of_http_api(good + "x"), ("errorMessage", "Unauthorized")),
        ("a REST API hears of a bad token", of_rest_api("x.y.z"), ("errorMessage", "Unauthorized")),
        ("a refresh token is none", of_http_api(tokens["refresh_token"]), ("errorMessage", "Unauthorized")),
    ]:
        answer = post(invoke, event)
        member, value = expected
        if member in answer and value in (None, answer[member]):
            print(f"ok     {name}")
        else:
            failures += 1
            print(f"FAILED {name}: {answer}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
