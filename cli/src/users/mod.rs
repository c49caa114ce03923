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
use crate::target::{Connection, Target};
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
    Add(UserPasswordArgs),
    /// Tell what is stored of a user
    Show(UserArgs),
    /// List all users
    List(Target),
    /// Let a user sign in again
    Enable(UserArgs),
    /// Let a user sign in no more, and end all sessions
    Disable(UserArgs),
    /// Give a user another password, and end all sessions
    SetPassword(UserPasswordArgs),
    /// Delete a user, and end all sessions
    Delete(UserArgs),
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
pub(crate) struct UserArgs {
    /// The email that the user signs in with
    #[arg(value_parser = parse_email)]
    pub(crate) email: Email,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(clap::Args, Debug)]
struct UserPasswordArgs {
    #[command(flatten)]
    user: UserArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

fn parse_email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|error| error.to_string())
}

/// Runs a command on users.
///
/// # Errors
/// One line why it failed.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let success = |()| ExitCode::SUCCESS;
    match args.command {
        Command::Add(UserPasswordArgs { user: UserArgs { email, target }, password }) => {
            let password = password.read(&email)?;
            with_connection(target, async |connection| add::run(email, &password, connection).await)
                .await
                .map(success)
        }
        Command::SetPassword(UserPasswordArgs { user: UserArgs { email, target }, password }) => {
            let password = password.read(&email)?;
            with_connection(target, async |connection| change::set_password(&email, &password, connection).await)
                .await
                .map(success)
        }
        Command::Show(UserArgs { email, target }) => {
            with_connection(target, async |connection| change::show(&email, connection).await).await.map(success)
        }
        Command::Enable(UserArgs { email, target }) => with_connection(target, async |connection| {
            change::set_status(&email, UserStatus::Active, connection).await
        })
        .await
        .map(success),
        Command::Disable(UserArgs { email, target }) => with_connection(target, async |connection| {
            change::set_status(&email, UserStatus::Disabled, connection).await
        })
        .await
        .map(success),
        Command::Delete(UserArgs { email, target }) => {
            with_connection(target, async |connection| change::delete(&email, connection).await).await.map(success)
        }
        Command::List(target) => with_connection(target, list::run).await.map(success),
        Command::Import { file, target } => {
            with_connection(target, async |connection| import::run(&file, connection).await).await
        }
        Command::Export { file, target } => {
            with_connection(target, async |connection| export::run(&file, connection).await).await.map(success)
        }
    }
}

/// Runs a command on a deployment, then closes the connection even if the command failed.
async fn with_connection<T>(
    target: Target,
    command: impl AsyncFnOnce(&Connection) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let connection = target.connect().await?;
    let result = command(&connection).await;
    connection.close().await;
    result
}
