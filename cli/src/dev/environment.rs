//! The functions' environment in a file of the data folder: for running the real
//! binaries against the local stack, and for commands that work on the same tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// The file's place in a data folder.
fn path(folder: &Path) -> PathBuf {
    folder.join("functions.env")
}

/// Writes the variables, `NAME=value` a line, as `cargo lambda watch --env-file` reads them.
pub(super) fn write(folder: &Path, environment: &BTreeMap<String, String>) -> io::Result<()> {
    let lines = environment.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{name}={value}");
        lines
    });
    std::fs::write(path(folder), lines)
}

/// Reads what the last local stack on the folder wrote.
pub(crate) fn read(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let lines = std::fs::read_to_string(path(folder))?;
    let variables = lines.lines().filter_map(|line| line.split_once('='));
    Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_variables_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let environment = BTreeMap::from([
            ("TOKEN_SCOPE".to_owned(), String::new()),
            ("TOKEN_AUDIENCE".to_owned(), "https://api.example.com/?a=b".to_owned()),
        ]);
        write(folder.path(), &environment).unwrap();
        assert_eq!(read(folder.path()).unwrap(), environment);
    }
}
