//! Writing a response: JSON, never cached unless it says so.

use lambda_http::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::http::{self, StatusCode};
use serde::Serialize;

/// A response with a JSON text.
pub type Response = http::Response<String>;

/// On every response of ours, whatever its status: answers hold tokens or speak of
/// them, are never a page, and are only ever had over TLS (two years, in seconds). The gateway
/// adds to them what a browser asks of CORS, which differs from origin to origin: a cache that
/// keeps one for all pages would hand it to the wrong one.
const COMMON_HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_TYPE, "application/json; charset=utf-8"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (VARY, "origin"),
];

/// A JSON response that no cache keeps (RFC 6749 §5.1).
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    with_cache_control(status, body, HeaderValue::from_static("no-store"))
}

/// A response without a body (RFC 9110 §15.3.5).
pub fn empty() -> Response {
    let mut response = json(StatusCode::NO_CONTENT, &());
    response.body_mut().clear();
    response.headers_mut().remove(CONTENT_TYPE);
    response
}

/// A JSON response that everyone may keep for so many seconds.
pub fn cacheable_json(status: StatusCode, body: &impl Serialize, max_age: u32) -> Response {
    let policy = HeaderValue::try_from(format!("public, max-age={max_age}"));
    with_cache_control(status, body, policy.unwrap_or_else(|_| HeaderValue::from_static("no-store")))
}

fn with_cache_control(status: StatusCode, body: &impl Serialize, policy: HeaderValue) -> Response {
    // Our own types are maps of strings and numbers, which always have a JSON text.
    let mut response = Response::new(serde_json::to_string(body).unwrap_or_default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in COMMON_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, policy);
    response
}
