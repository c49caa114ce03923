//! Verifying access tokens in a service of the owner's.

use super::claims::{AccessClaims, Issuance};
use super::jwk::PublicKeySet;
use super::keys::{KeySet, KeySetError};
use super::verify::{TokenError, Verified, verify_access};
use crate::time::Timestamp;

/// Verifies the access tokens of one deployment for one audience.
///
/// ```
/// use relatch::time::Clock;
/// use relatch::token::{AccessTokenVerifier, TokenError};
///
/// // What /.well-known/jwks.json answers.
/// let jwk_set = r#"{"keys": [{"kid": "k1", "alg": "EdDSA", "use": "sig", "kty": "OKP", "crv": "Ed25519",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let verifier = AccessTokenVerifier::new("https://auth.example.com", "https://api.example.com", jwk_set)?;
/// let verdict = verifier.verify("no.such.token", Clock::system().now());
/// assert_eq!(verdict.unwrap_err(), TokenError::Malformed);
/// # Ok::<(), relatch::token::KeySetError>(())
/// ```
///
/// It fetches nothing. A token whose key is unknown ([`TokenError::UnknownKey`]) may be signed
/// by a newer one: then the JWK Set should be read again, but not more often than twice a
/// minute, since anybody can make up such a token.
#[derive(Debug)]
pub struct AccessTokenVerifier {
    keys: KeySet,
    issuance: Issuance,
}

impl AccessTokenVerifier {
    /// A verifier for tokens of this issuer and audience, to the letter, by a public JWK Set
    /// (RFC 7517).
    ///
    /// # Errors
    /// [`KeySetError`] when the text is no JWK Set, or has a key that cannot be used.
    pub fn new(issuer: &str, audience: &str, jwk_set: &str) -> Result<Self, KeySetError> {
        let set: PublicKeySet = serde_json::from_str(jwk_set).map_err(|_| KeySetError::Malformed)?;
        Ok(Self { keys: KeySet::from_public(set)?, issuance: Issuance::to_verify(issuer, audience) })
    }

    /// The claims of a good token; `unverified` is what follows `Bearer ` in the header.
    ///
    /// # Errors
    /// The first [`TokenError`]. Answer 401 to all of them, so that clients refresh.
    pub fn verify(&self, unverified: &str, now: Timestamp) -> Result<Verified<AccessClaims>, TokenError> {
        verify_access(unverified, &self.keys, &self.issuance, now)
    }
}
