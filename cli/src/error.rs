//! Why a command failed: one line for the person who typed it.

use relatch::random::RandomError;
use relatch_store::Failure;

/// One line that says what went wrong and, where it helps, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(String);

impl CommandError {
    /// The line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

impl From<RandomError> for CommandError {
    fn from(error: RandomError) -> Self {
        Self(error.to_string())
    }
}
