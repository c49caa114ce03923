//! The two tokens: what they say, what signs them, and what makes one valid.
//!
//! | | access token | refresh token |
//! |---|---|---|
//! | `typ` | `at+jwt` (RFC 9068) | `rt+jwt` |
//! | signed with | a private key whose public half is in the JWK Set | a symmetric key that no JWK Set shows |
//! | `aud` | the owner's API | the refresh endpoint alone |
//! | checked by | anyone | the refresh endpoint |

mod claims;
mod issuer;
mod pair;
mod sign;
mod subject;
mod verifier;
mod verify;

pub use claims::{AccessClaims, ExpectedClaims, RefreshClaims, scope_covers};
pub use issuer::{AccessToken, TokenIssuer, refresh_audience};
pub use pair::TokenPair;
pub use sign::{Claims, SignError, sign};
pub use subject::Subject;
pub use verifier::AccessTokenVerifier;
pub use verify::{
    MAX_TOKEN_BYTES, MaybeExpired, TokenError, Verified, verify_access, verify_refresh, verify_refresh_to_end,
};

pub use crate::numeric_date::NumericDate;
