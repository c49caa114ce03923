//! JSON Web Keys (RFC 7517): private ones as a key file or a secret holds them, public
//! ones as the world sees them.

use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::encoding;
use crate::numeric_date::NumericDate;

/// What a key is for. A key of one purpose never serves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Signs access tokens; its public half is in the JWK Set.
    Access,
    /// Signs refresh tokens.
    Refresh,
    /// Turns emails into keys of tables, so that a dump does not show them.
    Attempts,
}

/// The purposes of the keys in the secret with the access keys.
pub const ACCESS_SECRET_PURPOSES: [Purpose; 1] = [Purpose::Access];
/// The purposes of the keys in the other secret, which functions read that sign nothing for
/// the owner's API.
pub const REFRESH_SECRET_PURPOSES: [Purpose; 2] = [Purpose::Refresh, Purpose::Attempts];

impl Purpose {
    /// Its name in a key file, a secret and the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Attempts => "attempts",
        }
    }
}

/// How a key signs (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
    /// HMAC with SHA-256.
    HS256,
}

impl Algorithm {
    /// The `alg` of a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::HS256 => "HS256",
        }
    }

    pub(super) fn to_jsonwebtoken(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// A private JWK as a key file or a secret holds it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct PrivateJwk {
    pub(super) purpose: Purpose,
    pub(super) kid: String,
    pub(super) alg: Algorithm,
    pub(super) nbf: NumericDate,
    /// RFC 7517 §4.2. Our own keys have a purpose instead.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<String>,
    /// RFC 7517 §4.3. The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key_ops: Option<Vec<String>>,
    #[serde(flatten)]
    pub(super) material: Material,
}

impl PrivateJwk {
    /// Whether nothing that it says of itself is against signing. A service that decrypts
    /// with an RSA key can be made to sign with it (Bleichenbacher 1998).
    pub(super) fn may_sign(&self) -> bool {
        self.usage.as_ref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "sign"))
    }
}

/// The members of a private JWK that are the key itself (RFC 7518 §6, RFC 8037 §2).
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub(super) enum Material {
    #[serde(rename = "RSA")]
    Rsa {
        n: String,
        e: String,
        d: String,
        p: String,
        q: String,
        dp: String,
        dq: String,
        qi: String,
    },
    EC {
        crv: String,
        x: String,
        y: String,
        d: String,
    },
    #[serde(rename = "OKP")]
    Okp {
        crv: String,
        x: String,
        d: String,
    },
    #[serde(rename = "oct")]
    Octets {
        k: String,
    },
}

impl Drop for Material {
    fn drop(&mut self) {
        match self {
            Self::Rsa { d, p, q, dp, dq, qi, .. } => [d, p, q, dp, dq, qi].into_iter().for_each(Zeroize::zeroize),
            Self::EC { d, .. } | Self::Okp { d, .. } => d.zeroize(),
            Self::Octets { k } => k.zeroize(),
        }
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct PrivateJwkSet {
    pub(super) keys: Vec<PrivateJwk>,
    /// The version of the secret that this set was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) based_on: Option<String>,
}

/// A public JWK: a type that has no member for a private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    kid: String,
    alg: Algorithm,
    #[serde(rename = "use")]
    usage: String,
    #[serde(flatten)]
    material: PublicMaterial,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
enum PublicMaterial {
    #[serde(rename = "RSA")]
    Rsa {
        n: String,
        e: String,
    },
    EC {
        crv: String,
        x: String,
        y: String,
    },
    #[serde(rename = "OKP")]
    Okp {
        crv: String,
        x: String,
    },
}

/// The public JWK Set (RFC 7517 §5): what verifies access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeySet {
    pub(super) keys: Vec<PublicKey>,
}

impl PublicKey {
    /// The name by which tokens refer to it.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The one algorithm it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// The key that verifies; `None` when its members are not those of its algorithm.
    pub(super) fn decoding_key(&self) -> Option<DecodingKey> {
        if self.usage != "sig" {
            return None;
        }
        match (self.alg, &self.material) {
            (Algorithm::RS256, PublicMaterial::Rsa { n, e }) => {
                let modulus = decode_number(n)?;
                decode_number(e).filter(|_| modulus.len() >= MIN_RSA_BYTES)?;
                DecodingKey::from_rsa_components(n, e).ok()
            }
            (Algorithm::ES256, PublicMaterial::EC { crv, x, y }) if crv == "P-256" => {
                decode_coordinate(x).and(decode_coordinate(y))?;
                DecodingKey::from_ec_components(x, y).ok()
            }
            (Algorithm::EdDSA, PublicMaterial::Okp { crv, x }) if crv == "Ed25519" => {
                decode_coordinate(x)?;
                DecodingKey::from_ed_components(x).ok()
            }
            _ => None,
        }
    }
}

/// 2048 bits (RFC 7518 §3.3).
const MIN_RSA_BYTES: usize = 256;

/// A number without a zero in front (RFC 7518 §2), which verifiers would take in different ways.
pub(super) fn decode_number(text: &str) -> Option<Vec<u8>> {
    encoding::decode(text).filter(|bytes| bytes.first().is_some_and(|first| *first != 0))
}

/// The 32 bytes of a coordinate (RFC 7518 §6.2.1.2, RFC 8037 §2).
pub(super) fn decode_coordinate(text: &str) -> Option<Vec<u8>> {
    encoding::decode(text).filter(|bytes| bytes.len() == 32)
}

impl PublicKeySet {
    /// A set of these keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Its keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The names of the algorithms in use, each once.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.keys.iter().map(|key| key.alg.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The public half of a private JWK; a symmetric key has none.
pub(super) fn public_half(jwk: &PrivateJwk) -> Option<PublicKey> {
    let material = match &jwk.material {
        Material::Rsa { n, e, .. } => PublicMaterial::Rsa { n: n.clone(), e: e.clone() },
        Material::EC { crv, x, y, .. } => PublicMaterial::EC { crv: crv.clone(), x: x.clone(), y: y.clone() },
        Material::Okp { crv, x, .. } => PublicMaterial::Okp { crv: crv.clone(), x: x.clone() },
        Material::Octets { .. } => return None,
    };
    Some(PublicKey { kid: jwk.kid.clone(), alg: jwk.alg, usage: "sig".to_owned(), material })
}
