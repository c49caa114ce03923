//! `relatch users export`: all users with their hashes, as `users import` reads them.
//!
//! The file grows by a page of the table at a time, and beside it a file remembers how
//! far it is whole: an export that was cut off is taken up from there.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use relatch::secret::Secret;
use relatch::user::UserId;
use relatch_store::admin::{PageStart, StoredCredential};
use serde::{Deserialize, Serialize};

use super::change::status_name;
use super::progress::{Progress, users_per_second, with_suffix};
use crate::CommandError;
use crate::output::print;
use crate::target::Connection;

/// The flags of the export.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The file to make: JSON Lines, readable by its owner only
    file: PathBuf,
}

/// How far a file is whole.
#[derive(Serialize, Deserialize)]
struct State {
    bytes: u64,
    users: u64,
    /// The key of the last item that was read.
    after: String,
}

#[derive(Serialize)]
struct Line<'a> {
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    sub: &'a str,
    status: &'a str,
}

/// Exports all users.
pub(super) async fn run(args: &Args, connection: &Connection) -> Result<(), CommandError> {
    let path = args.file.as_path();
    let file_error = |error: std::io::Error| CommandError::new(format!("{}: {error}", path.display()));
    let state_path = with_suffix(path, ".state");
    let state = read_state(&state_path).map_err(file_error)?;
    let (mut file, mut start, mut users) = match state {
        Some(state) => {
            print(&format!("taking up an export after {} users\n", state.users));
            (reopen(path, state.bytes).map_err(file_error)?, Some(PageStart::from_text(state.after)), state.users)
        }
        None => (create(path).map_err(file_error)?, None, 0),
    };
    let before = users;
    let progress = Progress::spinner();
    loop {
        let page = connection.users.scan_credentials(start).await?;
        users += u64::try_from(page.items.len()).unwrap_or(0);
        file.write_all(&render_lines(&page.items, connection).await?).map_err(file_error)?;
        progress.advance(users, 0);
        let Some(next) = page.next else { break };
        let bytes = file.stream_position().map_err(file_error)?;
        let state = State { bytes, users, after: next.as_text().to_owned() };
        write_state(&state_path, &state).map_err(file_error)?;
        start = Some(next);
    }
    file.sync_all().map_err(file_error)?;
    let elapsed = progress.finish();
    if let Err(error) = fs::remove_file(&state_path)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(file_error(error));
    }
    print(&format!("{users} exported ({} users/s)\n", users_per_second(users - before, elapsed)));
    Ok(())
}

/// The lines of some users. One who is being deleted has a credential without a user
/// for no moment, but may go between the two reads; then it is left out.
async fn render_lines(credentials: &[StoredCredential], connection: &Connection) -> Result<Vec<u8>, CommandError> {
    let ids: Vec<UserId> = credentials.iter().map(|credential| credential.user_id.clone()).collect();
    let users = connection.users.read_all(&ids).await?;
    let mut lines = Vec::new();
    for credential in credentials {
        let Some(user) = users.get(&credential.user_id) else { continue };
        let line = Line {
            email: credential.email.as_str(),
            password_hash: credential.password_hash.as_ref().map(Secret::expose),
            sub: user.id.as_str(),
            status: status_name(user.status),
        };
        serde_json::to_writer(&mut lines, &line).map_err(|error| CommandError::new(error.to_string()))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

fn read_state(path: &Path) -> std::io::Result<Option<State>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(std::io::Error::other),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write_state(path: &Path, state: &State) -> std::io::Result<()> {
    let temporary = with_suffix(path, ".new");
    let _ = fs::remove_file(&temporary);
    create(&temporary)?.write_all(&serde_json::to_vec(state)?)?;
    fs::rename(temporary, path)
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens the file and takes off what a run that was cut off wrote last.
fn reopen(path: &Path, bytes: u64) -> std::io::Result<File> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() < bytes {
        return Err(std::io::Error::new(
            ErrorKind::InvalidData,
            "is shorter than its .state file says; remove both",
        ));
    }
    file.set_len(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}
