//! Private keys, parsed once.
//!
//! `jsonwebtoken` verifies here, but does not sign: its `EncodingKey` is the key's encoding,
//! which it parses for every signature, and for RSA that takes longer than the signature.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::encoding;

/// A private key that is ready to sign. It knows its algorithm; nothing else chooses one.
pub(super) enum Signer {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rsa(RsaKeyPair),
    /// ECDSA with P-256 and SHA-256, in the fixed form of RFC 7518 §3.4.
    Ecdsa(EcdsaKeyPair),
    /// Ed25519 (RFC 8037 §3.1).
    Ed25519(Ed25519KeyPair),
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    Hmac(Box<hmac::Key>),
}

impl Signer {
    /// The base64url signature of a JWS signing input (RFC 7515 §5.1); `None` when the library
    /// refuses.
    pub(super) fn sign(&self, input: &[u8]) -> Option<String> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).ok()?;
                Some(encoding::encode(signature))
            }
            Self::Ecdsa(pair) => Some(encoding::encode(pair.sign(&SystemRandom::new(), input).ok()?)),
            Self::Ed25519(pair) => Some(encoding::encode(pair.sign(input))),
            Self::Hmac(key) => Some(encoding::encode(hmac::sign(key, input))),
        }
    }

    /// HMAC-SHA-256 of `data`; `None` by a key for signatures.
    pub(super) fn mac(&self, data: &[u8]) -> Option<[u8; 32]> {
        match self {
            Self::Hmac(key) => hmac::sign(key, data).as_ref().try_into().ok(),
            Self::Rsa(_) | Self::Ecdsa(_) | Self::Ed25519(_) => None,
        }
    }
}
