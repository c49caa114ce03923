//! The command line as a process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, unreachable_pub, reason = "a test of its own, not a library")]

mod dev;
mod keys;
mod process;
mod users;
