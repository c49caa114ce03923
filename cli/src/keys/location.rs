//! Where keys are kept: a file, or a secret in Secrets Manager.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_secretsmanager::Client;
use relatch::keys::{PrivateKeySet, PublicKeySet};
use relatch::random;
use relatch::secret::Secret;
use relatch::time::Timestamp;
use relatch_store::{PublicKeysTable, SecretsManager};

use crate::CommandError;
use crate::aws;

/// The flags that say where the keys are.
#[derive(clap::Args, Debug)]
pub(super) struct KeyLocation {
    #[command(flatten)]
    source: KeySource,
    /// The table of the public keys, as in the deployment's outputs; for access keys in a secret
    #[arg(long, value_name = "NAME", env = "KEYS_TABLE", conflicts_with = "file")]
    keys_table: Option<String>,
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct KeySource {
    /// A key file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A secret in Secrets Manager, by its ARN or name
    #[arg(long, value_name = "ID")]
    secret_id: Option<String>,
}

/// The keys as they were read.
pub(super) struct LoadedKeys {
    pub(super) keys: PrivateKeySet,
    /// The public keys that were among them.
    public: PublicKeySet,
    /// The version of the secret that they were read from, if it had any.
    version: Option<String>,
}

/// The staging label of a version before it becomes the current one. It is not the label that
/// rotations use, because that would block a rotation.
const PENDING_STAGE: &str = "RELATCHNEXT";

impl KeyLocation {
    /// Reads the keys; a file or a value that is not there is no keys.
    pub(super) async fn load(&self) -> Result<LoadedKeys, CommandError> {
        let (text, version) = match (&self.source.file, &self.source.secret_id) {
            (Some(path), _) => (self.read_file(path)?, None),
            (None, Some(id)) => self.read_secret(id).await?,
            (None, None) => return Err(CommandError::new("name a --file or a --secret-id")),
        };
        let keys = PrivateKeySet::parse(text.expose());
        let keys = keys.map_err(|error| CommandError::new(format!("{self}: {error}")))?;
        Ok(LoadedKeys { public: keys.public(), keys, version })
    }

    /// Stores the keys, unless they were changed since they were read.
    pub(super) async fn save(
        &self,
        mut loaded: LoadedKeys,
        now: Timestamp,
    ) -> Result<PrivateKeySet, CommandError> {
        loaded.keys.set_based_on(None);
        let text = loaded.keys.to_text().map_err(|error| CommandError::new(error.to_string()))?;
        match (&self.source.file, &self.source.secret_id) {
            (Some(path), _) => {
                write_file(path, &text).map_err(|error| CommandError::new(format!("{self}: {error}")))?;
            }
            (None, Some(id)) => self.write_secret(id, &text, &loaded, now).await?,
            (None, None) => {}
        }
        Ok(loaded.keys)
    }

    fn read_file(&self, path: &Path) -> Result<Secret, CommandError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Secret::new(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Secret::new("")),
            Err(error) => Err(CommandError::new(format!("{self}: {error}"))),
        }
    }

    async fn read_secret(&self, id: &str) -> Result<(Secret, Option<String>), CommandError> {
        let secrets = SecretsManager::new(Client::new(&aws::sdk_config().await?));
        match secrets.current(id).await.map_err(|error| self.command_error(&error))? {
            Some(version) => Ok((version.text, Some(version.id))),
            None if secrets.exists(id).await.map_err(|error| self.command_error(&error))? => {
                Ok((Secret::new(""), None))
            }
            None => Err(CommandError::new(format!("{self}: there is no such secret"))),
        }
    }

    /// Public keys are published before they can sign, and taken back only after they cannot.
    /// A new version becomes the current one only if the one that was read still is, so that
    /// two who change the keys at once do not undo each other's work.
    async fn write_secret(
        &self,
        id: &str,
        text: &Secret,
        loaded: &LoadedKeys,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let config = aws::sdk_config().await?;
        let (before, after) = (&loaded.public, loaded.keys.public());
        let table = self.keys_table.as_deref().map(|table| PublicKeysTable::new(DynamoDb::new(&config), table));
        if table.is_none() && !(before.keys().is_empty() && after.keys().is_empty()) {
            return Err(CommandError::new(
                "name the --keys-table: public keys of access tokens are published there",
            ));
        }
        let removed_ids = |from: &PublicKeySet, to: &PublicKeySet| {
            let removed = from.keys().iter().filter(|key| !to.keys().contains(key));
            removed.map(|key| key.kid().to_owned()).collect::<Vec<_>>()
        };
        if let Some(table) = &table {
            table.publish(&after, now).await.map_err(|error| self.command_error(&error))?;
        }
        let secrets = SecretsManager::new(Client::new(&config));
        let version = random::bytes::<24>().map_err(|error| self.command_error(&error))?;
        let version: String = version.iter().map(|byte| format!("{byte:02x}")).collect();
        let write = async {
            secrets.add(id, &version, text, PENDING_STAGE).await?;
            secrets.make_current(id, &version, loaded.version.as_deref()).await
        };
        let is_current = write.await.map_err(|error| self.command_error(&error))?;
        // Whoever was not the one to change the keys leaves nothing of his behind.
        let obsolete = if is_current { removed_ids(before, &after) } else { removed_ids(&after, before) };
        if let Some(table) = &table {
            let obsolete: Vec<_> = obsolete.iter().map(String::as_str).collect();
            table.withdraw(&obsolete).await.map_err(|error| self.command_error(&error))?;
        }
        if is_current {
            return Ok(());
        }
        Err(CommandError::new(format!(
            "{self}: the keys were changed by somebody else meanwhile; nothing was done"
        )))
    }

    fn command_error(&self, error: &dyn fmt::Display) -> CommandError {
        CommandError::new(format!("{self}: {error}"))
    }
}

impl fmt::Display for KeyLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source.file, &self.source.secret_id) {
            (Some(path), _) => write!(f, "{}", path.display()),
            (None, Some(id)) => f.write_str(id),
            (None, None) => f.write_str("the keys"),
        }
    }
}

/// Writes a key file for its owner only; beside and renamed, so that a kill in between
/// leaves no half a file.
pub(crate) fn write_file(path: &Path, text: &Secret) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let _ = fs::remove_file(&temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
