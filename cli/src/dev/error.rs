//! Why the local stack did not start.

/// Why the stack did not start: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// An address cannot be listened on.
    #[error("{0}")]
    Listen(String),
    /// The template cannot be used.
    #[error("template: {0}")]
    Template(String),
    /// The database engine or a table cannot be used.
    #[error("{0}")]
    Engine(String),
    /// The key file cannot be used.
    #[error("keys: {0}")]
    Keys(String),
    /// A function's settings are wrong.
    #[error("{0}")]
    Config(String),
    /// The demo user could not be made.
    #[error("{0}")]
    Demo(String),
}
