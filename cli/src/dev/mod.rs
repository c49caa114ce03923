//! `relatch dev`: everything on one machine, in one process.

pub mod chaos;
mod command;
mod cookie;
pub mod demo;
pub mod engine;
pub(crate) mod environment;
mod error;
mod event;
pub mod gateway;
mod guard;
pub mod invoke;
mod keys;
pub mod playground;
mod pretty_log;
mod stack;
pub mod template;

pub use command::{Args, run};
pub use error::StackError;
pub use stack::{Stack, StackOptions};
