//! What happened: one line for each outcome, written before the answer goes out (a function
//! is frozen right after).
//!
//! A line is a JSON object. It holds fixed words, ids, numbers and keyed digests, never a
//! password, a token, a key, a session's secret or a whole email.

mod event;
mod log;
mod sampler;

pub use event::{Event, Level};
pub use log::{Log, LogFields};
