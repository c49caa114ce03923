//! The tables of a deployment.

use crate::attempts::AttemptsTable;
use crate::aws::{AwsSettings, dynamodb_client};
use crate::public_keys::PublicKeysTable;
use crate::sessions::SessionsTable;
use crate::users::UsersTable;

/// The names of a deployment's tables.
#[derive(Clone, Debug)]
pub struct TableNames {
    /// Of users and credentials.
    pub users: String,
    /// Of sessions.
    pub sessions: String,
    /// Of the counters of attempts to sign in.
    pub attempts: String,
    /// Of the public keys of access tokens.
    pub public_keys: String,
}

/// The tables of a deployment, behind one client. A function keeps those that it needs.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Users and credentials.
    pub users: UsersTable,
    /// Sessions.
    pub sessions: SessionsTable,
    /// The counters of attempts to sign in.
    pub attempts: AttemptsTable,
    /// The public keys of access tokens.
    pub public_keys: PublicKeysTable,
}

impl Tables {
    /// The tables of these names. Opens no connection.
    pub fn new(aws: &AwsSettings, names: &TableNames) -> Self {
        let client = dynamodb_client(aws);
        Self {
            users: UsersTable::new(client.clone(), &names.users),
            sessions: SessionsTable::new(client.clone(), &names.sessions),
            attempts: AttemptsTable::new(client.clone(), &names.attempts),
            public_keys: PublicKeysTable::new(client, &names.public_keys),
        }
    }
}
