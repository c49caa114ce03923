//! The one table from what went wrong to its answer.
//!
//! | `error` | status | from |
//! |---|---|---|
//! | `invalid_request` | 400 | RFC 6749 §5.2 |
//! | `invalid_credentials` | 401, `WWW-Authenticate` | ours: the email or the password is wrong |
//! | `invalid_grant` | 400, `Set-Cookie` if it was in the cookie | RFC 6749 §5.2; final, a client drops its tokens |
//! | `invalid_token` | 401, `WWW-Authenticate` | RFC 6750 §3.1; a client refreshes |
//! | `unsupported_grant_type` | 400 | RFC 6749 §5.2 |
//! | `invalid_client` | 400 | RFC 6749 §5.2; never 401, on which clients refresh |
//! | `invalid_scope` | 400 | RFC 6749 §5.2 |
//! | `not_found` | 404 | RFC 9110 §15.5.5 |
//! | `method_not_allowed` | 405, `Allow` | RFC 9110 §15.5.6 |
//! | `payload_too_large` | 413 | RFC 9110 §15.5.14 |
//! | `unsupported_media_type` | 415, `Accept-Post` | RFC 9110 §15.5.16 |
//! | `too_many_attempts` | 429, `Retry-After` | ours; RFC 6585 §4 |
//! | `server_error` | 500 | RFC 6749 §4.1.2.1 |
//! | `temporarily_unavailable` | 503, `Retry-After` | RFC 6749 §4.1.2.1 |
//!
//! The body is RFC 6749 §5.2's everywhere: `error` for programs, `error_description`
//! for people.

use std::borrow::Cow;
use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use relatch_store::Failure;
use serde::Serialize;

use super::response::{Response, json};
use super::set_cookie::FORGET;
use crate::error::{Error, GrantError};
use crate::telemetry::{Event, LogFields};

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub enum Rejection {
    /// The form of the request is wrong, with what is wrong in our words.
    InvalidRequest(Cow<'static, str>),
    /// There is no such path here.
    NotFound,
    /// The path has other methods only, which are named.
    MethodNotAllowed(&'static str),
    /// The body is longer than [`super::MAX_BODY_BYTES`].
    PayloadTooLarge,
    /// The body is not declared as what the route takes, which is named.
    UnsupportedMediaType(&'static str),
    /// The token endpoint trades refresh tokens only.
    UnsupportedGrantType,
    /// The request names another client than this deployment's.
    InvalidClient,
    /// The request asks for more than this deployment's scope.
    InvalidScope,
    /// A page that is not of an allowed origin, or not of this API's site, asks for a cookie or
    /// sends one.
    OriginNotAllowed,
    /// As [`Error::InvalidGrant`], of the token in the cookie: the browser forgets it.
    InvalidGrantClearCookie(GrantError),
    /// A guarded route was called without an access token.
    MissingToken,
    /// The form was right; see [`Error`].
    Error(Error),
}

impl<E: Into<Error>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// What a path takes (W3C Linked Data Platform 1.0 §7.1; RFC 7694 allows it on a 415).
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// How long a client waits before it asks again after a 503, in seconds.
const RETRY_AFTER_SECONDS: &str = "2";

impl Rejection {
    /// A request of the wrong form. The words may name a member, never its value.
    pub fn invalid_request(what_is_wrong: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(what_is_wrong.into())
    }

    /// A request without a member that it needs.
    pub(super) fn missing(name: &'static str) -> Self {
        Self::invalid_request(format!("the member {name} is missing"))
    }

    /// What the request comes to in the log.
    pub fn event(&self) -> Event {
        match self {
            Self::Error(error) => error.event(),
            Self::InvalidGrantClearCookie(error) => Error::InvalidGrant(*error).event(),
            Self::MissingToken => Event::AccessRefused,
            Self::OriginNotAllowed
            | Self::InvalidRequest(_)
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::PayloadTooLarge
            | Self::UnsupportedGrantType
            | Self::InvalidClient
            | Self::InvalidScope
            | Self::UnsupportedMediaType(_) => Event::InputRefused,
        }
    }

    /// Adds the code and the reason to the log line.
    pub fn add_to(&self, fields: &mut LogFields) {
        fields.add("error", self.code());
        match self {
            Self::Error(error) => error.add_reason(fields),
            Self::InvalidGrantClearCookie(error) => Error::InvalidGrant(*error).add_reason(fields),
            Self::MissingToken => {
                fields.add("reason", "missing");
            }
            Self::OriginNotAllowed => {
                fields.add("reason", "origin_not_allowed");
            }
            Self::InvalidRequest(_)
            | Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::PayloadTooLarge
            | Self::UnsupportedGrantType
            | Self::InvalidClient
            | Self::InvalidScope
            | Self::UnsupportedMediaType(_) => {}
        }
    }

    /// The `error` code.
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    fn row(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::InvalidRequest(what) => (StatusCode::BAD_REQUEST, "invalid_request", what),
            Self::OriginNotAllowed => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "cookies are for pages of the allowed origins, on the site of this API",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is no such path"),
            Self::MethodNotAllowed(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has another method")
            }
            Self::PayloadTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "the body is longer than 8192 bytes")
            }
            Self::UnsupportedMediaType(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "this path takes another content type; see Accept-Post",
            ),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "the grant type here is refresh_token")
            }
            Self::InvalidClient => (StatusCode::BAD_REQUEST, "invalid_client", "there is no such client"),
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", "there is no such scope here"),
            Self::MissingToken => (StatusCode::UNAUTHORIZED, "invalid_token", "an access token is needed"),
            Self::Error(Error::InvalidCredentials(_)) => {
                (StatusCode::UNAUTHORIZED, "invalid_credentials", "the email or the password is wrong")
            }
            Self::Error(Error::TooManyAttempts { .. }) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_attempts",
                "too many attempts to sign in; try again later",
            ),
            Self::InvalidGrantClearCookie(_) | Self::Error(Error::InvalidGrant(_)) => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "the refresh token is not valid; sign in again")
            }
            Self::Error(Error::InvalidToken(_)) => {
                (StatusCode::UNAUTHORIZED, "invalid_token", "the access token is not valid; refresh it")
            }
            Self::Error(Error::Failure(Failure::Unavailable(_))) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "try the same request again in a moment",
            ),
            Self::Error(Error::Failure(Failure::Internal(_))) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something is wrong on our side")
            }
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::Error(Error::TooManyAttempts { wait, .. }) => {
                return Some((RETRY_AFTER, HeaderValue::from(seconds_rounded_up(*wait))));
            }
            Self::MethodNotAllowed(methods) => (ALLOW, *methods),
            Self::UnsupportedMediaType(expected) => (ACCEPT_POST, *expected),
            // RFC 6750 §3.1: no error code for a request without any token.
            Self::MissingToken | Self::Error(Error::InvalidCredentials(_)) => {
                (WWW_AUTHENTICATE, "Bearer realm=\"relatch\"")
            }
            Self::Error(Error::InvalidToken(_)) => (WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""),
            Self::Error(Error::Failure(Failure::Unavailable(_))) => (RETRY_AFTER, RETRY_AFTER_SECONDS),
            Self::InvalidGrantClearCookie(_) => (SET_COOKIE, FORGET),
            Self::InvalidRequest(_)
            | Self::OriginNotAllowed
            | Self::NotFound
            | Self::PayloadTooLarge
            | Self::UnsupportedGrantType
            | Self::InvalidClient
            | Self::InvalidScope
            | Self::Error(Error::InvalidGrant(_) | Error::Failure(Failure::Internal(_))) => return None,
        };
        Some((name, HeaderValue::from_static(value)))
    }

    /// The answer.
    pub fn response(&self) -> Response {
        let (status, error, error_description) = self.row();
        let mut response = json(status, &Body { error, error_description });
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A client that waited this long is not a moment too early; at least 1.
fn seconds_rounded_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}

#[cfg(test)]
mod tests {
    use relatch::throttling::Scope;

    use super::*;
    use crate::error::AccessError;

    #[test]
    fn every_rejection_has_its_exact_response() {
        let cause = "the table Users-ABC does not exist";
        for (rejection, status, body, header) in [
            (Rejection::invalid_request("x"), 400, r#"{"error":"invalid_request","error_description":"x"}"#, None),
            (
                Rejection::MethodNotAllowed("POST"),
                405,
                r#"{"error":"method_not_allowed","error_description":"this path has another method"}"#,
                Some(("allow", "POST")),
            ),
            (
                Rejection::MissingToken,
                401,
                r#"{"error":"invalid_token","error_description":"an access token is needed"}"#,
                Some(("www-authenticate", "Bearer realm=\"relatch\"")),
            ),
            (
                Error::InvalidToken(AccessError::Gone).into(),
                401,
                r#"{"error":"invalid_token","error_description":"the access token is not valid; refresh it"}"#,
                Some(("www-authenticate", "Bearer error=\"invalid_token\"")),
            ),
            (
                Error::TooManyAttempts { scope: Scope::Email, wait: Duration::from_millis(16_001) }.into(),
                429,
                r#"{"error":"too_many_attempts","error_description":"too many attempts to sign in; try again later"}"#,
                Some(("retry-after", "17")),
            ),
            (
                Error::InvalidGrant(GrantError::Gone).into(),
                400,
                r#"{"error":"invalid_grant","error_description":"the refresh token is not valid; sign in again"}"#,
                None,
            ),
            (
                Rejection::InvalidGrantClearCookie(GrantError::Gone),
                400,
                r#"{"error":"invalid_grant","error_description":"the refresh token is not valid; sign in again"}"#,
                Some(("set-cookie", FORGET)),
            ),
            (
                Rejection::OriginNotAllowed,
                400,
                r#"{"error":"invalid_request","error_description":"cookies are for pages of the allowed origins, on the site of this API"}"#,
                None,
            ),
            (
                Failure::unavailable("users.read", cause).into(),
                503,
                r#"{"error":"temporarily_unavailable","error_description":"try the same request again in a moment"}"#,
                Some(("retry-after", "2")),
            ),
            (
                Failure::internal("users.read", cause).into(),
                500,
                r#"{"error":"server_error","error_description":"something is wrong on our side"}"#,
                None,
            ),
        ] {
            let response = rejection.response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.body(), body);
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            if let Some((name, value)) = header {
                assert_eq!(response.headers()[name], value);
            }
            let is_over = matches!(rejection, Rejection::InvalidGrantClearCookie(_));
            assert_eq!(response.headers().contains_key(SET_COOKIE), is_over, "{rejection:?}");
        }
    }
}
