//! The deployment that a command works on: one in AWS, or the local stack.

use std::io::ErrorKind;
use std::path::PathBuf;

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use relatch_store::{SessionsTable, UsersTable};
use tokio::net::TcpListener;

use crate::CommandError;
use crate::aws;
use crate::dev::engine::{Engine, EngineError, Storage};
use crate::dev::environment;

/// The flags that name a deployment.
#[derive(clap::Args, Debug)]
pub(crate) struct Target {
    /// Work on the local stack: the one that runs, or else the data it left
    #[arg(long)]
    dev: bool,
    /// The local stack's data folder
    #[arg(long, value_name = "FOLDER", default_value = ".relatch", requires = "dev")]
    data: PathBuf,
    /// The users' table of a deployment in AWS, as in its outputs
    #[arg(long, value_name = "NAME", env = "USERS_TABLE", required_unless_present = "dev")]
    users_table: Option<String>,
    /// The sessions' table of a deployment in AWS, for commands on sessions
    #[arg(long, value_name = "NAME", env = "SESSIONS_TABLE")]
    sessions_table: Option<String>,
    /// The deployment's BCRYPT_COST: the cost of new hashes, and the highest one taken over
    #[arg(long, value_name = "COST", env = "BCRYPT_COST", default_value_t = 12,
          value_parser = clap::value_parser!(u32).range(10..=14))]
    bcrypt_cost: u32,
}

/// A deployment that a command is connected to.
pub(crate) struct Connection {
    /// Its users.
    pub(crate) users: UsersTable,
    /// Its sessions, if their table was named.
    sessions: Option<SessionsTable>,
    /// Its bcrypt cost.
    pub(crate) bcrypt_cost: u32,
    /// The engine of the local stack when no other process runs it.
    engine: Option<Engine>,
}

impl Connection {
    /// Its sessions.
    ///
    /// # Errors
    /// One line that says that their table was not named.
    pub(crate) fn sessions(&self) -> Result<&SessionsTable, CommandError> {
        self.sessions.as_ref().ok_or_else(unnamed_sessions_table)
    }

    /// Ends the connection; stops the engine if the command started it.
    pub(crate) async fn close(self) {
        drop((self.users, self.sessions));
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}

impl Target {
    /// Requires the name of the sessions table, which commands on users do not need.
    ///
    /// # Errors
    /// One line that says so.
    pub(crate) fn require_sessions_table(self) -> Result<Self, CommandError> {
        if self.dev || self.sessions_table.is_some() {
            return Ok(self);
        }
        Err(unnamed_sessions_table())
    }

    /// Finds region, credentials and tables.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub(crate) async fn connect(self) -> Result<Connection, CommandError> {
        if self.dev { self.connect_local().await } else { self.connect_aws().await }
    }

    async fn connect_aws(self) -> Result<Connection, CommandError> {
        let users_table = self
            .users_table
            .ok_or_else(|| CommandError::new("name the --users-table, as it is in the stack's outputs"))?;
        let client = Client::new(&aws::sdk_config().await?);
        let sessions = self.sessions_table.map(|name| SessionsTable::new(client.clone(), name));
        let users = UsersTable::new(client, users_table);
        Ok(Connection { users, sessions, bcrypt_cost: self.bcrypt_cost, engine: None })
    }

    async fn connect_local(self) -> Result<Connection, CommandError> {
        let folder = self.data;
        let environment = environment::read(&folder).map_err(|error| {
            CommandError::new(match error.kind() {
                ErrorKind::NotFound => {
                    format!("{} holds no local stack; start one with `cargo run dev`", folder.display())
                }
                _ => format!("{}: {error}", folder.display()),
            })
        })?;
        let variable = |name: &str| {
            let value = environment.get(name);
            value.ok_or_else(|| CommandError::new(format!("{}: {name} is not in functions.env", folder.display())))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (engine, url) = match Engine::start(&Storage::Folder(folder.clone()), listener) {
            Ok(engine) => {
                let url = engine.url().to_owned();
                (Some(engine), url)
            }
            Err(EngineError::InUse(_)) => (None, variable("AWS_ENDPOINT_URL_DYNAMODB")?.clone()),
            Err(error) => return Err(CommandError::new(error.to_string())),
        };
        let config = aws::config_loader()
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local stack"))
            .endpoint_url(url)
            .load()
            .await;
        let client = Client::new(&config);
        let sessions = Some(SessionsTable::new(client.clone(), variable("SESSIONS_TABLE")?));
        let users = UsersTable::new(client, variable("USERS_TABLE")?);
        let bcrypt_cost = variable("BCRYPT_COST")?.parse().unwrap_or(self.bcrypt_cost);
        Ok(Connection { users, sessions, bcrypt_cost, engine })
    }
}

fn unnamed_sessions_table() -> CommandError {
    CommandError::new("name the --sessions-table, as it is in the stack's outputs")
}
