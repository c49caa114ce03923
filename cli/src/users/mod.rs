//! `relatch users`: the commands on users.

mod add;
mod change;
mod export;
mod import;
mod list;
mod password;
mod progress;
mod rows;

use std::process::ExitCode;

use relatch::Email;
use relatch::user::UserStatus;

use crate::CommandError;
use crate::target::{Connected, Target};
use password::PasswordArgs;

/// The flags of `relatch users`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Add one user
    Add(WithPassword),
    /// Tell what is stored of a user
    Show(Named),
    /// List all users
    List(Target),
    /// Let a user sign in again
    Enable(Named),
    /// Let a user sign in no more, and end all sessions
    Disable(Named),
    /// Give a user another password, and end all sessions
    SetPassword(WithPassword),
    /// Delete a user, and end all sessions
    Delete(Named),
    /// Add the users of a file, with the bcrypt hashes they have
    #[command(after_help = import::FILE_FORMAT)]
    Import {
        #[command(flatten)]
        file: import::Args,
        #[command(flatten)]
        target: Target,
    },
    /// Write all users with their hashes to a file that `import` reads
    Export {
        #[command(flatten)]
        file: export::Args,
        #[command(flatten)]
        target: Target,
    },
}

/// A user of a deployment.
#[derive(clap::Args, Debug)]
pub(crate) struct Named {
    /// The email that the user signs in with
    #[arg(value_parser = email)]
    pub(crate) email: Email,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(clap::Args, Debug)]
struct WithPassword {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    password: PasswordArgs,
}

fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

/// Runs a command on users.
///
/// # Errors
/// One line why it failed.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let done = |()| ExitCode::SUCCESS;
    match args.command {
        Command::Add(WithPassword { named: Named { email, target }, password }) => {
            let password = password.read(&email)?;
            on(target, async |connected| add::run(email, &password, connected).await).await.map(done)
        }
        Command::SetPassword(WithPassword { named: Named { email, target }, password }) => {
            let password = password.read(&email)?;
            on(target, async |connected| change::set_password(&email, &password, connected).await).await.map(done)
        }
        Command::Show(Named { email, target }) => {
            on(target, async |connected| change::show(&email, connected).await).await.map(done)
        }
        Command::Enable(Named { email, target }) => {
            on(target, async |connected| change::set_status(&email, UserStatus::Active, connected).await)
                .await
                .map(done)
        }
        Command::Disable(Named { email, target }) => {
            on(target, async |connected| change::set_status(&email, UserStatus::Disabled, connected).await)
                .await
                .map(done)
        }
        Command::Delete(Named { email, target }) => {
            on(target, async |connected| change::delete(&email, connected).await).await.map(done)
        }
        Command::List(target) => on(target, list::run).await.map(done),
        Command::Import { file, target } => {
            on(target, async |connected| import::run(&file, connected).await).await
        }
        Command::Export { file, target } => {
            on(target, async |connected| export::run(&file, connected).await).await.map(done)
        }
    }
}

/// Does something with a deployment, and ends the connection however it went.
async fn on<T>(
    target: Target,
    command: impl AsyncFnOnce(&Connected) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let connected = target.connect().await?;
    let result = command(&connected).await;
    connected.close().await;
    result
}
