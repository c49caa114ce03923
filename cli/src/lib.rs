//! The `relatch` command as a library: the local stack, which the end-to-end tests
//! start in their own process, and the commands on users, sessions and keys.

mod aws;
pub mod dev;
mod error;
pub mod keys;
mod output;
pub mod sessions;
mod target;
pub mod users;

pub use error::CommandError;
