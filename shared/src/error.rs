//! What can go wrong, in the words of the domain. HTTP is not known here:
//! [`crate::http::Refusal`] turns each case into its answer.

use std::fmt;

use crate::attempts::Scope;

/// Why a request that had the right form was not granted.
#[derive(Debug)]
pub enum Error {
    /// The email and the password do not belong together. One case for an unknown
    /// email, a wrong password and a disabled user: strangers must not tell them apart.
    InvalidCredentials,
    /// Too many passwords were tried, so this one was not. One case for all causes: which
    /// counter refused is for the log only.
    TooManyAttempts {
        /// What refused.
        scope: Scope,
        /// After how many seconds another one may be tried, at least 1.
        seconds: i64,
    },
    /// The refresh token is not, or no longer, good for a new pair. Final: clients
    /// throw their tokens away when they see it, so no passing trouble may end here.
    InvalidGrant,
    /// The access token is not, or no longer, valid.
    InvalidToken,
    /// Something this function needs did not answer in time; the same request may
    /// succeed a moment later.
    Unavailable(Cause),
    /// Something is wrong that no retry mends: a missing table, a refused
    /// permission, an item with the wrong attributes. Raises an alarm.
    Internal(Cause),
}

impl Error {
    /// [`Error::Unavailable`], told by `what` was asked and what it answered.
    pub fn unavailable(what: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self::Unavailable(Cause::new(what, detail))
    }

    /// [`Error::Internal`], told by `what` was asked and what it answered.
    pub fn internal(what: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self::Internal(Cause::new(what, detail))
    }
}

/// What failed and how, for the log only; it never reaches a client.
///
/// `detail` must come from our own code or from an error code of a service:
/// never from a request, an item's content or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The operation, such as `sessions.rotate`.
    pub what: &'static str,
    /// The service's error code or our own words.
    pub detail: String,
}

impl Cause {
    fn new(what: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self { what, detail: detail.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidCredentials => f.write_str("the email or the password is wrong"),
            Self::TooManyAttempts { scope, .. } => write!(f, "too many attempts by {}", scope.name()),
            Self::InvalidGrant => f.write_str("the refresh token is not valid"),
            Self::InvalidToken => f.write_str("the access token is not valid"),
            Self::Unavailable(cause) => write!(f, "{} is unavailable: {}", cause.what, cause.detail),
            Self::Internal(cause) => write!(f, "{} failed: {}", cause.what, cause.detail),
        }
    }
}

impl std::error::Error for Error {}
