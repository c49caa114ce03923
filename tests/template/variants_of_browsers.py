"""Templates with one thing broken that browsers.py has to find."""

import browsers
from breaking import SIGNIN, VARIABLES, broken, drop, put

CORS = "Resources.Api.Properties.CorsConfiguration"
ORIGINS = "Parameters.CorsAllowedOrigins"

VARIANTS = [
    broken(browsers.origins, "Api: AllowOrigins is not CorsAllowedOrigins", put(f"{CORS}.Fn::If.1.AllowOrigins", ["*"])),
    broken(browsers.origins, "Api: AllowOrigins is not CorsAllowedOrigins", drop(CORS)),
    broken(
        browsers.origins,
        "JwksFunction: CORS_ALLOWED_ORIGINS is not CorsAllowedOrigins",
        drop(f"{VARIABLES}.CORS_ALLOWED_ORIGINS"),
    ),
    broken(
        browsers.origins,
        "SigninFunction: CORS_ALLOWED_ORIGINS is not CorsAllowedOrigins",
        put(f"{SIGNIN}.Properties.Environment", {"Variables": {"CORS_ALLOWED_ORIGINS": "https://a.example"}}),
    ),
    broken(
        browsers.origins,
        "CorsAllowedOrigins: is not a list, or not empty by default",
        put(f"{ORIGINS}.Default", "https://app.example.com"),
    ),
    broken(browsers.origins, "CorsAllowedOrigins: takes '*'", put(f"{ORIGINS}.AllowedPattern", ".*")),
    broken(browsers.origins, "CorsAllowedOrigins: takes 'null'", drop(f"{ORIGINS}.AllowedPattern")),
    broken(
        browsers.origins,
        "CorsAllowedOrigins: refuses 'http://localhost:5173'",
        put(f"{ORIGINS}.AllowedPattern", "^(https://[a-z0-9.-]+)?$"),
    ),
    broken(browsers.headers, "Api: a page cannot send its cookie", drop(f"{CORS}.Fn::If.1.AllowCredentials")),
    broken(
        browsers.headers,
        "Api: a page may not send exactly",
        put(f"{CORS}.Fn::If.1.AllowHeaders", ["authorization", "content-type"]),
    ),
    broken(browsers.headers, "Api: a page may not send exactly", put(f"{CORS}.Fn::If.1.AllowHeaders", ["*"])),
    broken(browsers.headers, "Api: a page may not read exactly", drop(f"{CORS}.Fn::If.1.ExposeHeaders")),
    broken(browsers.headers, "Api: a page may not use exactly", put(f"{CORS}.Fn::If.1.AllowMethods", ["GET", "POST"])),
]
