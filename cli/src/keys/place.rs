//! Where keys are kept: a file, or a secret in Secrets Manager.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use relatch::Secret;
use relatch::token::StoredKeys;

use crate::CommandError;
use crate::aws;

/// The flags that name the place.
#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// A key file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A secret in Secrets Manager, by its ARN or name
    #[arg(long, value_name = "ID")]
    secret_id: Option<String>,
}

/// The keys as they were read.
pub(super) struct Opened {
    pub(super) keys: StoredKeys,
    /// The version of the secret that they were read from, if it had any.
    version: Option<String>,
}

const CURRENT: &str = "AWSCURRENT";
/// What a version is called until it becomes the current one.
const PENDING: &str = "AWSPENDING";

impl Place {
    /// Reads the keys; a file or a value that is not there is no keys.
    pub(super) async fn open(&self) -> Result<Opened, CommandError> {
        let (text, version) = match (&self.file, &self.secret_id) {
            (Some(path), _) => (self.read_file(path)?, None),
            (None, Some(id)) => self.read_secret(id).await?,
            (None, None) => return Err(CommandError::new("name a --file or a --secret-id")),
        };
        let keys = StoredKeys::parse(text.expose());
        Ok(Opened { keys: keys.map_err(|error| CommandError::new(format!("{self}: {error}")))?, version })
    }

    /// Stores the keys, unless they were changed since they were read.
    pub(super) async fn save(&self, opened: &Opened) -> Result<(), CommandError> {
        let text = opened.keys.to_text().map_err(|error| CommandError::new(error.to_string()))?;
        match (&self.file, &self.secret_id) {
            (Some(path), _) => {
                write_file(path, &text).map_err(|error| CommandError::new(format!("{self}: {error}")))
            }
            (None, Some(id)) => self.write_secret(id, &text, opened.version.as_deref()).await,
            (None, None) => Ok(()),
        }
    }

    fn read_file(&self, path: &Path) -> Result<Secret, CommandError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Secret::new("")),
            Err(error) => Err(CommandError::new(format!("{self}: {error}"))),
        }
    }

    async fn read_secret(&self, id: &str) -> Result<(Secret, Option<String>), CommandError> {
        let client = Client::new(&aws::settings().await?);
        match client.get_secret_value().secret_id(id).send().await {
            Ok(value) => Ok((Secret::new(value.secret_string.unwrap_or_default()), value.version_id)),
            Err(error) => {
                let is_missing =
                    error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception);
                // The same error tells a secret that is not there from one without a value.
                if !is_missing || client.describe_secret().secret_id(id).send().await.is_err() {
                    return Err(aws::failed(&self.to_string(), &error));
                }
                Ok((Secret::new(""), None))
            }
        }
    }

    /// A new version becomes the current one only if the one that was read still is, so
    /// that two who change the keys at once do not undo each other's work.
    async fn write_secret(&self, id: &str, text: &Secret, read: Option<&str>) -> Result<(), CommandError> {
        let client = Client::new(&aws::settings().await?);
        let put = client.put_secret_value().secret_id(id).secret_string(text.expose());
        let put = if read.is_some() { put.version_stages(PENDING) } else { put };
        let put = put.send().await.map_err(|error| aws::failed(&self.to_string(), &error))?;
        let Some(read) = read else { return Ok(()) };
        let moved = client
            .update_secret_version_stage()
            .secret_id(id)
            .version_stage(CURRENT)
            .remove_from_version_id(read)
            .set_move_to_version_id(put.version_id)
            .send()
            .await;
        moved.map(drop).map_err(|error| {
            let why = aws::failed(&self.to_string(), &error);
            CommandError::new(format!("{why}; the keys were not changed, or by somebody else meanwhile"))
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, &self.secret_id) {
            (Some(path), _) => write!(f, "{}", path.display()),
            (None, Some(id)) => f.write_str(id),
            (None, None) => f.write_str("the keys"),
        }
    }
}

/// Writes a key file for its owner only; beside and renamed, so that a kill in between
/// leaves no half a file.
pub(crate) fn write_file(path: &Path, text: &Secret) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let _ = fs::remove_file(&unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}
