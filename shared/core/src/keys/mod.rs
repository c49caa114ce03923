//! Keys: what each is for, how they are stored, and how they are replaced.
//!
//! A [`PrivateKeySet`] is the text of a key file or a secret, to be changed; a [`KeySet`] is
//! ready to sign and verify; a [`PublicKeySet`] is what everyone may know.

mod generate;
mod jwk;
mod key_set;
mod private_key_set;
mod rotation;
mod signer;

pub use generate::GenerateError;
pub use jwk::{ACCESS_SECRET_PURPOSES, Algorithm, PublicKey, PublicKeySet, Purpose, REFRESH_SECRET_PURPOSES};
pub(crate) use key_set::is_key_id;
pub use key_set::{Key, KeySet, KeySetError};
pub use private_key_set::{KeyInfo, PrivateKeySet, generate};
pub use rotation::{ACCESS_LEAD, MAX_STALE_SIGNING, REFRESH_LEAD, retirable_at, rotate_keys};
