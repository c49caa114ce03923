//! The keys: private JWK Sets (RFC 7517) with a purpose and a start for each key.
//!
//! ```json
//! {"keys": [{"purpose": "refresh", "kid": "…", "kty": "oct", "alg": "HS256", "nbf": 1800000000, "k": "…"}]}
//! ```
//!
//! Each key has exactly one purpose and one algorithm, and is looked up by
//! (purpose, `kid`). The newest key whose `nbf` has passed signs; all that are
//! listed verify. A token's own `alg` is never asked for anything but equality.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jsonwebtoken::DecodingKey;
use pkcs1::der::{Encode as _, asn1::UintRef};
use zeroize::Zeroize;

use crate::encoding;
use crate::keys::jwk::{
    Algorithm, Material, PrivateJwk, PrivateJwkSet, PublicKey, PublicKeySet, Purpose, decode_coordinate,
    decode_number, public_half,
};
use crate::keys::signer::Signer;
use crate::numeric_date::NumericDate;
use crate::time::Timestamp;

/// One key, ready to verify and, unless only its public half is known, to sign.
pub struct Key {
    kid: String,
    purpose: Purpose,
    algorithm: Algorithm,
    not_before: NumericDate,
    signer: Option<Signer>,
    decoding: DecodingKey,
    public: Option<PublicKey>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?} {} {})", self.purpose, self.algorithm.name(), self.kid)
    }
}

impl Key {
    /// The name by which tokens refer to it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The one algorithm it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The base64url signature of a JWS signing input (RFC 7515 §5.1); `None` when
    /// the key cannot sign.
    pub fn sign(&self, input: &[u8]) -> Option<String> {
        self.signer.as_ref()?.sign(input)
    }

    /// Whether `signature` (base64url) is this key's over the signing input.
    pub fn verify_signature(&self, input: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, input, &self.decoding, self.algorithm.to_jsonwebtoken())
            .unwrap_or(false)
    }

    /// HMAC-SHA-256 of `data` under a symmetric key; `None` under any other.
    pub fn mac(&self, data: &[u8]) -> Option<[u8; 32]> {
        self.signer.as_ref()?.mac(data)
    }
}

/// The text is not a set of keys that can be used. Holds no part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON, or not a private JWK Set with the members above.
    #[error("not a private JWK Set with purpose, kid, alg, nbf for each key")]
    Malformed,
    /// No keys in it, as in a secret before its first rotation.
    #[error("there are no keys")]
    Empty,
    /// A `kid` that is not 1 to 64 of `A–Z a–z 0–9 - _`.
    #[error("a kid is 1 to 64 of A-Z a-z 0-9 - _")]
    KeyId,
    /// Two keys of one purpose with the same `kid`.
    #[error("two keys have the kid {0}")]
    Duplicate(String),
    /// A key that cannot be used as what it says it is; with its `kid`.
    #[error("the key {0} cannot be used with its alg and purpose")]
    Unusable(String),
}

/// The keys a function has in hand.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Reads a private JWK Set.
    ///
    /// # Errors
    /// [`KeySetError`]: one unusable key makes the whole set unusable, so that a
    /// mistake shows at once and not at the next rotation.
    pub fn parse(text: &str) -> Result<Self, KeySetError> {
        if text.trim().is_empty() {
            return Err(KeySetError::Empty);
        }
        let set: PrivateJwkSet = serde_json::from_str(text).map_err(|_| KeySetError::Malformed)?;
        if set.keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(set.keys.len());
        for jwk in &set.keys {
            if !is_key_id(&jwk.kid) {
                return Err(KeySetError::KeyId);
            }
            if keys.iter().any(|key| key.purpose == jwk.purpose && key.kid == jwk.kid) {
                return Err(KeySetError::Duplicate(jwk.kid.clone()));
            }
            keys.push(load_key(jwk).ok_or_else(|| KeySetError::Unusable(jwk.kid.clone()))?);
        }
        Ok(Self { keys })
    }

    /// The keys of a public JWK Set, which verify access tokens and sign nothing.
    ///
    /// # Errors
    /// [`KeySetError`], as for a private one.
    pub fn from_public(set: PublicKeySet) -> Result<Self, KeySetError> {
        if set.keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        let mut keys: Vec<Key> = Vec::with_capacity(set.keys.len());
        for public in set.keys {
            if !is_key_id(public.kid()) {
                return Err(KeySetError::KeyId);
            }
            let kid = public.kid().to_owned();
            if keys.iter().any(|key| key.kid == kid) {
                return Err(KeySetError::Duplicate(kid));
            }
            let decoding = public.decoding_key().ok_or_else(|| KeySetError::Unusable(kid.clone()))?;
            keys.push(Key {
                kid,
                purpose: Purpose::Access,
                algorithm: public.algorithm(),
                not_before: NumericDate::from_timestamp(Timestamp::from_seconds(0)),
                signer: None,
                decoding,
                public: Some(public),
            });
        }
        Ok(Self { keys })
    }

    /// What its keys are for.
    pub fn purposes(&self) -> impl Iterator<Item = Purpose> {
        self.keys.iter().map(|key| key.purpose)
    }

    /// The names of its keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }

    /// The keys of both sets.
    pub fn merged(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    /// The key that signs now: the newest of its purpose whose `nbf` has passed.
    pub fn signing_key(&self, purpose: Purpose, now: Timestamp) -> Option<&Key> {
        self.keys
            .iter()
            .filter(|key| key.purpose == purpose && key.signer.is_some() && key.not_before.timestamp() <= now)
            .max_by_key(|key| key.not_before)
    }

    /// The oldest key of a purpose: one that stays the same while newer ones come.
    pub fn oldest_key(&self, purpose: Purpose) -> Option<&Key> {
        self.keys.iter().filter(|key| key.purpose == purpose).min_by_key(|key| key.not_before)
    }

    /// The key of a purpose with a `kid`.
    pub fn find(&self, purpose: Purpose, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.purpose == purpose && key.kid == kid)
    }

    /// The public halves of the keys of access tokens.
    pub fn public(&self) -> PublicKeySet {
        PublicKeySet { keys: self.keys.iter().filter_map(|key| key.public.clone()).collect() }
    }
}

/// What a `kid` may look like, in a key set and in a token's header.
pub(crate) fn is_key_id(kid: &str) -> bool {
    (1..=64).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn load_key(jwk: &PrivateJwk) -> Option<Key> {
    if !jwk.may_sign() {
        return None;
    }
    let (signer, decoding) = match (jwk.purpose, jwk.alg, &jwk.material) {
        (Purpose::Access, Algorithm::RS256, Material::Rsa { n, e, .. })
            if decode_number(n).is_some() && decode_number(e).is_some() =>
        {
            let mut der = rsa_private_key_der(&jwk.material)?;
            // 2048 bits at least, and a private half that belongs to the public one.
            let pair = RsaKeyPair::from_der(&der);
            der.zeroize();
            if has_primes_of_roca(&encoding::decode(n)?) {
                return None;
            }
            (Signer::Rsa(pair.ok()?), DecodingKey::from_rsa_components(n, e).ok()?)
        }
        (Purpose::Access, Algorithm::ES256, Material::EC { crv, x, y, d }) if crv == "P-256" => {
            let point = [vec![4], decode_coordinate(x)?, decode_coordinate(y)?].concat();
            let pair = EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &encoding::decode(d)?,
                &point,
            );
            (Signer::Ecdsa(pair.ok()?), DecodingKey::from_ec_components(x, y).ok()?)
        }
        (Purpose::Access, Algorithm::EdDSA, Material::Okp { crv, x, d }) if crv == "Ed25519" => {
            let pair = Ed25519KeyPair::from_seed_and_public_key(&encoding::decode(d)?, &encoding::decode(x)?);
            (Signer::Ed25519(pair.ok()?), DecodingKey::from_ed_components(x).ok()?)
        }
        (Purpose::Refresh | Purpose::Attempts, Algorithm::HS256, Material::Octets { k }) => {
            let mut octets = encoding::decode(k)?;
            // RFC 7518 §3.2: at least as long as the hash. An empty key would accept
            // what anyone signs.
            if octets.len() < 32 {
                return None;
            }
            let signer = Signer::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &octets)));
            let decoding = DecodingKey::from_secret(&octets);
            octets.zeroize();
            (signer, decoding)
        }
        _ => return None,
    };
    Some(Key {
        kid: jwk.kid.clone(),
        purpose: jwk.purpose,
        algorithm: jwk.alg,
        not_before: jwk.nbf,
        signer: Some(signer),
        decoding,
        public: public_half(jwk),
    })
}

/// Whether an RSA modulus was made by Infineon's chips (ROCA, CVE-2017-15361), so that the
/// private key can be computed from it: modulo each of these primes it is a power of 65537.
/// So is one other modulus in 200 million.
fn has_primes_of_roca(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
        107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let residue = modulus.iter().fold(0, |residue, byte| (residue * 256 + u32::from(*byte)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65537 % prime) % prime));
        // From the order of the group on they repeat.
        powers.take(*prime as usize).any(|power| power == residue)
    })
}

/// The `RSAPrivateKey` (RFC 8017 §A.1.2) of a JWK's members.
fn rsa_private_key_der(material: &Material) -> Option<Vec<u8>> {
    let Material::Rsa { n, e, d, p, q, dp, dq, qi } = material else { return None };
    let mut parts: Vec<Vec<u8>> = Vec::with_capacity(8);
    for part in [n, e, d, p, q, dp, dq, qi] {
        parts.push(encoding::decode(part)?);
    }
    let [n, e, d, p, q, dp, dq, qi] = parts.as_slice() else { return None };
    let integer = |bytes| UintRef::new(bytes).ok();
    let key = pkcs1::RsaPrivateKey {
        modulus: integer(n)?,
        public_exponent: integer(e)?,
        private_exponent: integer(d)?,
        prime1: integer(p)?,
        prime2: integer(q)?,
        exponent1: integer(dp)?,
        exponent2: integer(dq)?,
        coefficient: integer(qi)?,
        other_prime_infos: None,
    };
    let der = key.to_der().ok();
    parts.iter_mut().for_each(Zeroize::zeroize);
    der
}

#[cfg(test)]
mod tests;
