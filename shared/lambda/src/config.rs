//! The settings of a function: the only reader of its environment.
//!
//! Everything is read and checked at start, and everything that is missing or
//! wrong is reported at once, by name. Nothing that decides about trust (issuer,
//! audience, tables, keys) has a default: a function that does not know them
//! refuses to serve.

mod read;
mod settings;

pub use settings::{AuthorizerMode, Config, ConfigError, Environment, KeySource};
