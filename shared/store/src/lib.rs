//! DynamoDB and Secrets Manager: the only code that talks to them.
//!
//! Every read that decides is consistent, every write carries a condition, and every
//! write is safe to be delivered twice, the second time late: `UpdateItem` creates
//! what is missing, so each demands that the item exists; a put that finds its own
//! session succeeded; sessions are only ever marked as revoked; attempts may be counted
//! twice, and are refunded by writes that are sent once. No secondary index.

pub mod admin;
mod attempts;
mod aws;
mod failure;
#[cfg(fuzzing)]
pub mod fuzzing;
mod item;
mod public_keys;
pub mod schema;
mod sdk_error;
mod secrets;
mod sessions;
mod tables;
mod users;

pub use attempts::{AttemptsTable, Counted};
pub use aws::{AwsSettings, Deadlines, counting_calls, dynamodb_client, secrets_client};
pub use failure::{Cause, Failure};
pub use public_keys::{PublicKeysTable, PublishedKey};
pub use secrets::{PENDING, SecretVersion, SecretsManager};
pub use sessions::SessionsTable;
pub use tables::{TableNames, Tables};
pub use users::UsersTable;
