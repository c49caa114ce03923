//! The users' table.

mod change;
mod scan;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::failure::{classify, is_refused_by_condition};
use super::item::{Attributes, EXISTS, IS_NEW, Item, number, text};
use super::{Store, schema};
use crate::email::Email;
use crate::error::Error;
use crate::password::PasswordHash;
use crate::time::Timestamp;
use crate::user::{Credential, User, UserId, UserStatus};

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
pub const MOST_ADDED: usize = 50;

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

pub use scan::{Page, PageStart, StoredCredential};

impl Store {
    /// Reads the credential that belongs to an email.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Internal`] for an item that is no credential.
    pub async fn read_credential(&self, email: &Email) -> Result<Option<Credential>, Error> {
        let item = self.read_user_item("users.read_credential", schema::email_key(email)).await?;
        item.map(|item| credential(&item)).transpose()
    }

    /// Reads a user's state.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Internal`] for an item that is no user.
    pub async fn read_user(&self, id: &UserId) -> Result<Option<User>, Error> {
        let item = self.read_user_item("users.read", schema::user_key(id)).await?;
        item.map(|item| user(id, &item)).transpose()
    }

    async fn read_user_item(&self, what: &'static str, key: String) -> Result<Option<Item>, Error> {
        let read = self
            .client
            .get_item()
            .table_name(&self.users_table)
            .key(schema::PK, text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|failure| classify(what, &failure))?;
        Ok(read.item.map(|attributes| Item { what, attributes }))
    }

    /// Stores a hash of the same password at a higher cost, if the stored one is
    /// still the one that was verified: a password change meanwhile wins. Tells whether
    /// it was stored.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]: the old hash may still be there.
    pub async fn upgrade_hash(
        &self,
        email: &Email,
        from: &PasswordHash,
        to: &PasswordHash,
    ) -> Result<bool, Error> {
        let update = self
            .client
            .update_item()
            .table_name(&self.users_table)
            .key(schema::PK, text(schema::email_key(email)))
            .update_expression("SET #hash = :to")
            .condition_expression(format!("{EXISTS} AND #hash = :from"))
            .expression_attribute_names("#hash", schema::PASSWORD_HASH)
            .expression_attribute_values(":from", text(from.expose()))
            .expression_attribute_values(":to", text(to.expose()))
            .send()
            .await;
        match update {
            Ok(_) => Ok(true),
            Err(failure) if is_refused_by_condition(&failure) => Ok(false),
            Err(failure) => Err(classify("users.upgrade_hash", &failure)),
        }
    }

    /// Adds a user: both items in one transaction, or none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the same call again finds out.
    pub async fn add_user(&self, new: &NewUser) -> Result<Added, Error> {
        let added = self.add_users(std::slice::from_ref(new)).await?;
        added.first().copied().ok_or_else(|| Error::internal("users.add", "no outcome"))
    }

    /// Adds users, at most [`MOST_ADDED`], no two with the same email or id: both items of
    /// each, or none. Those that exist do not keep the others from being added.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the same call again finds out.
    pub async fn add_users(&self, new: &[NewUser]) -> Result<Vec<Added>, Error> {
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
    async fn try_to_add(&self, new: &[(usize, &NewUser)]) -> Result<Vec<(usize, Added)>, Error> {
        const WHAT: &str = "users.add";
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
            return Err(classify(WHAT, &failure));
        };
        let codes: Vec<&str> =
            canceled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("None")).collect();
        let mut existing = Vec::new();
        for ((place, _), codes) in new.iter().zip(codes.chunks(2)) {
            match codes {
                ["ConditionalCheckFailed", _] => existing.push((*place, Added::EmailExists)),
                [_, "ConditionalCheckFailed"] => existing.push((*place, Added::IdExists)),
                [code, _] | [_, code] if code.starts_with("Validation") || code.starts_with("ItemCollection") => {
                    return Err(Error::internal(WHAT, *code));
                }
                _ => {}
            }
        }
        if existing.is_empty() {
            return Err(Error::unavailable(WHAT, "the transaction was canceled"));
        }
        Ok(existing)
    }

    fn put_new(&self, item: Attributes) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(&self.users_table)
            .set_item(Some(item))
            .condition_expression(IS_NEW)
            .build()
            .map_err(|_| Error::internal("users.add", "the request could not be built"))?;
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

pub(super) fn credential(item: &Item) -> Result<Credential, Error> {
    Ok(Credential {
        user_id: item.parsed(schema::SUB, |text| UserId::parse(text).ok())?,
        password_hash: item.optional_text(schema::PASSWORD_HASH)?.map(PasswordHash::parse),
        credential_version: item.number(schema::CREDENTIAL_VERSION)?,
        password_changed_at: item.optional_number(schema::PASSWORD_CHANGED_AT)?.map(Timestamp::from_millis),
    })
}

pub(super) fn user(id: &UserId, item: &Item) -> Result<User, Error> {
    Ok(User {
        id: id.clone(),
        email: item.parsed(schema::EMAIL, |text| Email::parse(text).ok())?,
        status: item.parsed(schema::STATUS, |text| match text {
            schema::ACTIVE => Some(UserStatus::Active),
            schema::DISABLED => Some(UserStatus::Disabled),
            _ => None,
        })?,
        epoch: item.number(schema::EPOCH)?,
        credential_version: item.number(schema::CREDENTIAL_VERSION)?,
        created_at: item.millis(schema::CREATED_AT)?,
    })
}
