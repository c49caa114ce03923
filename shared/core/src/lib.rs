//! Tokens and credentials: everything about a sign-in that is decided without a network.
//!
//! # The concepts
//!
//! - A [`user`] is an immutable id with an email, a password's hash and a state.
//! - A [`session`] begins with a sign-in. It holds a generation counter; the policy by which a
//!   refresh token is traded for the next one is above [`session::decide`].
//! - Attempts to sign in are counted before a password is compared; [`throttling`] holds the
//!   policy.
//! - Two [`token`]s speak for a session: the access token, which guards the owner's routes for
//!   minutes, and the refresh token, which stands for one generation of the session.
//! - [`keys`] sign them.
//!
//! Everything here is pure: the time and random values are arguments. DynamoDB and Secrets
//! Manager are in `relatch-store`, HTTP and the environment in `relatch-lambda`.
//!
//! A service that only verifies access tokens needs nothing but this crate; see
//! [`token::AccessTokenVerifier`].

pub mod address;
pub mod email;
mod encoding;
pub mod keys;
pub mod lifetime;
mod numeric_date;
pub mod password;
pub mod random;
pub mod secret;
pub mod session;
pub mod throttling;
pub mod time;
pub mod token;
pub mod user;

pub use address::Address;
pub use email::{Email, InvalidEmail};
pub use secret::Secret;
