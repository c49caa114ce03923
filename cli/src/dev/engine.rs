//! The embedded database: an engine with DynamoDB's API on SQLite, in this process,
//! spoken to over HTTP by the real SDK.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::Database;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::update_time_to_live::UpdateTimeToLiveRequest;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::template::Table;

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Nowhere.
    Memory,
    /// In a folder, in the file `dynamodb.sqlite`.
    Folder(PathBuf),
}

/// Why the engine or a table cannot be used: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Another process works on the folder.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The folder or the database in it cannot be opened.
    #[error("{} cannot be opened: {}", .0.display(), .1)]
    Open(PathBuf, String),
    /// A table is there with other keys than the template declares.
    #[error("the table {0} is there with other keys than the template declares")]
    Schema(String),
    /// The engine refused something.
    #[error("the database refused: {0}")]
    Engine(String),
}

/// A running engine.
pub struct Engine {
    database: Database,
    url: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    /// Held as long as the engine runs; the system releases it even after a kill.
    lock: Option<File>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.url)
    }
}

impl Engine {
    /// Opens the database and serves it on a listener.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn start(storage: &Storage, listener: TcpListener) -> Result<Self, EngineError> {
        let (database, lock) = match storage {
            Storage::Memory => (Database::memory().map_err(engine_error)?, None),
            Storage::Folder(folder) => {
                let lock = lock_folder(folder)?;
                let file = folder.join("dynamodb.sqlite");
                let opened = Database::new(&file.to_string_lossy());
                (opened.map_err(|error| EngineError::Open(folder.clone(), error.to_string()))?, Some(lock))
            }
        };
        let address = listener.local_addr().map_err(|error| EngineError::Engine(error.to_string()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = database.clone();
        let server = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            let _ = dynoxide::server::serve_with_shutdown(listener, served, shutdown).await;
        });
        Ok(Self { database, url: format!("http://{address}"), stop, server, lock })
    }

    /// The URL at which the SDK reaches it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes the tables that are not there. A table that is there keeps its data.
    ///
    /// # Errors
    /// [`EngineError::Schema`] for one with other keys, [`EngineError::Engine`] otherwise.
    pub fn create_tables(&self, tables: &[Table]) -> Result<(), EngineError> {
        tables.iter().try_for_each(|table| self.create_table(table))
    }

    fn create_table(&self, table: &Table) -> Result<(), EngineError> {
        if let Some(key_schema) = self.key_schema(&table.name)? {
            if key_schema != table.key_schema {
                return Err(EngineError::Schema(table.name.clone()));
            }
        } else {
            let request: CreateTableRequest = parse_request(json!({
                "TableName": table.name,
                "KeySchema": table.key_schema,
                "AttributeDefinitions": table.attribute_definitions,
                "BillingMode": "PAY_PER_REQUEST",
            }))?;
            self.database.create_table(request).map_err(engine_error)?;
        }
        if let Some(attribute) = &table.ttl_attribute {
            let request: UpdateTimeToLiveRequest = parse_request(json!({
                "TableName": table.name,
                "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
            }))?;
            // It refuses to set what is set already.
            let _ = self.database.update_time_to_live(request);
        }
        Ok(())
    }

    fn key_schema(&self, name: &str) -> Result<Option<Value>, EngineError> {
        let request: DescribeTableRequest = parse_request(json!({ "TableName": name }))?;
        match self.database.describe_table(request) {
            Ok(description) => {
                let description =
                    serde_json::to_value(description).map_err(|error| EngineError::Engine(error.to_string()))?;
                Ok(description.pointer("/Table/KeySchema").cloned())
            }
            Err(dynoxide::DynoxideError::ResourceNotFoundException(_)) => Ok(None),
            Err(error) => Err(engine_error(error)),
        }
    }

    /// Stops serving; requests that are under way have two seconds to finish.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let abort = self.server.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), self.server).await.is_err() {
            abort.abort();
        }
        drop(self.database);
        drop(self.lock);
    }
}

fn engine_error(error: impl fmt::Display) -> EngineError {
    EngineError::Engine(error.to_string())
}

fn parse_request<T: serde::de::DeserializeOwned>(json: Value) -> Result<T, EngineError> {
    serde_json::from_value(json).map_err(|error| EngineError::Engine(error.to_string()))
}

fn lock_folder(folder: &Path) -> Result<File, EngineError> {
    let open = |error: std::io::Error| EngineError::Open(folder.to_owned(), error.to_string());
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(open)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(open(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[&str]) -> Table {
        let kinds = ["HASH", "RANGE"];
        let schema = keys.iter().zip(kinds).map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}));
        let definitions = keys.iter().map(|name| json!({"AttributeName": name, "AttributeType": "S"}));
        Table {
            name: "Things".to_owned(),
            key_schema: schema.collect(),
            attribute_definitions: definitions.collect(),
            ttl_attribute: Some("ttl".to_owned()),
        }
    }

    async fn start(storage: &Storage) -> Result<Engine, EngineError> {
        Engine::start(storage, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    #[tokio::test]
    async fn tables_are_created_once_and_other_keys_are_rejected() {
        let engine = start(&Storage::Memory).await.unwrap();
        engine.create_tables(&[table(&["pk", "sk"])]).unwrap();
        engine.create_tables(&[table(&["pk", "sk"])]).unwrap();
        assert_eq!(engine.create_tables(&[table(&["pk"])]), Err(EngineError::Schema("Things".to_owned())));
        engine.stop().await;
    }

    #[tokio::test]
    async fn a_folder_has_one_engine_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::Folder(folder.path().to_owned());
        let engine = start(&storage).await.unwrap();
        engine.create_tables(&[table(&["pk"])]).unwrap();
        assert_eq!(start(&storage).await.unwrap_err(), EngineError::InUse(folder.path().to_owned()));
        engine.stop().await;
        let engine = start(&storage).await.unwrap();
        assert!(engine.key_schema("Things").unwrap().is_some());
        engine.stop().await;
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dynamodb.sqlite"), "this is no database, whatever its name says")
            .unwrap();
        let error = start(&Storage::Folder(folder.path().to_owned())).await.unwrap_err();
        assert!(matches!(error, EngineError::Open(..)), "{error}");
    }
}
