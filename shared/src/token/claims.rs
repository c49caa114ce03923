//! The claims of both tokens, and how they follow from a session.

use serde::{Deserialize, Deserializer, Serialize};

use crate::config::Config;
use crate::encoding;
use crate::session::{Generation, Session, SessionId, SessionSecret};
use crate::time::Timestamp;
use crate::user::User;

/// Whole seconds since the epoch (RFC 7519 §2), only ever a JSON integer from 0 to
/// the year 9999: a string, a fraction, `null` or `1e308` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NumericDate(u64);

impl NumericDate {
    const MAX: u64 = 253_402_300_799;

    /// The second in which `instant` lies; before the epoch is 0.
    pub fn from_timestamp(instant: Timestamp) -> Self {
        Self(u64::try_from(instant.seconds()).unwrap_or(0).min(Self::MAX))
    }

    /// The first millisecond of the second.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        if seconds > Self::MAX {
            return Err(serde::de::Error::custom("beyond the year 9999"));
        }
        Ok(Self(seconds))
    }
}

/// Whether a scope has every word of another (RFC 6749 §3.3).
pub fn scope_covers(granted: Option<&str>, asked: &str) -> bool {
    let granted: Vec<&str> = granted.into_iter().flat_map(|scope| scope.split(' ')).collect();
    asked.split(' ').all(|word| granted.contains(&word))
}

/// The claims of an access token (RFC 9068 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The deployment that issued it.
    pub iss: String,
    /// The owner's API.
    pub aud: String,
    /// The user's immutable id; owners key on this.
    pub sub: String,
    /// When it expires; valid strictly before.
    pub exp: NumericDate,
    /// When it was issued.
    pub iat: NumericDate,
    /// 128 random bits of its own.
    pub jti: String,
    /// The deployment's client.
    pub client_id: String,
    /// What it is good for; absent when the deployment names no scope.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub scope: Option<String>,
    /// The session it belongs to.
    pub sid: String,
    /// When the user gave the password.
    pub auth_time: NumericDate,
    /// For display only; it changes and is no identifier.
    pub user_email: String,
    /// Never issued, but checked when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub nbf: Option<NumericDate>,
}

/// The claims of a refresh token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// The deployment that issued it.
    pub iss: String,
    /// The refresh endpoint.
    pub aud: String,
    /// The user's immutable id.
    pub sub: String,
    /// When the session expires unless it is rotated before.
    pub exp: NumericDate,
    /// When its generation came to be.
    pub iat: NumericDate,
    /// The generation of the session that it stands for.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// The session's secret, from which the session's id follows.
    pub secret: String,
    /// Never issued, but checked when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub nbf: Option<NumericDate>,
}

impl std::fmt::Debug for RefreshClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshClaims")
            .field("sub", &self.sub)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// A member that may be absent, but not `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// What all tokens of a deployment have in common.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// The `iss` of both tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
    /// The `aud` of refresh tokens.
    pub refresh_audience: String,
    client_id: String,
    scope: Option<String>,
    access_token_ttl: i64,
}

/// The claims of an access token with its life in seconds.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What is signed.
    pub claims: AccessClaims,
    /// Seconds from `iat` to `exp`.
    pub expires_in: i64,
}

impl Issuance {
    /// The part of the settings that tokens are made by.
    pub fn new(config: &Config) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            refresh_audience: config.refresh_audience(),
            client_id: config.client_id.clone(),
            scope: config.scope.clone(),
            access_token_ttl: config.access_token_ttl,
        }
    }

    /// What is needed to verify access tokens, and nothing to issue any.
    pub(super) fn to_verify(issuer: &str, audience: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            refresh_audience: String::new(),
            client_id: String::new(),
            scope: None,
            access_token_ttl: 0,
        }
    }

    /// The claims of a new access token for a session.
    ///
    /// `random` gives the `jti` (16 bytes) and shortens the token's life by up to a
    /// fifth (2 bytes), so that devices, and a thief with them, do not refresh in step. It
    /// never outlives its session.
    pub fn access_token(&self, session: &Session, user: &User, random: [u8; 18], now: Timestamp) -> AccessToken {
        let [jti @ .., high, low] = random;
        let longest_cut = self.access_token_ttl / 5;
        let cut = i64::from(u16::from_be_bytes([high, low])) * (longest_cut + 1) / (i64::from(u16::MAX) + 1);
        let session_ends_in = session.absolute_expires_at.seconds().saturating_sub(now.seconds());
        let expires_in = (self.access_token_ttl - cut).min(session_ends_in);
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.id.as_str().to_owned(),
            exp: NumericDate::from_timestamp(now.plus_seconds(expires_in)),
            iat: NumericDate::from_timestamp(now),
            jti: encoding::encode(jti),
            client_id: self.client_id.clone(),
            scope: self.scope.clone(),
            sid: session.id.as_str().to_owned(),
            auth_time: NumericDate::from_timestamp(session.created_at),
            user_email: user.email.as_str().to_owned(),
            nbf: None,
        };
        AccessToken { claims, expires_in }
    }

    /// The claims of the refresh token that stands for a session's current
    /// generation: a function of the stored session, so that repeating the question
    /// gives the same token.
    pub fn refresh_claims(&self, session: &Session, secret: &SessionSecret) -> RefreshClaims {
        RefreshClaims {
            iss: self.issuer.clone(),
            aud: self.refresh_audience.clone(),
            sub: session.user_id.as_str().to_owned(),
            exp: NumericDate::from_timestamp(session.expires_at()),
            iat: NumericDate::from_timestamp(session.issued_at()),
            generation: session.generation.0,
            secret: secret.expose(),
            nbf: None,
        }
    }
}

impl RefreshClaims {
    /// The secret of the session; `None` when the claim has not the form of one.
    pub fn session_secret(&self) -> Option<SessionSecret> {
        SessionSecret::parse(&self.secret)
    }

    /// The generation that the token stands for.
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }
}

impl AccessClaims {
    /// The session that the token belongs to.
    pub fn session_id(&self) -> Option<SessionId> {
        SessionId::parse(&self.sid)
    }
}

#[cfg(test)]
mod tests;
