//! `relatch users add`: one user, with a password that never stands on a command line.

use std::io::Read as _;
use std::process::ExitCode;

use relatch::password::{MAX_BYTES, NewPassword, PasswordHash};
use relatch::store::{Added, NewUser};
use relatch::time::Clock;
use relatch::user::UserId;
use relatch::{Email, Secret, random};

use crate::CommandError;
use crate::output::print;
use crate::target::Connected;

/// The flags that describe the user.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The email that the user signs in with
    email: String,
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

/// A user as the command line describes it.
pub(super) struct Described {
    email: Email,
    password: NewPassword,
}

impl Args {
    /// Checks the email and reads the password.
    pub(super) fn read(self) -> Result<Described, CommandError> {
        let email = Email::parse(&self.email).map_err(|error| CommandError::new(error.to_string()))?;
        let password = if self.password_stdin { from_stdin()? } else { from_terminal()? };
        let password =
            NewPassword::parse(password.expose()).map_err(|error| CommandError::new(error.to_string()))?;
        Ok(Described { email, password })
    }
}

/// All of standard input, without the line end that `echo` adds.
fn from_stdin() -> Result<Secret, CommandError> {
    let mut text = String::new();
    // One byte more than any password with its line end: longer input is refused, not cut.
    let longest = MAX_BYTES + "\r\n".len() + 1;
    std::io::stdin()
        .take(u64::try_from(longest).unwrap_or(u64::MAX))
        .read_to_string(&mut text)
        .map_err(|error| CommandError::new(format!("the password on standard input: {error}")))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Secret::new(password))
}

fn from_terminal() -> Result<Secret, CommandError> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map(Secret::new).map_err(|error| {
            CommandError::new(format!("no terminal to ask for the password ({error}); use --password-stdin"))
        })
    };
    let password = ask("Password: ")?;
    if ask("Again: ")? != password {
        return Err(CommandError::new("the two passwords differ; nothing was added"));
    }
    Ok(password)
}

/// Adds the user.
pub(super) async fn run(user: Described, connected: &Connected) -> Result<ExitCode, CommandError> {
    let Described { email, password } = user;
    let password_hash = PasswordHash::create(&password, connected.bcrypt_cost, random::bytes()?)
        .map_err(|error| CommandError::new(error.to_string()))?;
    let id = UserId::from_random(random::bytes()?);
    let new = NewUser { id: id.clone(), email: email.clone(), password_hash, now: Clock::system().now() };
    match connected.store.add_user(&new).await? {
        Added::New => {
            print(&format!("added {} (sub {})\n", email.as_str(), id.as_str()));
            Ok(ExitCode::SUCCESS)
        }
        Added::EmailExists | Added::IdExists => {
            Err(CommandError::new(format!("{} is a user already; nothing was changed", email.as_str())))
        }
    }
}
