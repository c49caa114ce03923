//! Reading a password that is to be set; it never stands on a command line.

use std::io::Read as _;

use relatch::password::{MAX_BYTES, NewPassword, PasswordHash};
use relatch::{Email, Secret, random};

use crate::CommandError;

/// The flag that says where the password comes from.
#[derive(clap::Args, Debug)]
pub(super) struct PasswordArgs {
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordArgs {
    /// Reads a user's password and checks it by the rules.
    pub(super) fn read(&self, email: &Email) -> Result<NewPassword, CommandError> {
        let password = if self.password_stdin { read_from_stdin()? } else { read_from_terminal()? };
        NewPassword::parse(password.expose(), email).map_err(|error| CommandError::new(error.to_string()))
    }
}

/// Hashes a password at a deployment's cost.
pub(super) fn hash(password: &NewPassword, cost: u32) -> Result<PasswordHash, CommandError> {
    PasswordHash::create(password, cost, random::bytes()?).map_err(|error| CommandError::new(error.to_string()))
}

/// All of standard input, without the line end that `echo` adds.
fn read_from_stdin() -> Result<Secret, CommandError> {
    let mut text = String::new();
    // One byte more than any password with its line end: longer input is refused, not cut.
    let max_input = MAX_BYTES + "\r\n".len() + 1;
    let read = std::io::stdin().take(u64::try_from(max_input).unwrap_or(u64::MAX)).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|error| CommandError::new(format!("the password on standard input: {error}")))?;
    let line = text.expose();
    Ok(Secret::new(line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))))
}

fn read_from_terminal() -> Result<Secret, CommandError> {
    let read = |prompt: &str| {
        rpassword::prompt_password(prompt).map(Secret::new).map_err(|error| {
            CommandError::new(format!("no terminal to ask for the password ({error}); use --password-stdin"))
        })
    };
    let password = read("Password: ")?;
    if read("Again: ")? != password {
        return Err(CommandError::new("the two passwords differ; nothing was changed"));
    }
    Ok(password)
}
