//! Cookie mode: the refresh token of a web page, in a cookie that no script can read.
//!
//! ```text
//!            body                     cookie                     mode
//! sign-in    "cookie": true           –                          cookie, for an allowed page
//!            otherwise                –                          body
//! refresh,   a refresh_token          is not looked at           body
//! sign-out   none                     one, or none               cookie, for an allowed page
//!            none                     twice                      400
//! ```
//!
//! A browser sends a cookie by itself, whichever page makes the request. So in cookie mode the
//! page is looked at: its `Origin` is one of the list to the letter. Browsers send it with every
//! POST, and no script can choose it; a request without one is none of a page's. That leaves out
//! pages of other sites (of which `SameSite=Strict` keeps the cookie anyway) and pages of other
//! hosts of the same site, of which it does not. Besides, the body is JSON, for which a browser
//! asks first (see [`Request::json`]).
//!
//! In body mode no cookie is looked at and none is set, so that an app never meets one.
//!
//! The cookie is told to go by a final answer only: a sign-out that was done, and
//! [`Rejection::InvalidGrantClearCookie`]. On anything else the browser keeps it and the page tries again.

use relatch::secret::Secret;

use super::body::BodyFields;
use super::origin::AllowedOrigins;
use super::rejection::Rejection;
use super::request::Request;

impl Request {
    /// Whether a sign-in asks for a cookie: its member `cookie`.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`] when that is neither `true` nor `false`, and
    /// [`Rejection::OriginNotAllowed`] from a page that may not ask: it would sign its visitor in to
    /// an account of its own.
    pub fn cookie_mode(&self, fields: &mut BodyFields, allowed: &AllowedOrigins) -> Result<bool, Rejection> {
        let is_wanted = fields.flag("cookie")?;
        if is_wanted && !self.is_from_allowed_page(allowed) {
            return Err(Rejection::OriginNotAllowed);
        }
        Ok(is_wanted)
    }

    /// The value of a cookie, whose name is compared to the letter.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`] when it is there twice: nothing says which one is ours.
    pub fn cookie(&self, name: &str) -> Result<Option<Secret>, Rejection> {
        let pairs = self.cookies.iter().filter_map(|cookie| cookie.split_once('='));
        let mut values = pairs.filter(|(other, _)| other.trim() == name).map(|(_, value)| value.trim());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(Secret::new)),
            (_, Some(_)) => Err(Rejection::invalid_request("a cookie is there twice")),
        }
    }

    /// Whether a page of these origins sent it, on the site of this API. From another site a
    /// browser would neither keep nor send the cookie: better told at once than at the first
    /// refresh, when the user is signed out.
    pub(super) fn is_from_allowed_page(&self, allowed: &AllowedOrigins) -> bool {
        let is_listed = self.header("origin").is_some_and(|origin| allowed.contains(origin));
        is_listed && self.header("sec-fetch-site") != Some("cross-site")
    }
}

#[cfg(test)]
mod tests;
