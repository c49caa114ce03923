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
//! [`Refusal::CookieIsOver`]. On anything else the browser keeps it and the page tries again.

use super::members::Members;
use super::refusal::Refusal;
use super::request::Request;
use super::set_cookie::REFRESH_COOKIE;
use crate::origin::AllowedOrigins;
use crate::secret::Secret;
use crate::token::MAX_TOKEN_BYTES;

/// Where the refresh token of a request is.
#[derive(Debug)]
pub enum Presented {
    /// In the body.
    InBody(Secret),
    /// In the cookie, if the browser has one.
    InCookie(Option<Secret>),
}

impl Request {
    /// The refresh token: the member `refresh_token`, or else the cookie of an allowed page.
    ///
    /// A token that is too long for one of ours is presented as well: the page cannot mend its
    /// cookie, and hears that it is over.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] with neither, with a member of another form, or with the
    /// cookie twice, of which one is a stranger's; [`Refusal::ForeignPage`] with the cookie
    /// from any other page.
    pub fn refresh_token(&self, members: &mut Members, allowed: &AllowedOrigins) -> Result<Presented, Refusal> {
        const MEMBER: &str = "refresh_token";
        if let Some(token) = members.optional_text(MEMBER, MAX_TOKEN_BYTES)? {
            return Ok(Presented::InBody(token));
        }
        let cookie = self.cookie(REFRESH_COOKIE)?;
        if self.is_from_page_of(allowed) {
            return Ok(Presented::InCookie(cookie));
        }
        Err(if cookie.is_some() { Refusal::ForeignPage } else { Refusal::missing(MEMBER) })
    }

    /// Whether a sign-in asks for a cookie: its member `cookie`.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] when that is neither `true` nor `false`, and
    /// [`Refusal::ForeignPage`] from a page that may not ask: it would sign its visitor in to
    /// an account of its own.
    pub fn wants_cookie(&self, members: &mut Members, allowed: &AllowedOrigins) -> Result<bool, Refusal> {
        let is_wanted = members.flag("cookie")?;
        if is_wanted && !self.is_from_page_of(allowed) {
            return Err(Refusal::ForeignPage);
        }
        Ok(is_wanted)
    }

    /// The value of a cookie, whose name is compared to the letter.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] when it is there twice: nothing says which one is ours.
    pub fn cookie(&self, name: &str) -> Result<Option<Secret>, Refusal> {
        let pairs = self.cookies.iter().filter_map(|cookie| cookie.split_once('='));
        let mut values = pairs.filter(|(other, _)| other.trim() == name).map(|(_, value)| value.trim());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(Secret::new)),
            (_, Some(_)) => Err(Refusal::invalid_request("a cookie is there twice")),
        }
    }

    /// Whether a page of these origins sent it, on the site of this API. From another site a
    /// browser would neither keep nor send the cookie: better told at once than at the first
    /// refresh, when the user is signed out.
    fn is_from_page_of(&self, allowed: &AllowedOrigins) -> bool {
        let is_listed = self.header("origin").is_some_and(|origin| allowed.contains(origin));
        is_listed && self.header("sec-fetch-site") != Some("cross-site")
    }
}

#[cfg(test)]
mod tests;
