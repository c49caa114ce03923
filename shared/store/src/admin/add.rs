//! Adding users.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use relatch::email::Email;
use relatch::password::PasswordHash;
use relatch::time::Timestamp;
use relatch::user::{UserId, UserStatus};

use crate::failure::Failure;
use crate::item::{Attributes, IS_NEW, number, text};
use crate::schema;
use crate::sdk_error::classify;
use crate::users::UsersTable;

/// A user that is to be added.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id: random, or the one it had in another system.
    pub id: UserId,
    /// The email it signs in with.
    pub email: Email,
    /// Its password's hash.
    pub password_hash: PasswordHash,
    /// Whether it may sign in.
    pub status: UserStatus,
    /// The time of its making.
    pub now: Timestamp,
}

/// The most users that one call adds: a transaction has at most a hundred items.
pub const MAX_ADDED: usize = 50;

/// What came of adding a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// Both items were written.
    New,
    /// There is a user with this email; nothing was changed.
    EmailExists,
    /// There is a user with this id under another email; nothing was changed.
    IdExists,
}

impl UsersTable {
    /// Adds a user: both items in one transaction, or none.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the same call again finds out.
    pub async fn add(&self, new: &NewUser) -> Result<Added, Failure> {
        let added = self.add_all(std::slice::from_ref(new)).await?;
        added.first().copied().ok_or_else(|| Failure::internal("users.add", "no outcome"))
    }

    /// Adds users, at most [`MAX_ADDED`], no two with the same email or id: both items of
    /// each, or none. Those that exist do not keep the others from being added.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the same call again finds out.
    pub async fn add_all(&self, new: &[NewUser]) -> Result<Vec<Added>, Failure> {
        let mut outcomes = vec![Added::New; new.len()];
        loop {
            let open: Vec<(usize, &NewUser)> =
                new.iter().enumerate().filter(|(place, _)| outcomes.get(*place) == Some(&Added::New)).collect();
            let existing = self.try_to_add(&open).await?;
            if existing.is_empty() {
                return Ok(outcomes);
            }
            for (place, exists) in existing {
                outcomes.iter_mut().skip(place).take(1).for_each(|outcome| *outcome = exists);
            }
        }
    }

    /// Writes all of them, or none and tells which exist already.
    async fn try_to_add(&self, new: &[(usize, &NewUser)]) -> Result<Vec<(usize, Added)>, Failure> {
        const OPERATION: &str = "users.add";
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut puts = Vec::with_capacity(2 * new.len());
        for (_, user) in new {
            puts.push(self.put_new(credential_attributes(user))?);
            puts.push(self.put_new(user_attributes(user))?);
        }
        let added = self.client.transact_write_items().set_transact_items(Some(puts)).send().await;
        let Err(failure) = added else { return Ok(Vec::new()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = failure.as_service_error()
        else {
            return Err(classify(OPERATION, &failure));
        };
        let codes: Vec<&str> =
            canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
        let mut existing = Vec::new();
        for ((place, _), codes) in new.iter().zip(codes.chunks(2)) {
            match codes {
                ["ConditionalCheckFailed", _] => existing.push((*place, Added::EmailExists)),
                [_, "ConditionalCheckFailed"] => existing.push((*place, Added::IdExists)),
                [code, _] | [_, code] if code.starts_with("Validation") || code.starts_with("ItemCollection") => {
                    return Err(Failure::internal(OPERATION, *code));
                }
                _ => {}
            }
        }
        if existing.is_empty() {
            return Err(Failure::unavailable(OPERATION, "the transaction was canceled"));
        }
        Ok(existing)
    }

    fn put_new(&self, item: Attributes) -> Result<TransactWriteItem, Failure> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(IS_NEW)
            .build()
            .map_err(|_| Failure::internal("users.add", "the request could not be built"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The version of a credential that was never changed.
const FIRST_VERSION: u64 = 1;

fn credential_attributes(new: &NewUser) -> Attributes {
    [
        (schema::PK, text(schema::email_key(&new.email))),
        (schema::SUB, text(new.id.as_str())),
        (schema::PASSWORD_HASH, text(new.password_hash.expose())),
        (schema::CREDENTIAL_VERSION, number(FIRST_VERSION)),
        (schema::PASSWORD_CHANGED_AT, number(new.now.millis())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn user_attributes(new: &NewUser) -> Attributes {
    [
        (schema::PK, text(schema::user_key(&new.id))),
        (schema::EMAIL, text(new.email.as_str())),
        (schema::STATUS, text(schema::user_status(new.status))),
        // Not 0: a user who is deleted and comes back under the same id must not find
        // the sessions of old alive.
        (schema::EPOCH, number(new.now.millis().max(0))),
        (schema::CREDENTIAL_VERSION, number(FIRST_VERSION)),
        (schema::CREATED_AT, number(new.now.millis())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
