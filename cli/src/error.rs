//! Why a command failed: one line for the person who typed it.

use std::fmt;

/// One line that says what went wrong and, where it helps, what to do.
#[derive(Debug)]
pub struct CommandError(String);

impl CommandError {
    /// The line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommandError {}

impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<relatch::Error> for CommandError {
    fn from(error: relatch::Error) -> Self {
        Self(error.to_string())
    }
}
