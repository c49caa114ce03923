//! The key file of the local stack, made at first run.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use relatch::keys::{Algorithm, KeySet, generate};
use relatch::time::Timestamp;

use super::error::StackError;
use crate::keys::write_file;

/// Makes the key file if there is none, readable by its owner only, and checks it.
///
/// # Errors
/// [`StackError::Keys`] when it cannot be written or read, or holds no usable keys.
pub(super) fn ensure(path: &Path, now: Timestamp) -> Result<(), StackError> {
    let keys_error = |what: &dyn std::fmt::Display| StackError::Keys(format!("{}: {what}", path.display()));
    match fs::read_to_string(path) {
        Ok(text) => return KeySet::parse(&text).map(drop).map_err(|error| keys_error(&error)),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(keys_error(&error)),
    }
    let keys = generate(Algorithm::RS256, now).map_err(|error| keys_error(&error))?;
    write_file(path, &keys).map_err(|error| keys_error(&error))
}
