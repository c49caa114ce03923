//! `relatch sessions`: the sessions of one user.

use std::fmt::Write as _;
use std::process::ExitCode;

use relatch::Email;
use relatch::time::Clock;
use relatch::user::User;

use crate::CommandError;
use crate::output::print;
use crate::target::Connection;
use crate::users::UserArgs;

/// The flags of `relatch sessions`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List a user's live sessions
    List(UserArgs),
    /// End all sessions of a user
    End(UserArgs),
}

/// Runs a command on sessions.
///
/// # Errors
/// One line why it failed.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let (UserArgs { email, target }, is_end) = match args.command {
        Command::List(args) => (args, false),
        Command::End(args) => (args, true),
    };
    let connection = target.require_sessions_table()?.connect().await?;
    let result = if is_end { end(&email, &connection).await } else { list(&email, &connection).await };
    connection.close().await;
    result.map(|()| ExitCode::SUCCESS)
}

async fn find_user(email: &Email, connection: &Connection) -> Result<User, CommandError> {
    let found = connection.users.find(email).await?;
    found.map(|(_, user)| user).ok_or_else(|| CommandError::new(format!("{} is no user", email.as_str())))
}

async fn list(email: &Email, connection: &Connection) -> Result<(), CommandError> {
    let user = find_user(email, connection).await?;
    let mut sessions = connection.sessions()?.list_active(&user.id).await?;
    let now = Clock::system().now();
    sessions.retain(|session| session.is_live(&user, now));
    sessions.sort_by_key(|session| session.created_at);
    let mut lines = String::new();
    for session in sessions {
        let (id, created, used) =
            (session.id.as_str(), session.created_at.to_rfc3339(), session.issued_at().to_day());
        let device = session.device.unwrap_or_default();
        let _ = writeln!(lines, "{id}  since {created}  used {used}  {device}");
    }
    print(&lines);
    Ok(())
}

async fn end(email: &Email, connection: &Connection) -> Result<(), CommandError> {
    let user = find_user(email, connection).await?;
    connection.users.end_all_sessions(&user).await?;
    print(&format!("all sessions of {} are ended\n", email.as_str()));
    Ok(())
}
