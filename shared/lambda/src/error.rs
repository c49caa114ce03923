//! Why a request that had the right form was not granted. HTTP is not known here:
//! [`crate::http::Rejection`] turns each case into its response.
//!
//! Each case knows the event that it is in the log and its reason, so that no handler can
//! forget to say so. The reason is for the log only; a client sees the case.

use std::time::Duration;

use relatch::random::RandomError;
use relatch::session::InactiveReason;
use relatch::throttling::Scope;
use relatch::token::{SignError, TokenError};
use relatch_store::Failure;

use crate::telemetry::{Event, LogFields};

/// Why a request that had the right form was not granted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The email and the password do not belong together. One case for an unknown
    /// email, a wrong password and a disabled user: strangers must not tell them apart.
    #[error("the email or the password is wrong")]
    InvalidCredentials(CredentialsError),
    /// Too many passwords were tried, so this one was not. One case for all causes: which
    /// counter refused is for the log only.
    #[error("too many attempts by {}", scope.name())]
    TooManyAttempts {
        /// The counter that refused.
        scope: Scope,
        /// How long to wait before another attempt.
        wait: Duration,
    },
    /// The refresh token is not, or no longer, good for a new pair. Final: clients
    /// throw their tokens away when they see it, so no temporary failure may end here.
    #[error("the refresh token is not valid")]
    InvalidGrant(GrantError),
    /// The access token is not, or no longer, valid.
    #[error("the access token is not valid")]
    InvalidToken(AccessError),
    /// Something that this function needs failed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Why an email and a password do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialsError {
    /// No user has the email.
    UnknownEmail,
    /// The user has another password.
    WrongPassword,
    /// The user has no password.
    NoPassword,
    /// The password is right, and the user is disabled or was deleted a moment ago.
    UserDisabled,
}

/// Why a refresh token is not good for a new pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantError {
    /// A page in cookie mode whose browser has no cookie: it expired, or another tab signed out.
    NoCookie,
    /// The token itself.
    Token(TokenError),
    /// Its claims do not name a session as ours do.
    BadClaims,
    /// Its session does not exist.
    Gone,
    /// Its session, or the user, may not be refreshed any more.
    Inactive(InactiveReason),
    /// It was rotated away: the session was ended.
    Reuse,
    /// It is newer than the table: the session was ended.
    Future,
}

/// Why an access token does not open a guarded route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// There is none.
    Missing,
    /// The token itself.
    Token(TokenError),
    /// Its claims do not name a session as ours do.
    BadClaims,
    /// Its session does not exist.
    Gone,
    /// Its session, or the user, may not be used any more.
    Inactive(InactiveReason),
}

impl Error {
    /// What the request comes to in the log.
    pub fn event(&self) -> Event {
        match self {
            Self::InvalidCredentials(_) => Event::SigninFail,
            Self::TooManyAttempts { .. } => Event::SigninThrottled,
            Self::InvalidGrant(error) => error.event(),
            Self::InvalidToken(error) => error.event(),
            Self::Failure(failure) => Event::from_failure(failure),
        }
    }

    /// Adds the reason to the log line.
    pub fn add_reason(&self, fields: &mut LogFields) {
        let reason = match self {
            Self::InvalidCredentials(error) => Some(error.reason().to_owned()),
            Self::TooManyAttempts { scope, .. } => Some(scope.name().to_owned()),
            Self::InvalidGrant(error) => error.reason(),
            Self::InvalidToken(error) => Some(error.reason()),
            Self::Failure(failure) => {
                fields.add_failure(failure);
                None
            }
        };
        if let Some(reason) = reason {
            fields.add("reason", reason);
        }
    }
}

impl CredentialsError {
    fn reason(self) -> &'static str {
        match self {
            Self::UnknownEmail => "unknown_email",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::UserDisabled => "user_disabled",
        }
    }
}

impl GrantError {
    fn event(self) -> Event {
        match self {
            Self::Token(TokenError::Expired) | Self::Inactive(InactiveReason::Expired) => Event::RefreshExpired,
            Self::Token(_) | Self::BadClaims => Event::RefreshInvalid,
            Self::NoCookie | Self::Gone | Self::Inactive(_) => Event::RefreshRevoked,
            Self::Reuse => Event::RefreshReuse,
            Self::Future => Event::RefreshFuture,
        }
    }

    fn reason(self) -> Option<String> {
        match self {
            Self::NoCookie => Some("no_cookie".to_owned()),
            Self::Token(error) => Some(error.to_string()),
            Self::BadClaims => Some("bad_claims".to_owned()),
            Self::Gone => Some("gone".to_owned()),
            Self::Inactive(reason) => Some(reason.name().to_owned()),
            // The event says it all.
            Self::Reuse | Self::Future => None,
        }
    }
}

impl AccessError {
    fn event(self) -> Event {
        match self {
            Self::Token(TokenError::Expired) => Event::AccessExpired,
            Self::Missing | Self::Token(_) | Self::BadClaims | Self::Gone | Self::Inactive(_) => {
                Event::AccessRefused
            }
        }
    }

    fn reason(self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::Token(error) => error.to_string(),
            Self::BadClaims => "bad_claims".to_owned(),
            Self::Gone => "gone".to_owned(),
            Self::Inactive(reason) => reason.name().to_owned(),
        }
    }
}

impl From<RandomError> for Error {
    fn from(error: RandomError) -> Self {
        Failure::internal("random", &error).into()
    }
}

impl From<SignError> for Error {
    fn from(error: SignError) -> Self {
        match error {
            SignError::NoKey => Failure::unavailable("keys", &error).into(),
            SignError::Purpose | SignError::Key | SignError::Claims => {
                Failure::internal("token.sign", &error).into()
            }
        }
    }
}
