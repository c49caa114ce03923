//! The response to a sign-in or a refresh (RFC 6749 §5.1).

use lambda_http::http::StatusCode;
use relatch::token::TokenPair;
use relatch_store::Failure;
use serde::Serialize;

use super::refresh_request::TokenSource;
use super::response::{Response, json};
use super::set_cookie::set_refresh_cookie;

#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    /// In seconds, as the next one.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    refresh_expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

/// A response with both tokens. The refresh token goes where the client keeps it: into the body,
/// or into the cookie and then not into the body.
///
/// # Errors
/// [`Failure::Internal`] when the token is not a valid header value, which every JWT is.
pub fn tokens(pair: &TokenPair, kept_in: TokenSource) -> Result<Response, Failure> {
    let refresh_token = match kept_in {
        TokenSource::Body => Some(pair.refresh_token.expose()),
        TokenSource::Cookie => None,
    };
    let body = TokenResponse {
        access_token: pair.access_token.expose(),
        token_type: "Bearer",
        expires_in: pair.access_expires_in.as_secs(),
        refresh_token,
        refresh_expires_in: pair.refresh_expires_in.as_secs(),
        scope: pair.scope.as_deref(),
    };
    let mut response = json(StatusCode::OK, &body);
    if kept_in == TokenSource::Cookie {
        set_refresh_cookie(&mut response, pair)?;
    }
    Ok(response)
}
