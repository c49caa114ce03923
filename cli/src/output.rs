//! What a command says on standard output.

use std::io::Write as _;

/// Prints text as it is; a reader who has gone away is no error.
#[expect(clippy::print_stdout, reason = "what a command line is for")]
pub(crate) fn print(text: &str) {
    print!("{text}");
    let _ = std::io::stdout().flush();
}
