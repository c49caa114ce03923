"""Which pages may call from a browser: those that the owner lists, by their exact origins."""

import re
from collections.abc import Iterator

from stack import Json, Stack

ORIGINS = "CorsAllowedOrigins"

# What a page needs: to refresh with its key, and to learn how long to wait.
SENT = {"authorization", "content-type", "idempotency-key"}
READ = {"retry-after"}

EXACT = [
    "",
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://localhost:5173",
    "http://127.0.0.1",
    "http://[::1]:8080",
]
INEXACT = [
    "*",
    "null",
    "https://*",
    "https://*.example.com",
    "https://App.example.com",
    "https://app.example.com/",
    "https://app.example.com,https://b.example.com",
    "https://u@app.example.com",
    "http://app.example.com",
    "http://localhost.example.com",
    "app.example.com",
    "https://",
]


def configurations(stack: Stack) -> Iterator[tuple[str, Json]]:
    """The CORS configuration of each API, where origins are allowed."""
    for id, api in stack.properties("AWS::ApiGatewayV2::Api").items():
        match api.get("CorsConfiguration"):
            case {"Fn::If": ["HasCors", dict(configuration), {"Ref": "AWS::NoValue"}]}:
                yield id, configuration
            case _:
                yield id, {}


def origins(stack: Stack) -> Iterator[str]:
    """The gateway and the functions have one list, of exact origins: with credentials allowed, a
    pattern in it would hand tokens to pages that nobody named."""
    for id, cors in configurations(stack):
        if cors.get("AllowOrigins") != {"Ref": ORIGINS}:
            yield f"{id}: AllowOrigins is not {ORIGINS}"
    for id, function in stack.properties("AWS::Lambda::Function").items():
        known = function["Environment"]["Variables"].get("CORS_ALLOWED_ORIGINS")
        if known != {"Fn::Join": [",", {"Ref": ORIGINS}]}:
            yield f"{id}: CORS_ALLOWED_ORIGINS is not {ORIGINS}"
    parameter = stack.template["Parameters"][ORIGINS]
    if (parameter["Type"], parameter["Default"]) != ("CommaDelimitedList", ""):
        yield f"{ORIGINS}: is not a list, or not empty by default"
    pattern = re.compile(parameter.get("AllowedPattern", ""))
    yield from (f"{ORIGINS}: refuses '{origin}'" for origin in EXACT if not pattern.fullmatch(origin))
    yield from (f"{ORIGINS}: takes '{origin}'" for origin in INEXACT if pattern.match(origin))


def headers(stack: Stack) -> Iterator[str]:
    """A page may send its cookie and the key of its token, and read when to come again."""
    for id, cors in configurations(stack):
        if cors.get("AllowCredentials") is not True:
            yield f"{id}: a page cannot send its cookie"
        if set(cors.get("AllowHeaders", [])) != SENT:
            yield f"{id}: a page may not send exactly {sorted(SENT)}"
        if set(cors.get("ExposeHeaders", [])) != READ:
            yield f"{id}: a page may not read exactly {sorted(READ)}"
        methods = {route["RouteKey"].split(" ")[0] for route in stack.properties("AWS::ApiGatewayV2::Route").values()}
        if set(cors.get("AllowMethods", [])) != methods:
            yield f"{id}: a page may not use exactly {sorted(methods)}"
