//! The key file of the local stack, made at first run.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use relatch::time::Timestamp;
use relatch::token::{Algorithm, KeySet, generate};

use super::StackError;

/// Makes the key file if there is none, readable by its owner only, and checks it.
///
/// # Errors
/// [`StackError::Keys`] when it cannot be written or read, or holds no usable keys.
pub(super) fn ensure(path: &Path, now: Timestamp) -> Result<(), StackError> {
    let failed = |what: &dyn std::fmt::Display| StackError::Keys(format!("{}: {what}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => return KeySet::parse(&text).map(drop).map_err(|error| failed(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let keys = generate(Algorithm::RS256, now).map_err(|error| failed(&error))?;
    // Written beside and renamed, so that a kill in between leaves no half a file.
    let unfinished = path.with_extension("json.new");
    let _ = fs::remove_file(&unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&unfinished)
        .and_then(|mut file| file.write_all(keys.expose().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|error| failed(&error))
}
