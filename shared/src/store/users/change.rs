//! Changes that the owner of a deployment makes to a user. Those that must end the
//! user's sessions raise the epoch in the same write.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};

use crate::email::Email;
use crate::error::Error;
use crate::password::PasswordHash;
use crate::store::failure::{classify, is_refused_by_condition};
use crate::store::item::{EXISTS, number, text};
use crate::store::{Store, schema};
use crate::time::Timestamp;
use crate::user::{Credential, User, UserStatus};

/// How often a change is tried when the user is being changed by somebody else.
const TRIES: usize = 4;

impl Store {
    /// Both items of the user who signs in with an email.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`].
    pub async fn find_user(&self, email: &Email) -> Result<Option<(Credential, User)>, Error> {
        let Some(credential) = self.read_credential(email).await? else { return Ok(None) };
        let user = self.read_user(&credential.user_id).await?;
        Ok(user.map(|user| (credential, user)))
    }

    /// Gives a user another password and ends all sessions; false when there is no such
    /// user. Both items change in one transaction and carry the same new version, so that
    /// a sign-in with the old password that is under way opens no session.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the change may then be made.
    pub async fn set_password(&self, email: &Email, hash: &PasswordHash, now: Timestamp) -> Result<bool, Error> {
        const WHAT: &str = "users.set_password";
        for _ in 0..TRIES {
            let Some((credential, user)) = self.find_user(email).await? else { return Ok(false) };
            let next = number(credential.credential_version.saturating_add(1));
            let credential_update = Update::builder()
                .table_name(&self.users_table)
                .key(schema::PK, text(schema::email_key(email)))
                .update_expression("SET #hash = :hash, #version = :next, #changed = :now")
                .condition_expression(format!("{EXISTS} AND #version = :seen AND #sub = :sub"))
                .expression_attribute_names("#hash", schema::PASSWORD_HASH)
                .expression_attribute_names("#version", schema::CREDENTIAL_VERSION)
                .expression_attribute_names("#changed", schema::PASSWORD_CHANGED_AT)
                .expression_attribute_names("#sub", schema::SUB)
                .expression_attribute_values(":hash", text(hash.expose()))
                .expression_attribute_values(":next", next.clone())
                .expression_attribute_values(":now", number(now.millis()))
                .expression_attribute_values(":seen", number(credential.credential_version))
                .expression_attribute_values(":sub", text(user.id.as_str()))
                .build();
            let user_update = Update::builder()
                .table_name(&self.users_table)
                .key(schema::PK, text(schema::user_key(&user.id)))
                .update_expression("SET #version = :next, #epoch = :next_epoch, #last = :password, #sub = :sub")
                .condition_expression(format!("{EXISTS} AND #epoch = :seen_epoch"))
                .expression_attribute_names("#version", schema::CREDENTIAL_VERSION)
                .expression_attribute_names("#epoch", schema::EPOCH)
                .expression_attribute_names("#last", schema::CHANGED)
                .expression_attribute_names("#sub", schema::SUB)
                .expression_attribute_values(":sub", text(user.id.as_str()))
                .expression_attribute_values(":password", text(schema::PASSWORD))
                .expression_attribute_values(":next", next)
                .expression_attribute_values(":next_epoch", number(user.epoch.saturating_add(1)))
                .expression_attribute_values(":seen_epoch", number(user.epoch))
                .build();
            let (Ok(credential_update), Ok(user_update)) = (credential_update, user_update) else {
                return Err(Error::internal(WHAT, "the request could not be built"));
            };
            let items =
                [credential_update, user_update].map(|update| TransactWriteItem::builder().update(update).build());
            if self.transact(WHAT, items).await? {
                return Ok(true);
            }
        }
        Err(Error::unavailable(WHAT, "the user kept changing"))
    }

    /// Lets a user sign in, or no more; false when there is no such user. Disabling ends
    /// all sessions.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the change may then be made.
    pub async fn set_status(&self, email: &Email, status: UserStatus) -> Result<bool, Error> {
        const WHAT: &str = "users.set_status";
        for _ in 0..TRIES {
            let Some((_, user)) = self.find_user(email).await? else { return Ok(false) };
            if user.status == status {
                return Ok(true);
            }
            let epoch = match status {
                UserStatus::Active => user.epoch,
                UserStatus::Disabled => user.epoch.saturating_add(1),
            };
            if self.update_state(WHAT, &user, status, epoch).await? {
                return Ok(true);
            }
        }
        Err(Error::unavailable(WHAT, "the user kept changing"))
    }

    /// Ends all sessions that a user has, by raising the epoch that was seen. If it is not
    /// that any more, somebody else has just ended them.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the sessions may then be ended.
    pub async fn end_all_sessions(&self, user: &User) -> Result<(), Error> {
        self.update_state("users.end_all_sessions", user, user.status, user.epoch.saturating_add(1))
            .await
            .map(drop)
    }

    /// Sets a user's status and epoch; false when one of them is not what was seen.
    async fn update_state(
        &self,
        what: &'static str,
        seen: &User,
        status: UserStatus,
        epoch: u64,
    ) -> Result<bool, Error> {
        let changed = if status == seen.status { schema::SESSIONS } else { schema::STATUS };
        let update = self
            .client
            .update_item()
            .table_name(&self.users_table)
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
            Err(failure) if is_refused_by_condition(&failure) => Ok(false),
            Err(failure) => Err(classify(what, &failure)),
        }
    }

    /// Deletes a user, which ends all sessions; false when there is no such user.
    ///
    /// # Errors
    /// [`Error::Unavailable`] or [`Error::Internal`]; the user may then be gone.
    pub async fn delete_user(&self, email: &Email) -> Result<bool, Error> {
        const WHAT: &str = "users.delete";
        for _ in 0..TRIES {
            let Some((_, user)) = self.find_user(email).await? else { return Ok(false) };
            let credential = Delete::builder()
                .table_name(&self.users_table)
                .key(schema::PK, text(schema::email_key(email)))
                .condition_expression("#sub = :sub")
                .expression_attribute_names("#sub", schema::SUB)
                .expression_attribute_values(":sub", text(user.id.as_str()))
                .build();
            let state = Delete::builder()
                .table_name(&self.users_table)
                .key(schema::PK, text(schema::user_key(&user.id)))
                .condition_expression(EXISTS)
                .build();
            let (Ok(credential), Ok(state)) = (credential, state) else {
                return Err(Error::internal(WHAT, "the request could not be built"));
            };
            let items = [credential, state].map(|delete| TransactWriteItem::builder().delete(delete).build());
            if self.transact(WHAT, items).await? {
                return Ok(true);
            }
        }
        Err(Error::unavailable(WHAT, "the user kept changing"))
    }

    /// Writes both items or none; false when a condition did not hold, or somebody else
    /// writes one of them at this moment.
    async fn transact(&self, what: &'static str, items: [TransactWriteItem; 2]) -> Result<bool, Error> {
        match self.client.transact_write_items().set_transact_items(Some(items.into())).send().await {
            Ok(_) => Ok(true),
            Err(failure) => match failure.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
                    match codes
                        .find(|code| !["None", "ConditionalCheckFailed", "TransactionConflict"].contains(code))
                    {
                        Some(code) => Err(Error::unavailable(what, code)),
                        None => Ok(false),
                    }
                }
                _ => Err(classify(what, &failure)),
            },
        }
    }
}
