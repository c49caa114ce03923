//! A request that presents a refresh token: to refresh, or to end its session.

use relatch::secret::Secret;
use relatch::session::IdempotencyKey;
use relatch::token::MAX_TOKEN_BYTES;

use super::body::BodyFields;
use super::origin::AllowedOrigins;
use super::rejection::Rejection;
use super::request::Request;
use super::set_cookie::REFRESH_COOKIE;

/// A presented refresh token, with all that the rest of a handler needs to know of the request.
#[derive(Debug)]
pub struct RefreshRequest {
    /// The unverified token.
    pub token: Secret,
    /// The client's key for this token, by which a retry is known.
    pub idempotency_key: Option<IdempotencyKey>,
    /// Where the token was, and so where its successor goes.
    pub source: TokenSource,
}

/// Where a client keeps its refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// It sends the token in the body.
    Body,
    /// Its browser sends the token in a cookie.
    Cookie,
}

impl RefreshRequest {
    /// A request whose token was in the body.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`] when the `Idempotency-Key` has another form.
    pub fn from_body(request: &Request, token: Secret) -> Result<Self, Rejection> {
        Ok(Self { token, idempotency_key: request.idempotency_key()?, source: TokenSource::Body })
    }

    /// Reads the field `refresh_token`, or else the cookie of an allowed page; `None` when its
    /// browser has no cookie.
    ///
    /// A token that is too long for one of ours is presented as well: the page cannot repair its
    /// cookie, and learns that the session is over.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`] with neither, with a field or a key of another form, or with
    /// the cookie twice, of which one is a stranger's; [`Rejection::OriginNotAllowed`] with the
    /// cookie from any other page.
    pub fn read(
        request: &Request,
        fields: &mut BodyFields,
        allowed: &AllowedOrigins,
    ) -> Result<Option<Self>, Rejection> {
        const FIELD: &str = "refresh_token";
        if let Some(token) = fields.optional_text(FIELD, MAX_TOKEN_BYTES)? {
            return Self::from_body(request, token).map(Some);
        }
        let cookie = request.cookie(REFRESH_COOKIE)?;
        if !request.is_from_allowed_page(allowed) {
            return Err(match cookie {
                Some(_) => Rejection::OriginNotAllowed,
                None => Rejection::missing(FIELD),
            });
        }
        let Some(token) = cookie else { return Ok(None) };
        Ok(Some(Self { token, idempotency_key: request.idempotency_key()?, source: TokenSource::Cookie }))
    }
}
