//! A set of keys as it is stored, to be looked at and changed.

use std::fmt;

use crate::keys::generate::{GenerateError, generate_key};
use crate::keys::jwk::{Algorithm, PrivateJwk, PrivateJwkSet, PublicKeySet, Purpose, public_half};
use crate::keys::key_set::{KeySet, KeySetError};
use crate::numeric_date::NumericDate;
use crate::secret::Secret;
use crate::time::Timestamp;

/// The text of a key file or of a secret: a private JWK Set (RFC 7517).
///
/// Nothing of it but [`PrivateKeySet::to_text`] shows a private part.
#[derive(Clone, Default)]
pub struct PrivateKeySet(PrivateJwkSet);

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// What it is for.
    pub purpose: Purpose,
    /// The name by which tokens refer to it.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// From when on it may sign.
    pub not_before: Timestamp,
    /// Whether it is the one of its purpose that signs now.
    pub signs: bool,
}

impl PrivateKeySet {
    /// Reads a set; an empty text is a set without keys.
    ///
    /// # Errors
    /// [`KeySetError`] when a function could not use it.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        match KeySet::parse(text) {
            Ok(_) => serde_json::from_str(text).map(Self).map_err(|_| KeySetError::Malformed),
            Err(KeySetError::Empty) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// The version of the secret that the set was made from, if it says so.
    pub fn based_on(&self) -> Option<&str> {
        self.0.based_on.as_deref()
    }

    /// Says from which version of the secret the set was made.
    pub fn set_based_on(&mut self, version: Option<String>) {
        self.0.based_on = version;
    }

    /// What is in it, in its order.
    pub fn list(&self, now: Timestamp) -> Vec<KeyInfo> {
        let signing = |purpose: Purpose| {
            let of_purpose = self.0.keys.iter().filter(|key| key.purpose == purpose);
            let started = of_purpose.filter(|key| key.nbf.timestamp() <= now);
            started.max_by_key(|key| key.nbf).map(|key| key.kid.as_str())
        };
        let info = |key: &PrivateJwk| KeyInfo {
            purpose: key.purpose,
            kid: key.kid.clone(),
            algorithm: key.alg,
            not_before: key.nbf.timestamp(),
            signs: signing(key.purpose) == Some(key.kid.as_str()),
        };
        self.0.keys.iter().map(info).collect()
    }

    /// The public halves of the keys of access tokens.
    pub fn public(&self) -> PublicKeySet {
        PublicKeySet::new(self.0.keys.iter().filter_map(public_half).collect())
    }

    /// Makes a key that signs from `not_before` on, and tells its `kid`.
    ///
    /// # Errors
    /// [`GenerateError`] when there is no randomness, or the algorithm is not one for
    /// the purpose.
    pub fn add(
        &mut self,
        purpose: Purpose,
        algorithm: Algorithm,
        not_before: Timestamp,
    ) -> Result<String, GenerateError> {
        let key = generate_key(purpose, algorithm, NumericDate::from_timestamp(not_before))?;
        let kid = key.kid.clone();
        self.0.keys.push(key);
        Ok(kid)
    }

    /// Takes a key out; tells whether it was there.
    pub fn remove(&mut self, purpose: Purpose, kid: &str) -> bool {
        let before = self.0.keys.len();
        self.0.keys.retain(|key| key.purpose != purpose || key.kid != kid);
        self.0.keys.len() < before
    }

    /// The text to store, private parts and all.
    ///
    /// # Errors
    /// [`GenerateError`] when it cannot be written, which does not happen.
    pub fn to_text(&self) -> Result<Secret, GenerateError> {
        serde_json::to_string_pretty(&self.0).map(Secret::new).map_err(|_| GenerateError)
    }
}

impl fmt::Debug for PrivateKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKeySet({} keys)", self.0.keys.len())
    }
}

/// A new private JWK Set with one key for each purpose, each good from `now` on;
/// access tokens are signed by `access`.
///
/// # Errors
/// [`GenerateError`] when the system gives no randomness, or `access` is not an
/// algorithm with a public half.
pub fn generate(access: Algorithm, now: Timestamp) -> Result<Secret, GenerateError> {
    let mut keys = PrivateKeySet::default();
    keys.add(Purpose::Access, access, now)?;
    keys.add(Purpose::Refresh, Algorithm::HS256, now)?;
    keys.add(Purpose::Attempts, Algorithm::HS256, now)?;
    keys.to_text()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn signing(keys: &PrivateKeySet, now: Timestamp) -> Vec<String> {
        keys.list(now).into_iter().filter(|key| key.signs).map(|key| key.kid).collect()
    }

    #[test]
    fn the_newest_key_that_has_started_signs() {
        let mut keys = PrivateKeySet::default();
        let first = keys.add(Purpose::Refresh, Algorithm::HS256, NOW).unwrap();
        let second = keys.add(Purpose::Refresh, Algorithm::HS256, NOW + Duration::from_secs(60)).unwrap();
        let access = keys.add(Purpose::Access, Algorithm::EdDSA, NOW + Duration::from_secs(60)).unwrap();
        assert_eq!(signing(&keys, NOW), std::slice::from_ref(&first));
        assert_eq!(signing(&keys, NOW + Duration::from_secs(60)), [second.clone(), access]);
        let parsed = KeySet::parse(keys.to_text().unwrap().expose()).unwrap();
        for now in [NOW, (NOW + Duration::from_secs(60))] {
            let kid = parsed.signing_key(Purpose::Refresh, now).map(|key| key.kid().to_owned());
            assert!(signing(&keys, now).contains(&kid.unwrap()));
        }
        assert!(!keys.remove(Purpose::Access, &first));
        assert!(keys.remove(Purpose::Refresh, &second));
        assert_eq!(signing(&keys, NOW + Duration::from_secs(59)), [first]);
    }

    #[test]
    fn what_was_stored_is_read() {
        let mut keys = PrivateKeySet::default();
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            keys.add(Purpose::Access, algorithm, NOW).unwrap();
        }
        keys.add(Purpose::Attempts, Algorithm::HS256, NOW).unwrap();
        let read = PrivateKeySet::parse(keys.to_text().unwrap().expose()).unwrap();
        assert_eq!(read.list(NOW), keys.list(NOW));
        assert!(keys.list(NOW).iter().all(|key| key.kid.starts_with('k')), "no flag on a command line");
    }

    #[test]
    fn an_algorithm_has_its_purposes() {
        let mut keys = PrivateKeySet::default();
        assert_eq!(keys.add(Purpose::Access, Algorithm::HS256, NOW), Err(GenerateError));
        assert_eq!(keys.add(Purpose::Refresh, Algorithm::RS256, NOW), Err(GenerateError));
        assert_eq!(GenerateError.to_string(), "the key could not be generated");
        assert!(keys.list(NOW).is_empty());
    }

    #[test]
    fn no_text_is_no_keys_and_a_broken_one_is_an_error() {
        for empty in ["", " \n", "{\"keys\":[]}"] {
            assert!(PrivateKeySet::parse(empty).unwrap().list(NOW).is_empty(), "{empty:?}");
        }
        for broken in ["{}", "[]", "x", "{\"keys\":[{}]}"] {
            assert_eq!(PrivateKeySet::parse(broken).unwrap_err(), KeySetError::Malformed, "{broken:?}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let mut keys = PrivateKeySet::default();
        keys.add(Purpose::Refresh, Algorithm::HS256, NOW).unwrap();
        assert_eq!(format!("{keys:?}"), "PrivateKeySet(1 keys)");
    }
}
