//! Verifying access tokens in a service of the owner's.

use crate::keys::{KeySet, KeySetError, PublicKeySet};
use crate::time::Timestamp;
use crate::token::claims::{AccessClaims, ExpectedClaims};
use crate::token::verify::{TokenError, Verified, verify_access};

/// Verifies the access tokens of one deployment for one audience.
///
/// ```
/// use relatch::time::Clock;
/// use relatch::token::{AccessTokenVerifier, TokenError};
///
/// // The body of GET /.well-known/jwks.json.
/// let jwk_set = r#"{"keys": [{"kid": "k1", "alg": "EdDSA", "use": "sig", "kty": "OKP", "crv": "Ed25519",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
/// let verifier = AccessTokenVerifier::new("https://auth.example.com", "https://api.example.com", jwk_set)?;
/// let verdict = verifier.verify("no.such.token", Clock::system().now());
/// assert_eq!(verdict.unwrap_err(), TokenError::Malformed);
/// # Ok::<(), relatch::keys::KeySetError>(())
/// ```
///
/// It fetches nothing. A token whose key is unknown ([`TokenError::UnknownKey`]) may be signed
/// by a newer one: then the JWK Set should be read again, but not more often than twice a
/// minute, since anybody can make up such a token.
#[derive(Debug)]
pub struct AccessTokenVerifier {
    keys: KeySet,
    expected: ExpectedClaims,
}

impl AccessTokenVerifier {
    /// A verifier for tokens of exactly this issuer and audience, by a public JWK Set (RFC 7517).
    ///
    /// # Errors
    /// [`KeySetError`] when the text is no JWK Set, or has a key that cannot be used.
    pub fn new(issuer: &str, audience: &str, jwk_set: &str) -> Result<Self, KeySetError> {
        let set: PublicKeySet = serde_json::from_str(jwk_set).map_err(|_| KeySetError::Malformed)?;
        let expected = ExpectedClaims { issuer: issuer.to_owned(), audience: audience.to_owned() };
        Ok(Self { keys: KeySet::from_public(set)?, expected })
    }

    /// The claims of a good token; `unverified` is what follows `Bearer ` in the header.
    ///
    /// # Errors
    /// The first [`TokenError`]. Answer 401 to all of them, so that clients refresh.
    pub fn verify(&self, unverified: &str, now: Timestamp) -> Result<Verified<AccessClaims>, TokenError> {
        verify_access(unverified, &self.keys, &self.expected, now)
    }
}
