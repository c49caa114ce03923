//! The `relatch` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use relatch_cli::{dev, keys, sessions, users};

/// Sign-in for products on API Gateway.
#[derive(Parser)]
#[command(name = "relatch", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything on this machine: database, functions and gateway
    Dev(dev::Args),
    /// Look at users and change them, one or a file of them
    Users(users::Args),
    /// List or end a user's sessions
    Sessions(sessions::Args),
    /// Make, list, add and retire the keys that sign tokens
    Keys(keys::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Dev(args) => dev::run(args).await,
        Command::Users(args) => users::run(args).await,
        Command::Sessions(args) => sessions::run(args).await,
        Command::Keys(args) => keys::run(args).await,
    };
    result.unwrap_or_else(|error| {
        #[expect(clippy::print_stderr, reason = "where a command line says what went wrong")]
        {
            eprintln!("relatch: {error}");
        }
        ExitCode::FAILURE
    })
}
