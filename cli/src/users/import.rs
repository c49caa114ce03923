//! `relatch users import`: the users of another system, with the hashes they have.
//!
//! Each user is written on condition that neither the email nor the `sub` is there, both
//! of its items or none. So an existing user is counted and never changed, and a run that
//! was cut off is simply started again.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use relatch::email::Email;
use relatch::random;
use relatch::time::Clock;
use relatch::user::UserId;
use relatch_store::Failure;
use relatch_store::admin::{Added, MAX_ADDED, NewUser};
use serde_json::json;

use super::progress::{Progress, users_per_second, with_suffix};
use super::rows::{self, Format, ImportedUser, Rejection, Row, Rows};
use crate::CommandError;
use crate::output::print;
use crate::target::Connection;

/// What a file looks like, for the command's help.
pub(super) const FILE_FORMAT: &str = r#"The file, as JSON Lines:
  {"email": "ada@example.com", "password_hash": "$2b$12$…", "sub": "optional", "status": "active"}
or as CSV, under a line of column names in any order:
  email,password_hash,sub,status
sub is the id that the user has in another system; without it a random one is made.
status is active, which it is by default, or disabled.
Other members and columns are left alone. Hashes are bcrypt's: $2a$, $2b$ or $2y$."#;

/// The most transactions that run at the same time.
const MAX_CONCURRENT_WRITES: usize = 8;
/// The most attempts at a transaction while the table is busy, each with the SDK's own retries.
const MAX_ATTEMPTS: u32 = 5;

/// The flags of the import.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The file with the users
    file: PathBuf,
    /// The form of the file; otherwise its name tells
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Where the lines that are no user are listed, each with its reason [default: FILE.rejects.jsonl]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Leave out the lines before this one, to take up a run that was cut off
    #[arg(long, value_name = "LINE", default_value_t = 1)]
    from_line: u64,
}

#[derive(Default)]
struct Summary {
    added: u64,
    existed: u64,
    rejected: u64,
}

impl Summary {
    fn total(&self) -> u64 {
        self.added + self.existed + self.rejected
    }
}

/// Imports a file. Ends with failure if any line was rejected.
pub(super) async fn run(args: &Args, connection: &Connection) -> Result<ExitCode, CommandError> {
    let file_error =
        |path: &Path, error: std::io::Error| CommandError::new(format!("{}: {error}", path.display()));
    let file = File::open(&args.file).map_err(|error| file_error(&args.file, error))?;
    let bytes = file.metadata().map_err(|error| file_error(&args.file, error))?.len();
    let format = args.format.unwrap_or_else(|| Format::from_path(&args.file));
    let rows = rows::read(file, format, connection.bcrypt_cost).map_err(|error| file_error(&args.file, error))?;
    let rejects_path = args.rejects.clone().unwrap_or_else(|| with_suffix(&args.file, ".rejects.jsonl"));
    let mut rejects =
        BufWriter::new(File::create(&rejects_path).map_err(|error| file_error(&rejects_path, error))?);

    let progress = Progress::bar(bytes);
    let mut summary = Summary::default();
    let from_line = args.from_line;
    let rows: Rows = Box::new(rows.filter(move |row| row.as_ref().map_or(true, |row| row.line >= from_line)));
    let mut rows = rows.peekable();
    loop {
        let batch = next_batch(&mut rows).map_err(|error| file_error(&args.file, error))?;
        if batch.is_empty() {
            break;
        }
        let writes = batch.chunks(MAX_ADDED).map(|rows| async {
            let stop_error = |error: CommandError| {
                let line = rows.first().map_or(1, |row| row.line);
                CommandError::new(format!(
                    "stopped: {error}; run it again with --from-line {line}, nobody is added twice"
                ))
            };
            let added = add_rows(rows, connection).await.map_err(stop_error)?;
            Ok::<_, CommandError>(rows.iter().zip(added))
        });
        for written in join_all(writes).await {
            for (row, outcome) in written? {
                match outcome {
                    Ok(Added::New) => summary.added += 1,
                    Ok(Added::EmailExists) => summary.existed += 1,
                    Ok(Added::IdExists) => reject(&mut summary, &mut rejects, row.line, Rejection::SubExists)?,
                    Err(reason) => reject(&mut summary, &mut rejects, row.line, reason)?,
                }
                progress.advance(summary.total(), row.offset);
            }
        }
    }
    let elapsed = progress.finish();
    rejects.flush().map_err(|error| file_error(&rejects_path, error))?;
    let Summary { added, existed, rejected } = summary;
    print(&format!(
        "{added} added, {existed} existed already, {rejected} rejected ({} users/s)\n",
        users_per_second(summary.total(), elapsed)
    ));
    if rejected == 0 {
        drop(rejects);
        std::fs::remove_file(&rejects_path).map_err(|error| file_error(&rejects_path, error))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("the rejected lines and why: {}\n", rejects_path.display()));
    Ok(ExitCode::FAILURE)
}

/// The next rows, of which no two want the same email or `sub`: so the first line of
/// the file that wants it gets it, although the rows of a batch are written at once.
fn next_batch(rows: &mut Peekable<Rows>) -> std::io::Result<Vec<Row>> {
    let (mut emails, mut ids): (HashSet<Email>, HashSet<UserId>) = Default::default();
    let mut batch = Vec::with_capacity(MAX_CONCURRENT_WRITES * MAX_ADDED);
    while batch.len() < MAX_CONCURRENT_WRITES * MAX_ADDED {
        let is_free = |user: &ImportedUser| {
            !emails.contains(&user.email) && !user.id.as_ref().is_some_and(|id| ids.contains(id))
        };
        let fits = |row: &std::io::Result<Row>| {
            row.as_ref().ok().and_then(|row| row.user.as_ref().ok()).is_none_or(is_free)
        };
        let Some(row) = rows.next_if(fits).transpose()? else { break };
        if let Ok(user) = &row.user {
            emails.insert(user.email.clone());
            ids.extend(user.id.clone());
        }
        batch.push(row);
    }
    Ok(batch)
}

fn reject(
    summary: &mut Summary,
    rejects: &mut impl std::io::Write,
    line: u64,
    reason: Rejection,
) -> Result<(), CommandError> {
    summary.rejected += 1;
    writeln!(rejects, "{}", json!({"line": line, "reason": reason.to_string()}))?;
    Ok(())
}

/// Adds the users among some rows and returns the outcome of each row.
async fn add_rows(rows: &[Row], connection: &Connection) -> Result<Vec<Result<Added, Rejection>>, CommandError> {
    let mut new = Vec::with_capacity(rows.len());
    for user in rows.iter().filter_map(|row| row.user.as_ref().ok()) {
        let ImportedUser { email, password_hash, id, status } = user.clone();
        let id = match id {
            Some(id) => id,
            None => UserId::from_random(random::bytes()?),
        };
        new.push(NewUser { id, email, password_hash, status, now: Clock::system().now() });
    }
    let mut added = add_with_retry(&new, connection).await?.into_iter();
    let outcome = |row: &Row| match &row.user {
        Ok(_) => added.next().map(Ok),
        Err(reason) => Some(Err(*reason)),
    };
    Ok(rows.iter().filter_map(outcome).collect())
}

async fn add_with_retry(new: &[NewUser], connection: &Connection) -> Result<Vec<Added>, Failure> {
    let mut pause = Duration::from_millis(100);
    for _ in 1..MAX_ATTEMPTS {
        match connection.users.add_all(new).await {
            Err(Failure::Unavailable(_)) => tokio::time::sleep(pause).await,
            result => return result,
        }
        pause *= 2;
    }
    connection.users.add_all(new).await
}
