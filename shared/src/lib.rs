//! Everything that is true about tokens, passwords, users and sessions.
//!
//! # The concepts
//!
//! - A [`user`] is an immutable id with an email, a password's hash and a state.
//! - A [`session`] begins with a sign-in. It holds a generation counter, and the rules
//!   by which a refresh token is traded for the next one are in its module.
//! - [`attempts`] to sign in are counted before a password is compared ([`throttle`]).
//! - Two tokens speak for a session ([`token`]): the access token, which guards the
//!   owner's routes for minutes, and the refresh token, which stands for one
//!   generation of the session.
//! - The [`store`] keeps users, sessions and attempts in DynamoDB.
//!
//! # The two flows
//!
//! ```text
//! sign-in   event → email, password ─┬─ credential ─┬→┬─ bcrypt ─┬→ open → put session → both tokens
//!                                    └─ attempts ───┘ └─ user ───┘
//! refresh   event → refresh token → verify ─┬─ rotate session ┬→ decide → both tokens
//!                                           └─ user ──────────┘
//! ```
//!
//! Decisions ([`session::decide`], [`attempts::decide`], [`password::is_right`], [`token::verify_refresh`]) are
//! pure: the time and random values are arguments. HTTP is known in [`http`] only,
//! DynamoDB in [`store`] only, the environment in [`config`] only.

pub mod access;
mod address;
pub mod attempts;
mod aws;
pub mod config;
mod email;
mod encoding;
pub mod error;
pub mod http;
pub mod lambda;
mod origin;
pub mod password;
pub mod random;
mod secret;
pub mod secrets;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod throttle;
pub mod time;
pub mod token;
pub mod user;

pub use address::Address;
pub use config::Config;
pub use email::{Email, InvalidEmail};
pub use error::Error;
pub use origin::AllowedOrigins;
pub use secret::Secret;
pub use secrets::Secrets;
pub use store::Store;
