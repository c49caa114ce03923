//! Issuing: the claims of both tokens, as they follow from a session.

use std::time::Duration;

use crate::encoding;
use crate::numeric_date::NumericDate;
use crate::session::{Session, SessionSecret};
use crate::time::Timestamp;
use crate::token::claims::{AccessClaims, ExpectedClaims, RefreshClaims};
use crate::user::User;

/// How a deployment issues its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// The `iss` of both tokens: an https URL without a slash at the end (http only for a
    /// loopback host).
    pub issuer: String,
    /// The `aud` of access tokens: the owner's API.
    pub audience: String,
    /// The `client_id` of access tokens.
    pub client_id: String,
    /// The `scope` of access tokens; `None` leaves the claim out.
    pub scope: Option<String>,
    /// The longest life of an access token.
    pub access_token_ttl: Duration,
}

/// The claims of an access token with its life.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What is signed.
    pub claims: AccessClaims,
    /// From `iat` to `exp`, in whole seconds.
    pub expires_in: Duration,
}

/// The `aud` of an issuer's refresh tokens: the endpoint that alone accepts them, so that no
/// resource server takes one for an access token.
pub fn refresh_audience(issuer: &str) -> String {
    format!("{issuer}/refresh")
}

impl TokenIssuer {
    /// What its access tokens must claim.
    pub fn access_tokens(&self) -> ExpectedClaims {
        ExpectedClaims { issuer: self.issuer.clone(), audience: self.audience.clone() }
    }

    /// What its refresh tokens must claim.
    pub fn refresh_tokens(&self) -> ExpectedClaims {
        ExpectedClaims { issuer: self.issuer.clone(), audience: refresh_audience(&self.issuer) }
    }

    /// The claims of a new access token for a session.
    ///
    /// `random` gives the `jti` (16 bytes) and shortens the token's life by up to a
    /// fifth (2 bytes), so that devices, and a thief with them, do not refresh in step. It
    /// never outlives its session.
    pub fn access_token(&self, session: &Session, user: &User, random: [u8; 18], now: Timestamp) -> AccessToken {
        let [jti @ .., high, low] = random;
        let ttl = self.access_token_ttl.as_secs();
        let cut = u64::from(u16::from_be_bytes([high, low])) * (ttl / 5 + 1) / (u64::from(u16::MAX) + 1);
        let issued_at = Timestamp::from_seconds(now.seconds());
        let session_ends_in = session.absolute_expires_at.duration_since(issued_at);
        let expires_in = Duration::from_secs(ttl - cut).min(session_ends_in);
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.id.as_str().to_owned(),
            exp: NumericDate::from_timestamp(issued_at + expires_in),
            iat: NumericDate::from_timestamp(issued_at),
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
            aud: refresh_audience(&self.issuer),
            sub: session.user_id.as_str().to_owned(),
            exp: NumericDate::from_timestamp(session.expires_at()),
            iat: NumericDate::from_timestamp(session.issued_at()),
            generation: session.generation.0,
            secret: secret.expose(),
            nbf: None,
        }
    }
}

#[cfg(test)]
mod tests;
