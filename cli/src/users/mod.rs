//! `relatch users`: the commands on users.

mod add;
mod import;
mod progress;
mod rows;

use std::process::ExitCode;

use crate::CommandError;
use crate::target::{Connected, Target};

/// The flags of `relatch users`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Add one user
    Add {
        #[command(flatten)]
        user: add::Args,
        #[command(flatten)]
        target: Target,
    },
    /// Add the users of a file, with the bcrypt hashes they have
    #[command(after_help = import::FILE_FORMAT)]
    Import {
        #[command(flatten)]
        file: import::Args,
        #[command(flatten)]
        target: Target,
    },
}

/// Runs a command on users.
///
/// # Errors
/// One line why it failed.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    match args.command {
        Command::Add { user, target } => {
            let new = user.read()?;
            let connected = target.connect().await?;
            let result = add::run(new, &connected).await;
            finish(connected, result).await
        }
        Command::Import { file, target } => {
            let connected = target.connect().await?;
            let result = import::run(&file, &connected).await;
            finish(connected, result).await
        }
    }
}

async fn finish<T>(connected: Connected, result: T) -> T {
    connected.close().await;
    result
}
