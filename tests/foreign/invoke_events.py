"""Hands every sample event to the functions behind addresses of Lambda's Invoke API, and
compares the answers with events/expected.json.

    python tests/foreign/invoke_events.py NAME=URL…

The addresses may be those of AWS's runtime interface emulator, one for each function, or
of `cargo lambda watch` or `sam local start-lambda`, one with the function's name in it.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

Json = dict[str, Any]

EVENTS = Path(__file__).resolve().parents[2] / "events"
# Files of the folder that are no events.
NON_EVENTS = {"expected.json", "env.json"}
# What the sample events have in the place of a token, and which token it is.
PLACEHOLDERS = {"PASTE_A_REFRESH_TOKEN": "refresh_token", "PASTE_AN_ACCESS_TOKEN": "access_token"}


def invoke(url: str, event: str) -> Json:
    """What the function answers to an event, or the error it ends with."""
    request = Request(url, event.encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=60) as response:
            return json.load(response)
    except HTTPError as error:
        # `cargo lambda watch` says by a status that the function failed.
        return json.load(error)


def insert_tokens(event: str, urls: dict[str, str]) -> str:
    """The event with tokens of a session of its own."""
    if not any(placeholder in event for placeholder in PLACEHOLDERS):
        return event
    tokens = json.loads(invoke(urls["signin"], (EVENTS / "signin.json").read_text())["body"])
    for placeholder, field in PLACEHOLDERS.items():
        event = event.replace(placeholder, tokens[field])
    return event


def gateway_status(response: Json) -> int | None:
    """The status that the client gets; of an authorizer's answer, what API Gateway makes of it."""
    if response.get("errorMessage") == "Unauthorized":
        return 401
    if "policyDocument" in response:
        effects = {statement["Effect"] for statement in response["policyDocument"]["Statement"]}
        return 200 if effects == {"Allow"} else 403
    if "isAuthorized" in response:
        return 200 if response["isAuthorized"] is True else 403
    return response.get("statusCode")


def cookie_effect(response: Json) -> str | None:
    """What an answer does to the cookie with the refresh token."""
    cookies = response.get("cookies") or response.get("multiValueHeaders", {}).get("set-cookie") or []
    return ("forgotten" if "; Max-Age=0;" in cookies[0] else "set") if cookies else None


def check_response(expected: Json, response: Json) -> str:
    """What is not as expected; empty when nothing is."""
    expected_fields = {"status": expected["status"], "error": expected.get("error"), "cookie": expected.get("cookie")}
    body = json.loads(response.get("body") or "{}")
    actual_fields = {"status": gateway_status(response), "error": body.get("error"), "cookie": cookie_effect(response)}
    return "" if actual_fields == expected_fields else f"{actual_fields}, not {expected_fields}: {response}"


def check_error(response: Json) -> str:
    """What is wrong with the error that an event of another service ends with."""
    is_error = {"errorType", "errorMessage"} <= response.keys() and gateway_status(response) is None
    return "" if is_error else f"{response}"


def main(urls: dict[str, str]) -> int:
    """The exit status."""
    expected = json.loads((EVENTS / "expected.json").read_text())
    names = {path.name for path in EVENTS.glob("*.json")} - NON_EVENTS
    results = {name: "in one of events/ and expected.json only" for name in names ^ set(expected)}
    for name in sorted(names & set(expected)):
        event = insert_tokens((EVENTS / name).read_text(), urls)
        results[name] = check_response(expected[name], invoke(urls[expected[name]["function"]], event))
    for function, url in urls.items():
        results[f"{function}, an event of another service"] = check_error(invoke(url, '{"Records": []}'))
    for name, failure in results.items():
        print(f"FAILED {name}: {failure}" if failure else f"ok     {name}")
    failed = sum(1 for failure in results.values() if failure)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python invoke_events.py NAME=URL…")
    sys.exit(main(dict(argument.split("=", 1) for argument in sys.argv[1:])))
