//! The cookie itself: its name, and what tells a browser to keep it or to forget it.

use lambda_http::http::StatusCode;
use lambda_http::http::header::{HeaderValue, SET_COOKIE};

use super::response::{Response, json};
use crate::error::Error;
use crate::token::TokenPair;

/// The name of the cookie. A browser takes one whose name begins with `__Host-` only over TLS and
/// from this very host, so that neither another host of the site nor anybody on the way can put
/// a token of his own there (RFC 6265bis §4.1.3.2).
pub const REFRESH_COOKIE: &str = "__Host-relatch_refresh";

/// What makes a browser forget the cookie: the same attributes, and an age of nothing.
pub(super) const FORGET: &str = "__Host-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";

/// Answers with both tokens: the refresh token in the cookie, for as long as it is good, and all
/// else in the body.
///
/// # Errors
/// [`Error::Internal`] when the token cannot stand in a header, which no JWT does.
pub fn with_cookie(mut pair: TokenPair) -> Result<Response, Error> {
    let max_age = pair.refresh_expires_in();
    let token = pair.take_refresh_token();
    let token = token.expose();
    let cookie = format!("{REFRESH_COOKIE}={token}; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite=Strict");
    let mut cookie =
        HeaderValue::try_from(cookie).map_err(|_| Error::internal("cookie", "the token is no header's value"))?;
    cookie.set_sensitive(true);
    let mut response = json(StatusCode::OK, &pair);
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// The same response, which also makes the browser forget the cookie.
pub fn without_cookie(mut response: Response) -> Response {
    response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static(FORGET));
    response
}
