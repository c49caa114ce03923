//! What a function needs besides its own logic.
//!
//! ```text
//! event → http::Request → Handler::handle → Outcome or Rejection → http::Response → log line
//! ```
//!
//! To add a route to a function: match its path in the function's [`Handler`], then declare it in
//! `template.yaml` (which the local stack reads as well), in the table of `cargo lambda watch` in
//! the workspace's `Cargo.toml`, and in `docs/openapi.yaml`. A test compares the last two with the
//! template. A new function is also listed in `cli/src/dev/invoke.rs` and in `.ci/steps.sh`.
//!
//! - [`http`] reads events and writes responses; nothing else knows HTTP.
//! - [`config`] is the only reader of the environment.
//! - [`telemetry`] defines every event and writes the log.

pub mod access;
pub mod config;
mod context;
pub mod error;
mod function;
pub mod http;
mod key_cache;
pub mod telemetry;
pub mod throttling;

pub use config::Config;
pub use context::Context;
pub use error::Error;
pub use function::{Function, Handler, Instance, Outcome, RuntimeError, millis, run, with_deadline};
pub use key_cache::KeyCache;
