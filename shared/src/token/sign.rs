//! Signing: claims and a key in, a compact JWS (RFC 7515 §7.1) out.

use serde::Serialize;

use super::claims::{AccessClaims, RefreshClaims};
use super::jwk::Purpose;
use super::keys::Key;
use crate::encoding;
use crate::error::Error;

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
/// [`Error::Internal`] when the key refuses, or is of another purpose.
pub fn sign<C: Claims>(claims: &C, key: &Key) -> Result<String, Error> {
    if key.purpose != C::PURPOSE {
        return Err(Error::internal("token.sign", "the key is for another purpose"));
    }
    let header = Header { alg: key.algorithm().name(), kid: key.kid(), typ: C::TYPE };
    let mut token = format!("{}.{}", part(&header)?, part(claims)?);
    let signature =
        key.sign(token.as_bytes()).ok_or_else(|| Error::internal("token.sign", "the key cannot sign"))?;
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

fn part(value: &impl Serialize) -> Result<String, Error> {
    let json =
        serde_json::to_vec(value).map_err(|_| Error::internal("token.sign", "the claims cannot be written"))?;
    Ok(encoding::encode(json))
}
