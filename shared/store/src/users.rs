//! The users' table, as the functions use it. What only the command line does with it is in
//! [`crate::admin`].

use aws_sdk_dynamodb::Client;
use relatch::email::Email;
use relatch::password::PasswordHash;
use relatch::time::Timestamp;
use relatch::user::{Credential, User, UserId, UserStatus};

use crate::failure::Failure;
use crate::item::{EXISTS, Item, number, text};
use crate::schema;
use crate::sdk_error::{classify, is_condition_failure};

/// The table of users and their credentials.
#[derive(Clone, Debug)]
pub struct UsersTable {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl UsersTable {
    /// The table of this name behind a client.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Opens the connection while the instance starts, by reading an item that does not exist.
    /// An error shows at the first request that needs the table.
    pub async fn connect(&self) {
        let _ = self.read_item("users.connect", "CONNECT".to_owned()).await;
    }

    /// Reads the credential that belongs to an email.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that is no credential.
    pub async fn read_credential(&self, email: &Email) -> Result<Option<Credential>, Failure> {
        let item = self.read_item("users.read_credential", schema::email_key(email)).await?;
        item.map(|item| parse_credential(&item)).transpose()
    }

    /// Reads a user's state.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that is no user.
    pub async fn read(&self, id: &UserId) -> Result<Option<User>, Failure> {
        let item = self.read_item("users.read", schema::user_key(id)).await?;
        item.map(|item| parse_user(id, &item)).transpose()
    }

    async fn read_item(&self, operation: &'static str, key: String) -> Result<Option<Item>, Failure> {
        let read = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(schema::PK, text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|failure| classify(operation, &failure))?;
        Ok(read.item.map(|attributes| Item { operation, attributes }))
    }

    /// Stores a hash of the same password at a higher cost, if the stored one is
    /// still the one that was verified: a password change meanwhile wins. Tells whether
    /// it was stored.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: the old hash may still be there.
    pub async fn rehash(&self, email: &Email, from: &PasswordHash, to: &PasswordHash) -> Result<bool, Failure> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
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
            Err(failure) if is_condition_failure(&failure) => Ok(false),
            Err(failure) => Err(classify("users.rehash", &failure)),
        }
    }

    /// Ends all sessions that a user has, by raising the epoch that was seen. If it is not
    /// that any more, somebody else has just ended them.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the sessions may then be ended.
    pub async fn end_all_sessions(&self, user: &User) -> Result<(), Failure> {
        self.update_state("users.end_all_sessions", user, user.status, user.epoch.saturating_add(1))
            .await
            .map(drop)
    }

    /// Sets a user's status and epoch; false when one of them is not what was seen.
    pub(crate) async fn update_state(
        &self,
        operation: &'static str,
        seen: &User,
        status: UserStatus,
        epoch: u64,
    ) -> Result<bool, Failure> {
        let changed = if status == seen.status { schema::SESSIONS } else { schema::STATUS };
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(schema::PK, text(schema::user_key(&seen.id)))
            .update_expression("SET #status = :status, #epoch = :epoch, #changed = :changed")
            .condition_expression(format!("{EXISTS} AND #epoch = :seen_epoch AND #status = :seen_status"))
            .expression_attribute_names("#status", schema::STATUS)
            .expression_attribute_names("#epoch", schema::EPOCH)
            .expression_attribute_names("#changed", schema::CHANGED)
            .expression_attribute_values(":changed", text(changed))
            .expression_attribute_values(":status", text(schema::user_status(status)))
            .expression_attribute_values(":epoch", number(epoch))
            .expression_attribute_values(":seen_status", text(schema::user_status(seen.status)))
            .expression_attribute_values(":seen_epoch", number(seen.epoch))
            .send()
            .await;
        match update {
            Ok(_) => Ok(true),
            Err(failure) if is_condition_failure(&failure) => Ok(false),
            Err(failure) => Err(classify(operation, &failure)),
        }
    }
}

pub(crate) fn parse_credential(item: &Item) -> Result<Credential, Failure> {
    Ok(Credential {
        user_id: item.parsed(schema::SUB, |text| UserId::parse(text).ok())?,
        password_hash: item.optional_text(schema::PASSWORD_HASH)?.map(PasswordHash::parse),
        credential_version: item.number(schema::CREDENTIAL_VERSION)?,
        password_changed_at: item.optional_number(schema::PASSWORD_CHANGED_AT)?.map(Timestamp::from_millis),
    })
}

pub(crate) fn parse_user(id: &UserId, item: &Item) -> Result<User, Failure> {
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
