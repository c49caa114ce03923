//! What names a session and proves who holds it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroize;

use crate::encoding;

/// The 128 random bits that travel only inside a session's refresh tokens.
///
/// The session's id is derived from it, so neither a dump of the table, nor an
/// access token, nor the key that signs refresh tokens is enough to forge one.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret([u8; 16]);

impl SessionSecret {
    /// The secret made of random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Reads the secret from its form in a refresh token.
    pub fn parse(text: &str) -> Option<Self> {
        encoding::decode(text)?.try_into().ok().map(Self)
    }

    /// Its form in a refresh token, 22 characters of base64url.
    pub fn expose(&self) -> String {
        encoding::encode(self.0)
    }

    /// The id of the session that this secret opens.
    pub fn session_id(&self) -> SessionId {
        let mut id = encoding::encode(digest(&SHA256, &self.0));
        id.truncate(SessionId::LENGTH);
        SessionId(id)
    }

    /// The digest under which a retry key is stored: SHA-256(secret ‖ key). The
    /// secret has a fixed length, so no two pairs share an input.
    pub fn idempotency_key_digest(&self, key: &[u8]) -> IdempotencyKeyDigest {
        let mut input = self.0.to_vec();
        input.extend_from_slice(key);
        let key_digest = encoding::encode(digest(&SHA256, &input));
        input.zeroize();
        IdempotencyKeyDigest(key_digest)
    }
}

impl Drop for SessionSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// The `sid` of a session: `base64url(SHA-256(secret))` cut to 22 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// 22 characters of base64url: 132 bits.
    const LENGTH: usize = 22;

    /// Reads an id; `None` when it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == Self::LENGTH && text.bytes().all(is_base64url)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How often a session was rotated: 0 at sign-in, one more with every rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation that a rotation leads to.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// SHA-256 of the session's secret and the key of the request that rotated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKeyDigest(String);

impl IdempotencyKeyDigest {
    /// The digest as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a digest as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// The `Idempotency-Key` of a refresh: a random value that belongs to the token it
/// is sent with, so that a lost answer can be asked for again at any time.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key: 22 to 64 of `A–Z a–z 0–9 - _`, which holds 128 random bits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        ((22..=64).contains(&text.len()) && text.bytes().all(is_allowed)).then(|| Self(text.to_owned()))
    }

    /// The bytes that are hashed with the session's secret.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_id_is_the_cut_digest_of_the_secret() {
        // printf 'AAAAAAAAAAAAAAAA' | openssl dgst -sha256 -binary | basenc --base64url | cut -c1-22
        assert_eq!(SessionSecret([b'A'; 16]).session_id().as_str(), "mRIE-6K2IW1HYoLTdauI0g");
    }

    #[test]
    fn an_idempotency_key_is_stored_as_the_digest_of_secret_and_key() {
        // printf 'AAAAAAAAAAAAAAAAkey' | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
        let stored = SessionSecret([b'A'; 16]).idempotency_key_digest(b"key");
        assert_eq!(stored.as_str(), "L-zZni8LoGiL8zG7-BlJ8JSrPme9xpJO0AHPf5ZuJlU");
        assert_eq!(IdempotencyKeyDigest::from_stored(stored.as_str().to_owned()), stored);
    }

    #[test]
    fn the_form_of_a_session_id() {
        for good in ["A".repeat(22), "az09-_AZ-_az09-_AZ-_az".to_owned()] {
            assert_eq!(SessionId::parse(&good).map(|id| id.as_str().to_owned()), Some(good));
        }
        for bad in [String::new(), "A".repeat(21), "A".repeat(23), format!("{}+", "A".repeat(21)), "é".repeat(11)]
        {
            assert_eq!(SessionId::parse(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_secret_has_one_text() {
        let secret = SessionSecret::from_random([9; 16]);
        assert_eq!(SessionSecret::parse(&secret.expose()), Some(secret.clone()));
        for text in
            ["", "AAAA", &format!("{}=", secret.expose()), &format!("{}A", secret.expose()), &"!".repeat(22)]
        {
            assert_eq!(SessionSecret::parse(text), None, "{text:?}");
        }
        assert_eq!(format!("{secret:?}"), "SessionSecret(…)");
    }

    #[test]
    fn the_form_of_an_idempotency_key() {
        for good in ["A".repeat(22), "a-_0".repeat(16), "550e8400-e29b-41d4-a716-446655440000".to_owned()] {
            let key = IdempotencyKey::parse(&good).unwrap();
            assert_eq!(key.as_bytes(), good.as_bytes());
            assert_eq!(format!("{key:?}"), "IdempotencyKey(…)");
        }
        for bad in [String::new(), "A".repeat(21), "A".repeat(65), format!("{} ", "A".repeat(22)), "ä".repeat(22)]
        {
            assert!(IdempotencyKey::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
