//! The answer to a sign-in or a refresh: both tokens of a session.

use serde::Serialize;

use super::claims::Issuance;
use super::jwk::Purpose;
use super::keys::{Key, KeySet};
use super::sign::sign;
use crate::error::Error;
use crate::secret::Secret;
use crate::session::{Session, SessionSecret};
use crate::time::Timestamp;
use crate::user::User;

/// A successful token response (RFC 6749 §5.1).
#[derive(Serialize)]
pub struct TokenPair {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    refresh_token: String,
    refresh_expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

impl TokenPair {
    /// Signs both tokens of a session's current generation.
    ///
    /// `random` is for the access token; the refresh token follows from the session.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while no key of a purpose may sign yet, and
    /// [`Error::Internal`] when one cannot.
    pub fn issue(
        (session, secret): (&Session, &SessionSecret),
        user: &User,
        keys: &KeySet,
        issuance: &Issuance,
        random: [u8; 18],
        now: Timestamp,
    ) -> Result<Self, Error> {
        let access = issuance.access_token(session, user, random, now);
        let refresh = issuance.refresh_claims(session, secret);
        Ok(Self {
            access_token: sign(&access.claims, signing_key(keys, Purpose::Access, now)?)?,
            token_type: "Bearer",
            expires_in: access.expires_in,
            refresh_token: sign(&refresh, signing_key(keys, Purpose::Refresh, now)?)?,
            refresh_expires_in: session.expires_at().seconds().saturating_sub(now.seconds()),
            scope: access.claims.scope,
        })
    }

    /// How long the refresh token is good if nothing more happens, in seconds.
    pub fn refresh_expires_in(&self) -> i64 {
        self.refresh_expires_in
    }

    /// Takes the refresh token out, for an answer that has it elsewhere than in its body.
    pub fn take_refresh_token(&mut self) -> Secret {
        Secret::new(std::mem::take(&mut self.refresh_token))
    }
}

fn signing_key(keys: &KeySet, purpose: Purpose, now: Timestamp) -> Result<&Key, Error> {
    keys.signing_key(purpose, now).ok_or_else(|| Error::unavailable("keys", "no key may sign yet"))
}
