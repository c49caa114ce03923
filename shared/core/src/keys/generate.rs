//! Making a key, of each algorithm.

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use pkcs1::der::Decode as _;

use crate::encoding;
use crate::keys::jwk::{Algorithm, Material, PrivateJwk, Purpose};
use crate::numeric_date::NumericDate;
use crate::random;

/// A key could not be made: the generator failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key could not be generated")]
pub struct GenerateError;

/// A new key with a random `kid`.
pub(super) fn generate_key(
    purpose: Purpose,
    alg: Algorithm,
    nbf: NumericDate,
) -> Result<PrivateJwk, GenerateError> {
    let material = match purpose {
        Purpose::Access => key_pair(alg)?,
        Purpose::Refresh | Purpose::Attempts if alg == Algorithm::HS256 => octets()?,
        Purpose::Refresh | Purpose::Attempts => return Err(GenerateError),
    };
    // A letter first: on a command line a name that begins with a hyphen is a flag.
    let kid = format!("k{}", encoding::encode(random::bytes::<12>().map_err(|_| GenerateError)?));
    Ok(PrivateJwk { purpose, kid, alg, nbf, usage: None, key_ops: None, material })
}

fn octets() -> Result<Material, GenerateError> {
    let k = random::bytes::<32>().map_err(|_| GenerateError)?;
    Ok(Material::Octets { k: encoding::encode(k) })
}

fn key_pair(algorithm: Algorithm) -> Result<Material, GenerateError> {
    let material = match algorithm {
        Algorithm::RS256 => rsa(),
        Algorithm::ES256 => p256(),
        Algorithm::EdDSA => ed25519(),
        Algorithm::HS256 => None,
    };
    material.ok_or(GenerateError)
}

fn rsa() -> Option<Material> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
    let pkcs8 = pair.as_der().ok()?;
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8.as_ref()).ok()?;
    let key = pkcs1::RsaPrivateKeyRef::from_der(info.private_key.as_bytes()).ok()?;
    Some(Material::Rsa {
        n: encoding::encode(key.modulus.as_bytes()),
        e: encoding::encode(key.public_exponent.as_bytes()),
        d: encoding::encode(key.private_exponent.as_bytes()),
        p: encoding::encode(key.prime1.as_bytes()),
        q: encoding::encode(key.prime2.as_bytes()),
        dp: encoding::encode(key.exponent1.as_bytes()),
        dq: encoding::encode(key.exponent2.as_bytes()),
        qi: encoding::encode(key.coefficient.as_bytes()),
    })
}

fn p256() -> Option<Material> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
    let [4, point @ ..] = pair.public_key().as_ref() else { return None };
    let (x, y) = point.split_at_checked(32)?;
    let d = pair.private_key().as_be_bytes().ok()?;
    Some(Material::EC {
        crv: "P-256".to_owned(),
        x: encoding::encode(x),
        y: encoding::encode(y),
        d: encoding::encode(d.as_ref()),
    })
}

fn ed25519() -> Option<Material> {
    let pair = Ed25519KeyPair::generate().ok()?;
    let seed = pair.seed().ok()?.as_be_bytes().ok()?;
    Some(Material::Okp {
        crv: "Ed25519".to_owned(),
        x: encoding::encode(pair.public_key().as_ref()),
        d: encoding::encode(seed.as_ref()),
    })
}
