//! The rows of an import file, read one at a time: JSON Lines or CSV.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use relatch::Email;
use relatch::password::{InvalidHash, PasswordHash};
use relatch::user::{UserId, UserStatus};
use serde::Deserialize;

/// The form of an import file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values under a line of column names
    Csv,
}

impl Format {
    /// The format that a file's name implies: JSON Lines unless it ends in `.csv`.
    pub(super) fn from_path(path: &Path) -> Self {
        let is_csv = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv { Self::Csv } else { Self::Jsonl }
    }
}

/// A user of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedUser {
    pub(super) email: Email,
    pub(super) password_hash: PasswordHash,
    /// The id it had there; without one it gets a new one.
    pub(super) id: Option<UserId>,
    pub(super) status: UserStatus,
}

/// Why a row is not a user. Never holds what stands in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Longer than [`MAX_LINE_BYTES`].
    TooLong,
    /// Not a JSON object, or not as many fields as there are columns.
    Malformed,
    /// A required field or column is missing, or a field appears twice or is not text.
    Fields,
    /// See [`Email`].
    Email,
    /// See [`PasswordHash`].
    Hash(InvalidHash),
    /// The cost of the hash is above the deployment's, so it would never be verified.
    Cost(u32),
    /// See [`UserId`].
    Sub,
    /// Neither `active` nor `disabled`.
    Status,
    /// Another user has this `sub`.
    SubExists,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is longer than {MAX_LINE_BYTES} bytes"),
            Self::Malformed => f.write_str("not a JSON object, or not as many fields as columns"),
            Self::Fields => {
                f.write_str("email and password_hash (and sub and status, if any) must be text, each once")
            }
            Self::Email => f.write_str("email is not a valid email address"),
            Self::Hash(why) => write!(f, "password_hash is {why}"),
            Self::Cost(cost) => write!(f, "password_hash has the cost {cost}, above the deployment's BCRYPT_COST"),
            Self::Sub => f.write_str("sub is not 1 to 128 visible ASCII characters, or is an email address"),
            Self::Status => f.write_str("status is neither active nor disabled"),
            Self::SubExists => f.write_str("sub belongs to another user already"),
        }
    }
}

/// A row with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Bytes of the file up to its end (JSON Lines) or its beginning (CSV).
    pub(super) offset: u64,
    pub(super) user: Result<ImportedUser, Rejection>,
}

/// Longer lines are read over, so that a file without line ends cannot fill the memory.
const MAX_LINE_BYTES: usize = 65_536;

#[derive(Deserialize)]
struct Record {
    email: String,
    password_hash: String,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    status: Option<String>,
}

impl Record {
    fn into_user(self, max_cost: u32) -> Result<ImportedUser, Rejection> {
        let email = Email::parse(&self.email).map_err(|_| Rejection::Email)?;
        let password_hash = PasswordHash::parse(&self.password_hash).map_err(Rejection::Hash)?;
        if password_hash.cost() > max_cost {
            return Err(Rejection::Cost(password_hash.cost()));
        }
        let id = self.sub.filter(|sub| !sub.is_empty()).map(|sub| UserId::parse(&sub)).transpose();
        let status = match self.status.as_deref() {
            None | Some("" | "active") => UserStatus::Active,
            Some("disabled") => UserStatus::Disabled,
            Some(_) => return Err(Rejection::Status),
        };
        Ok(ImportedUser { email, password_hash, id: id.map_err(|_| Rejection::Sub)?, status })
    }
}

/// The rows of a file; an error of the file itself ends them.
pub(super) type Rows = Box<dyn Iterator<Item = std::io::Result<Row>>>;

/// Opens a file's rows. `max_cost` is the highest bcrypt cost that is taken over.
///
/// # Errors
/// The file cannot be read, or its columns are not known.
pub(super) fn read(file: File, format: Format, max_cost: u32) -> std::io::Result<Rows> {
    let reader = BufReader::with_capacity(1 << 16, file);
    match format {
        Format::Jsonl => Ok(Box::new(read_json_lines(reader, max_cost))),
        Format::Csv => Ok(Box::new(read_csv(reader, max_cost)?)),
    }
}

fn read_json_lines(mut reader: impl BufRead, max_cost: u32) -> impl Iterator<Item = std::io::Result<Row>> {
    let (mut line, mut offset) = (0, 0);
    let mut text = Vec::new();
    std::iter::from_fn(move || {
        loop {
            text.clear();
            let is_whole = match read_line(&mut reader, &mut text, &mut offset) {
                Ok(None) => return None,
                Ok(Some(is_whole)) => is_whole,
                Err(error) => return Some(Err(error)),
            };
            line += 1;
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
            if !is_whole {
                return Some(Ok(Row { line, offset, user: Err(Rejection::TooLong) }));
            }
            if !text.trim_ascii().is_empty() {
                return Some(Ok(Row { line, offset, user: parse_json_user(text, max_cost) }));
            }
        }
    })
}

fn parse_json_user(text: &[u8], max_cost: u32) -> Result<ImportedUser, Rejection> {
    let record: Result<Record, _> = serde_json::from_slice(text);
    let is_object = text.trim_ascii().starts_with(b"{");
    match record {
        Ok(record) if is_object => record.into_user(max_cost),
        Err(error) if error.is_data() && is_object => Err(Rejection::Fields),
        Ok(_) | Err(_) => Err(Rejection::Malformed),
    }
}

/// Reads a line into `text`, counting all its bytes; `None` at the end of the file,
/// `Some(false)` for a line that is too long, of which the beginning was kept.
fn read_line(reader: &mut impl BufRead, text: &mut Vec<u8>, offset: &mut u64) -> std::io::Result<Option<bool>> {
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let mut is_whole = true;
    loop {
        let read = reader.by_ref().take(limit).read_until(b'\n', text)?;
        *offset += u64::try_from(read).unwrap_or(0);
        if text.ends_with(b"\n") || read < MAX_LINE_BYTES {
            return Ok((!text.is_empty()).then_some(is_whole));
        }
        is_whole = false;
        text.truncate(1);
    }
}

fn read_csv(reader: impl Read, max_cost: u32) -> std::io::Result<impl Iterator<Item = std::io::Result<Row>>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let columns = reader.byte_headers()?.clone();
    let count = |name: &str| columns.iter().filter(|column| *column == name.as_bytes()).count();
    if count("email") != 1 || count("password_hash") != 1 || count("sub") > 1 || count("status") > 1 {
        let text =
            "the first line must name the columns email and password_hash (and sub and status, if any), each once";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
    }
    Ok(reader.into_byte_records().map(move |record| {
        let record = record?;
        let user = if record.len() == columns.len() {
            let read = record.deserialize::<Record>(Some(&columns));
            read.map_err(|_| Rejection::Fields).and_then(|record| record.into_user(max_cost))
        } else {
            Err(Rejection::Malformed)
        };
        let position = record.position();
        Ok(Row {
            line: position.map_or(0, csv::Position::line),
            offset: position.map_or(0, csv::Position::byte),
            user,
        })
    }))
}

#[cfg(test)]
mod tests;
