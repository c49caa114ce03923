//! Verifying: an unverified text in, [`Verified`] claims or a [`TokenError`] out.
//!
//! The order matters: form, key, signature, and only then a claim. The header is
//! read strictly: exactly `alg`, `kid` and `typ`, each once. So `jwk`, `jku`, `x5u`,
//! `x5c`, `crit` and `b64` are refused with every other member that could ask for
//! another way to verify. The signature itself is `jsonwebtoken`'s; its claim checks
//! are not used, because they skip what is absent, allow arrays and lists of values,
//! know neither `typ` nor a future `iat`, and read the clock themselves.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::encoding;
use crate::keys::{KeySet, is_key_id};
use crate::lifetime::{MAX_ACCESS_TOKEN_TTL, MAX_SESSION_AGE};
use crate::numeric_date::NumericDate;
use crate::time::Timestamp;
use crate::token::claims::{AccessClaims, ExpectedClaims, RefreshClaims};
use crate::token::sign::Claims;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// How far the clock of the instance that issued a token may be ahead of ours; for `iat` and
/// `nbf` only. `exp` has no leeway.
const LEEWAY: Duration = Duration::from_secs(5);

/// Claims whose signature, type, issuer, audience and times were all checked. Only
/// this module can make one.
#[derive(Clone, Debug)]
pub struct Verified<C>(C);

impl<C> std::ops::Deref for Verified<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// Claims of which everything was checked but whether they have expired. Enough to end a
/// session, and for nothing else.
#[derive(Clone, Debug)]
pub struct MaybeExpired<C>(C);

impl<C> std::ops::Deref for MaybeExpired<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

/// The first thing that is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("too_long")]
    TooLong,
    /// Not three parts of strict base64url, or a header that is not exactly
    /// `alg`, `kid` and `typ`.
    #[error("malformed")]
    Malformed,
    /// The `typ` is not that of the expected kind of token.
    #[error("wrong_type")]
    Type,
    /// No key of the purpose has this `kid`: a forgery, or a key we have not loaded yet.
    #[error("unknown_key")]
    UnknownKey,
    /// The header's `alg` is not the key's.
    #[error("wrong_algorithm")]
    Algorithm,
    /// The signature is not the key's over this header and payload.
    #[error("bad_signature")]
    Signature,
    /// A claim is missing, is there twice or has the wrong type.
    #[error("bad_claims")]
    Claims,
    /// The `iss` is not this deployment's, to the letter.
    #[error("wrong_issuer")]
    Issuer,
    /// The `aud` is not the expected one, to the letter.
    #[error("wrong_audience")]
    Audience,
    /// `exp` is reached.
    #[error("expired")]
    Expired,
    /// `iat` or `nbf` is more than the leeway ahead.
    #[error("not_yet_valid")]
    NotYetValid,
    /// `exp` is not after `iat`, or later than any setting allows.
    #[error("bad_lifetime")]
    Lifetime,
}

/// Verifies an access token.
///
/// # Errors
/// The first [`TokenError`].
pub fn verify_access(
    unverified: &str,
    keys: &KeySet,
    expected: &ExpectedClaims,
    now: Timestamp,
) -> Result<Verified<AccessClaims>, TokenError> {
    let claims: AccessClaims = signed_claims(unverified, keys)?;
    check(
        &Common { iss: &claims.iss, aud: &claims.aud, exp: claims.exp, iat: claims.iat, nbf: claims.nbf },
        expected,
        MAX_ACCESS_TOKEN_TTL,
        Expiry::Checked,
        now,
    )?;
    Ok(Verified(claims))
}

/// Verifies a refresh token.
///
/// # Errors
/// The first [`TokenError`].
pub fn verify_refresh(
    unverified: &str,
    keys: &KeySet,
    expected: &ExpectedClaims,
    now: Timestamp,
) -> Result<Verified<RefreshClaims>, TokenError> {
    refresh_claims(unverified, keys, expected, Expiry::Checked, now).map(Verified)
}

/// Verifies a refresh token whose session is to be ended: an expired one will do.
///
/// # Errors
/// The first [`TokenError`], but never [`TokenError::Expired`].
pub fn verify_refresh_to_end(
    unverified: &str,
    keys: &KeySet,
    expected: &ExpectedClaims,
    now: Timestamp,
) -> Result<MaybeExpired<RefreshClaims>, TokenError> {
    refresh_claims(unverified, keys, expected, Expiry::Ignored, now).map(MaybeExpired)
}

fn refresh_claims(
    unverified: &str,
    keys: &KeySet,
    expected: &ExpectedClaims,
    expiry: Expiry,
    now: Timestamp,
) -> Result<RefreshClaims, TokenError> {
    let claims: RefreshClaims = signed_claims(unverified, keys)?;
    check(
        &Common { iss: &claims.iss, aud: &claims.aud, exp: claims.exp, iat: claims.iat, nbf: claims.nbf },
        expected,
        MAX_SESSION_AGE,
        expiry,
        now,
    )?;
    Ok(claims)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Form, key and signature; the claims come back with nothing but those checked.
fn signed_claims<C: Claims + DeserializeOwned>(unverified: &str, keys: &KeySet) -> Result<C, TokenError> {
    if unverified.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::TooLong);
    }
    let (message, signature) = unverified.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let (Some(header), Some(payload)) = (encoding::decode(header), encoding::decode(payload)) else {
        return Err(TokenError::Malformed);
    };
    let header: Header = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.typ != C::TYPE {
        return Err(TokenError::Type);
    }
    let key = Some(header.kid.as_str())
        .filter(|kid| is_key_id(kid))
        .and_then(|kid| keys.find(C::PURPOSE, kid))
        .ok_or(TokenError::UnknownKey)?;
    if header.alg != key.algorithm().name() {
        return Err(TokenError::Algorithm);
    }
    if !key.verify_signature(message.as_bytes(), signature) {
        return Err(TokenError::Signature);
    }
    serde_json::from_slice(&payload).map_err(|_| TokenError::Claims)
}

/// The registered claims that both kinds have.
struct Common<'a> {
    iss: &'a str,
    aud: &'a str,
    exp: NumericDate,
    iat: NumericDate,
    nbf: Option<NumericDate>,
}

/// Whether a token that has expired is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    Checked,
    Ignored,
}

fn check(
    claims: &Common<'_>,
    expected: &ExpectedClaims,
    max_life: Duration,
    expiry: Expiry,
    now: Timestamp,
) -> Result<(), TokenError> {
    if claims.iss != expected.issuer {
        return Err(TokenError::Issuer);
    }
    if claims.aud != expected.audience {
        return Err(TokenError::Audience);
    }
    let (exp, iat) = (claims.exp.timestamp(), claims.iat.timestamp());
    if expiry == Expiry::Checked && now >= exp {
        return Err(TokenError::Expired);
    }
    let latest_start = now + LEEWAY;
    if iat > latest_start || claims.nbf.is_some_and(|nbf| nbf.timestamp() > latest_start) {
        return Err(TokenError::NotYetValid);
    }
    if exp <= iat || exp > iat + max_life {
        return Err(TokenError::Lifetime);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
