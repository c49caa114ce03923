//! What a command says on standard output.

use std::io::Write as _;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use relatch::time::Timestamp;

/// Prints text as it is; a reader who has gone away is no error.
#[expect(clippy::print_stdout, reason = "what a command line is for")]
pub(crate) fn print(text: &str) {
    print!("{text}");
    let _ = std::io::stdout().flush();
}

/// An instant to the second, such as `2026-03-10T09:24:15Z` (RFC 3339).
pub(crate) fn instant(at: Timestamp) -> String {
    let text = DateTime::from_secs(at.seconds()).fmt(DateTimeFormat::DateTime);
    text.unwrap_or_else(|_| at.seconds().to_string())
}
