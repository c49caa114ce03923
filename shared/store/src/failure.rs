//! How a call to DynamoDB or Secrets Manager, or to anything else that a function needs, fails.

use std::fmt;

/// What failed, and whether the same request may succeed a moment later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something did not respond in time; the same request may succeed a moment later.
    #[error("{} is unavailable: {}", .0.operation, .0.detail)]
    Unavailable(Cause),
    /// Something is wrong that no retry fixes: a missing table, a rejected permission, an item
    /// with the wrong attributes. Raises an alarm.
    #[error("{} failed: {}", .0.operation, .0.detail)]
    Internal(Cause),
}

impl Failure {
    /// [`Failure::Unavailable`] with the operation and its error.
    pub fn unavailable(operation: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self::Unavailable(Cause::new(operation, detail))
    }

    /// [`Failure::Internal`] with the operation and its error.
    pub fn internal(operation: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self::Internal(Cause::new(operation, detail))
    }

    /// What failed.
    pub fn cause(&self) -> &Cause {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => cause,
        }
    }
}

/// The operation that failed and its error, for the log only; it never reaches a client.
///
/// `detail` must come from our own code or from an error code of a service:
/// never from a request, an item's content or a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The operation, such as `sessions.rotate`.
    pub operation: &'static str,
    /// The service's error code or our own words.
    pub detail: String,
}

impl Cause {
    fn new(operation: &'static str, detail: &(impl fmt::Display + ?Sized)) -> Self {
        Self { operation, detail: detail.to_string() }
    }
}
