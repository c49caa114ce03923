//! The cookie itself: its name, and what tells a browser to keep it or to forget it.

use lambda_http::http::header::{HeaderValue, SET_COOKIE};
use relatch::token::TokenPair;
use relatch_store::Failure;

use super::response::Response;

/// The name of the cookie. A browser takes one whose name begins with `__Host-` only over TLS and
/// from this very host, so that neither another host of the site nor anybody on the way can put
/// a token of his own there (RFC 6265bis §4.1.3.2).
pub const REFRESH_COOKIE: &str = "__Host-relatch_refresh";

/// What makes a browser forget the cookie: the same attributes, and an age of nothing.
pub(super) const FORGET: &str = "__Host-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";

/// Makes the browser keep a refresh token for as long as it is good.
///
/// # Errors
/// [`Failure::Internal`] when the token is not a valid header value, which every JWT is.
pub(super) fn set_refresh_cookie(response: &mut Response, pair: &TokenPair) -> Result<(), Failure> {
    let (token, max_age) = (pair.refresh_token.expose(), pair.refresh_expires_in.as_secs());
    let cookie = format!("{REFRESH_COOKIE}={token}; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite=Strict");
    let mut cookie = HeaderValue::try_from(cookie)
        .map_err(|_| Failure::internal("cookie", "the token is not a valid header value"))?;
    cookie.set_sensitive(true);
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(())
}

/// The same response, which also makes the browser forget the cookie.
pub fn clear_refresh_cookie(mut response: Response) -> Response {
    response.headers_mut().insert(SET_COOKIE, HeaderValue::from_static(FORGET));
    response
}
