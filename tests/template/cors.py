"""Which pages may call from a browser: those that the owner lists, by their exact origins."""

import re
from collections.abc import Iterator

from stack import Json, Stack

ORIGINS = "CorsAllowedOrigins"

# What a page needs: to refresh with its key, and to learn how long to wait.
REQUEST_HEADERS = {"authorization", "content-type", "idempotency-key"}
RESPONSE_HEADERS = {"retry-after"}

VALID_ORIGINS = [
    "",
    "https://app.example.com",
    "https://app.example.com:8443",
    "http://localhost:5173",
    "http://127.0.0.1",
    "http://[::1]:8080",
]
INVALID_ORIGINS = [
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


def cors_configurations(stack: Stack) -> Iterator[tuple[str, Json]]:
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
    for id, configuration in cors_configurations(stack):
        if configuration.get("AllowOrigins") != {"Ref": ORIGINS}:
            yield f"{id}: AllowOrigins is not {ORIGINS}"
    for id, function in stack.properties("AWS::Lambda::Function").items():
        function_origins = function["Environment"]["Variables"].get("CORS_ALLOWED_ORIGINS")
        if function_origins != {"Fn::Join": [",", {"Ref": ORIGINS}]}:
            yield f"{id}: CORS_ALLOWED_ORIGINS is not {ORIGINS}"
    parameter = stack.template["Parameters"][ORIGINS]
    if (parameter["Type"], parameter["Default"]) != ("CommaDelimitedList", ""):
        yield f"{ORIGINS}: is not a list, or not empty by default"
    pattern = re.compile(parameter.get("AllowedPattern", ""))
    yield from (f"{ORIGINS}: refuses '{origin}'" for origin in VALID_ORIGINS if not pattern.fullmatch(origin))
    yield from (f"{ORIGINS}: takes '{origin}'" for origin in INVALID_ORIGINS if pattern.match(origin))


def headers(stack: Stack) -> Iterator[str]:
    """A page may send its cookie and the key of its token, and read when to come again."""
    for id, configuration in cors_configurations(stack):
        if configuration.get("AllowCredentials") is not True:
            yield f"{id}: a page cannot send its cookie"
        if set(configuration.get("AllowHeaders", [])) != REQUEST_HEADERS:
            yield f"{id}: a page may not send exactly {sorted(REQUEST_HEADERS)}"
        if set(configuration.get("ExposeHeaders", [])) != RESPONSE_HEADERS:
            yield f"{id}: a page may not read exactly {sorted(RESPONSE_HEADERS)}"
        methods = {route["RouteKey"].split(" ")[0] for route in stack.properties("AWS::ApiGatewayV2::Route").values()}
        if set(configuration.get("AllowMethods", [])) != methods:
            yield f"{id}: a page may not use exactly {sorted(methods)}"
