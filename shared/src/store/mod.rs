//! The store: users, sessions and attempts in DynamoDB, and the only code that talks to it.
//!
//! Every read that decides is consistent, every write carries a condition, and every
//! write is safe to be delivered twice, the second time late: `UpdateItem` creates
//! what is missing, so each demands that the item exists; a put that finds its own
//! session succeeded; sessions are only ever marked as revoked; attempts may be counted
//! twice, and are given back by writes that are sent once. No secondary index.

mod attempts;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod item;
mod published;
pub mod schema;
mod sessions;
mod users;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::aws;
use crate::config::Config;

pub use crate::aws::counting_calls;
pub use attempts::Counted;
pub use published::PublishedKey;
pub use sessions::Rotation;
pub use users::{Added, MOST_ADDED, NewUser, Page, PageStart, StoredCredential};

/// Users, sessions and attempts in their tables.
#[derive(Clone, Debug)]
pub struct Store {
    client: Client,
    users_table: String,
    sessions_table: String,
    attempts_table: String,
    keys_table: String,
}

impl Store {
    /// The store of a function.
    pub fn new(config: &Config) -> Self {
        Self {
            client: aws::dynamodb_client(&config.aws),
            users_table: config.users_table.clone(),
            sessions_table: config.sessions_table.clone(),
            attempts_table: config.attempts_table.clone(),
            keys_table: config.keys_table.clone(),
        }
    }

    /// The users and sessions behind any client, for the command line.
    pub fn with_client(client: Client, users_table: &str, sessions_table: &str) -> Self {
        Self {
            client,
            users_table: users_table.to_owned(),
            sessions_table: sessions_table.to_owned(),
            attempts_table: String::new(),
            keys_table: String::new(),
        }
    }

    /// The public keys behind any client, for the command line.
    pub fn of_keys(client: Client, keys_table: &str) -> Self {
        Self { keys_table: keys_table.to_owned(), ..Self::with_client(client, "", "") }
    }

    /// Opens the connection while the instance starts, by asking for an item that is
    /// not there. What goes wrong shows at the first request that needs it.
    pub async fn connect(&self) {
        let key = AttributeValue::S("CONNECT".to_owned());
        let _ = self.client.get_item().table_name(&self.users_table).key(schema::PK, key).send().await;
    }
}
