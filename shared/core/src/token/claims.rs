//! The claims of both tokens.

use serde::{Deserialize, Deserializer, Serialize};

use crate::numeric_date::NumericDate;
use crate::session::{Generation, SessionId, SessionSecret};

/// Whether a scope has every word of another (RFC 6749 §3.3).
pub fn scope_covers(granted: Option<&str>, asked: &str) -> bool {
    let granted: Vec<&str> = granted.into_iter().flat_map(|scope| scope.split(' ')).collect();
    asked.split(' ').all(|word| granted.contains(&word))
}

/// The issuer and the audience that a token must name, compared as exact text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedClaims {
    /// The `iss`.
    pub issuer: String,
    /// The `aud`.
    pub audience: String,
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
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
    pub scope: Option<String>,
    /// The session it belongs to.
    pub sid: String,
    /// When the user gave the password.
    pub auth_time: NumericDate,
    /// For display only; it changes and is no identifier.
    pub user_email: String,
    /// Never issued, but checked when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
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
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "not_null")]
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

/// A claim that may be absent, but not `null`.
fn not_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_another_word_by_word() {
        for asked in ["read", "write", "read write", "write read"] {
            assert!(scope_covers(Some("read write"), asked), "{asked}");
        }
        for asked in ["", "rea", "read admin", "read  write"] {
            assert!(!scope_covers(Some("read write"), asked), "{asked:?}");
        }
        assert!(!scope_covers(None, "read"));
    }
}
