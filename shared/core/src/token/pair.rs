//! The result of a sign-in or a refresh: both tokens of a session.

use std::time::Duration;

use crate::keys::{Key, KeySet, Purpose};
use crate::secret::Secret;
use crate::session::{Session, SessionSecret};
use crate::time::Timestamp;
use crate::token::issuer::TokenIssuer;
use crate::token::sign::{SignError, sign};
use crate::user::User;

/// Both tokens of a session's current generation.
#[derive(Debug)]
pub struct TokenPair {
    /// The signed access token.
    pub access_token: Secret,
    /// The life of the access token, in whole seconds.
    pub access_expires_in: Duration,
    /// The signed refresh token.
    pub refresh_token: Secret,
    /// How long the refresh token is good if nothing more happens, in whole seconds.
    pub refresh_expires_in: Duration,
    /// The access token's scope.
    pub scope: Option<String>,
}

impl TokenPair {
    /// Signs both tokens of a session's current generation.
    ///
    /// `random` is for the access token; the refresh token follows from the session.
    ///
    /// # Errors
    /// [`SignError::NoKey`] while no key of a purpose may sign yet; the others when one cannot.
    pub fn issue(
        (session, secret): (&Session, &SessionSecret),
        user: &User,
        keys: &KeySet,
        issuer: &TokenIssuer,
        random: [u8; 18],
        now: Timestamp,
    ) -> Result<Self, SignError> {
        let access = issuer.access_token(session, user, random, now);
        let refresh = issuer.refresh_claims(session, secret);
        let now_in_seconds = Timestamp::from_seconds(now.seconds());
        Ok(Self {
            access_token: sign(&access.claims, signing_key(keys, Purpose::Access, now)?).map(Secret::new)?,
            access_expires_in: access.expires_in,
            refresh_token: sign(&refresh, signing_key(keys, Purpose::Refresh, now)?).map(Secret::new)?,
            refresh_expires_in: session.expires_at().duration_since(now_in_seconds),
            scope: access.claims.scope,
        })
    }
}

fn signing_key(keys: &KeySet, purpose: Purpose, now: Timestamp) -> Result<&Key, SignError> {
    keys.signing_key(purpose, now).ok_or(SignError::NoKey)
}
