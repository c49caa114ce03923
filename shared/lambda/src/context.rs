//! What a function is given to work with.

use relatch::time::Clock;

use crate::config::Config;
use crate::telemetry::Log;

/// What a function is given to work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The clock, read once for a request.
    pub clock: Clock,
    /// The log.
    pub log: Log,
}
