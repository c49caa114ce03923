"""Templates with one thing broken that cors.py has to find."""

import cors
from variant import SIGNIN, VARIABLES, create_variant, drop, put

CORS = "Resources.Api.Properties.CorsConfiguration"
ORIGINS = "Parameters.CorsAllowedOrigins"

VARIANTS = [
    create_variant(
        cors.origins, "Api: AllowOrigins is not CorsAllowedOrigins", put(f"{CORS}.Fn::If.1.AllowOrigins", ["*"])
    ),
    create_variant(cors.origins, "Api: AllowOrigins is not CorsAllowedOrigins", drop(CORS)),
    create_variant(
        cors.origins,
        "JwksFunction: CORS_ALLOWED_ORIGINS is not CorsAllowedOrigins",
        drop(f"{VARIABLES}.CORS_ALLOWED_ORIGINS"),
    ),
    create_variant(
        cors.origins,
        "SigninFunction: CORS_ALLOWED_ORIGINS is not CorsAllowedOrigins",
        put(f"{SIGNIN}.Properties.Environment", {"Variables": {"CORS_ALLOWED_ORIGINS": "https://a.example"}}),
    ),
    create_variant(
        cors.origins,
        "CorsAllowedOrigins: is not a list, or not empty by default",
        put(f"{ORIGINS}.Default", "https://app.example.com"),
    ),
    create_variant(cors.origins, "CorsAllowedOrigins: takes '*'", put(f"{ORIGINS}.AllowedPattern", ".*")),
    create_variant(cors.origins, "CorsAllowedOrigins: takes 'null'", drop(f"{ORIGINS}.AllowedPattern")),
    create_variant(
        cors.origins,
        "CorsAllowedOrigins: refuses 'http://localhost:5173'",
        put(f"{ORIGINS}.AllowedPattern", "^(https://[a-z0-9.-]+)?$"),
    ),
    create_variant(cors.headers, "Api: a page cannot send its cookie", drop(f"{CORS}.Fn::If.1.AllowCredentials")),
    create_variant(
        cors.headers,
        "Api: a page may not send exactly",
        put(f"{CORS}.Fn::If.1.AllowHeaders", ["authorization", "content-type"]),
    ),
    create_variant(cors.headers, "Api: a page may not send exactly", put(f"{CORS}.Fn::If.1.AllowHeaders", ["*"])),
    create_variant(cors.headers, "Api: a page may not read exactly", drop(f"{CORS}.Fn::If.1.ExposeHeaders")),
    create_variant(
        cors.headers, "Api: a page may not use exactly", put(f"{CORS}.Fn::If.1.AllowMethods", ["GET", "POST"])
    ),
]
