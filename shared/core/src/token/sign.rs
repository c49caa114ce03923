//! Signing: claims and a key in, a compact JWS (RFC 7515 §7.1) out.

use serde::Serialize;

use crate::encoding;
use crate::keys::{Key, Purpose};
use crate::token::claims::{AccessClaims, RefreshClaims};

/// A token could not be signed. Holds no part of a key or of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No key of the purpose has started yet.
    #[error("no key may sign yet")]
    NoKey,
    /// The key is for another purpose.
    #[error("the key is for another purpose")]
    Purpose,
    /// The key has no private half, or the library refuses.
    #[error("the key cannot sign")]
    Key,
    /// The claims have no JSON text.
    #[error("the claims cannot be written")]
    Claims,
}

/// A token of one kind: its header's `typ` and the purpose of the keys that sign it.
pub trait Claims: Serialize {
    /// The `typ` of the header, which keeps the kinds apart (RFC 8725 §3.11).
    const TYPE: &'static str;
    /// The purpose of the keys that sign and verify it.
    const PURPOSE: Purpose;
}

impl Claims for AccessClaims {
    const TYPE: &'static str = "at+jwt";
    const PURPOSE: Purpose = Purpose::Access;
}

impl Claims for RefreshClaims {
    const TYPE: &'static str = "rt+jwt";
    const PURPOSE: Purpose = Purpose::Refresh;
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// Signs claims with a key of their purpose.
///
/// # Errors
/// [`SignError`], but never [`SignError::NoKey`].
pub fn sign<C: Claims>(claims: &C, key: &Key) -> Result<String, SignError> {
    if key.purpose() != C::PURPOSE {
        return Err(SignError::Purpose);
    }
    let header = Header { alg: key.algorithm().name(), kid: key.kid(), typ: C::TYPE };
    let mut token = format!("{}.{}", encode_part(&header)?, encode_part(claims)?);
    let signature = key.sign(token.as_bytes()).ok_or(SignError::Key)?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

fn encode_part(value: &impl Serialize) -> Result<String, SignError> {
    serde_json::to_vec(value).map(encoding::encode).map_err(|_| SignError::Claims)
}
