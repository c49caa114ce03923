//! The two tokens: what they say, what signs them, and what makes one valid.
//!
//! | | access token | refresh token |
//! |---|---|---|
//! | `typ` | `at+jwt` (RFC 9068) | `rt+jwt` |
//! | signed with | a private key whose public half is in the JWK Set | a symmetric key that no JWK Set shows |
//! | `aud` | the owner's API | the refresh endpoint alone |
//! | checked by | anyone | the refresh endpoint |

mod claims;
mod generate;
mod jwk;
mod keyring;
mod keys;
mod pair;
mod rotation;
mod sign;
mod signer;
mod stored;
mod subject;
mod verifier;
mod verify;

pub use claims::{AccessClaims, AccessToken, Issuance, NumericDate, RefreshClaims, scope_covers};
pub use generate::GenerateError;
pub use jwk::{Algorithm, PublicKey, PublicKeySet, Purpose};
pub use keyring::{IN_ACCESS_SECRET, IN_REFRESH_SECRET, KeyRing};
pub use keys::{Key, KeySet, KeySetError};
pub use pair::TokenPair;
pub use rotation::{ACCESS_LEAD, OTHER_LEAD, last_needed, rotated};
pub use sign::{Claims, sign};
pub use stored::{KeyInfo, StoredKeys, generate};
pub use subject::Subject;
pub use verifier::AccessTokenVerifier;
pub use verify::{
    MAX_TOKEN_BYTES, MaybeExpired, TokenError, Verified, verify_access, verify_refresh, verify_refresh_to_end,
};
