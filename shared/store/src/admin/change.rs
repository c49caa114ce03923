//! Changes that the owner of a deployment makes to a user. Those that must end the
//! user's sessions raise the epoch in the same write.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use relatch::email::Email;
use relatch::password::PasswordHash;
use relatch::time::Timestamp;
use relatch::user::{Credential, User, UserStatus};

use crate::failure::Failure;
use crate::item::{EXISTS, number, text};
use crate::schema;
use crate::sdk_error::classify;
use crate::users::UsersTable;

/// How often a change is tried when the user is being changed by somebody else.
const TRIES: usize = 4;

impl UsersTable {
    /// Both items of the user who signs in with an email.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`].
    pub async fn find(&self, email: &Email) -> Result<Option<(Credential, User)>, Failure> {
        let Some(credential) = self.read_credential(email).await? else { return Ok(None) };
        let user = self.read(&credential.user_id).await?;
        Ok(user.map(|user| (credential, user)))
    }

    /// Gives a user another password and ends all sessions; false when there is no such
    /// user. Both items change in one transaction and carry the same new version, so that
    /// a sign-in with the old password that is under way opens no session.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the change may then be made.
    pub async fn set_password(&self, email: &Email, hash: &PasswordHash, now: Timestamp) -> Result<bool, Failure> {
        const OPERATION: &str = "users.set_password";
        for _ in 0..TRIES {
            let Some((credential, user)) = self.find(email).await? else { return Ok(false) };
            let next = number(credential.credential_version.saturating_add(1));
            let credential_update = Update::builder()
                .table_name(&self.name)
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
                .table_name(&self.name)
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
                return Err(Failure::internal(OPERATION, "the request could not be built"));
            };
            let items =
                [credential_update, user_update].map(|update| TransactWriteItem::builder().update(update).build());
            if self.transact(OPERATION, items).await? {
                return Ok(true);
            }
        }
        Err(Failure::unavailable(OPERATION, "the user kept changing"))
    }

    /// Lets a user sign in, or no more; false when there is no such user. Disabling ends
    /// all sessions.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the change may then be made.
    pub async fn set_status(&self, email: &Email, status: UserStatus) -> Result<bool, Failure> {
        const OPERATION: &str = "users.set_status";
        for _ in 0..TRIES {
            let Some((_, user)) = self.find(email).await? else { return Ok(false) };
            if user.status == status {
                return Ok(true);
            }
            let epoch = match status {
                UserStatus::Active => user.epoch,
                UserStatus::Disabled => user.epoch.saturating_add(1),
            };
            if self.update_state(OPERATION, &user, status, epoch).await? {
                return Ok(true);
            }
        }
        Err(Failure::unavailable(OPERATION, "the user kept changing"))
    }

    /// Deletes a user, which ends all sessions; false when there is no such user.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the user may then be gone.
    pub async fn delete(&self, email: &Email) -> Result<bool, Failure> {
        const OPERATION: &str = "users.delete";
        for _ in 0..TRIES {
            let Some((_, user)) = self.find(email).await? else { return Ok(false) };
            let credential = Delete::builder()
                .table_name(&self.name)
                .key(schema::PK, text(schema::email_key(email)))
                .condition_expression("#sub = :sub")
                .expression_attribute_names("#sub", schema::SUB)
                .expression_attribute_values(":sub", text(user.id.as_str()))
                .build();
            let state = Delete::builder()
                .table_name(&self.name)
                .key(schema::PK, text(schema::user_key(&user.id)))
                .condition_expression(EXISTS)
                .build();
            let (Ok(credential), Ok(state)) = (credential, state) else {
                return Err(Failure::internal(OPERATION, "the request could not be built"));
            };
            let items = [credential, state].map(|delete| TransactWriteItem::builder().delete(delete).build());
            if self.transact(OPERATION, items).await? {
                return Ok(true);
            }
        }
        Err(Failure::unavailable(OPERATION, "the user kept changing"))
    }

    /// Writes both items or none; false when a condition did not hold, or somebody else
    /// writes one of them at this moment.
    async fn transact(&self, operation: &'static str, items: [TransactWriteItem; 2]) -> Result<bool, Failure> {
        match self.client.transact_write_items().set_transact_items(Some(items.into())).send().await {
            Ok(_) => Ok(true),
            Err(failure) => match failure.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    let mut codes = canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
                    match codes
                        .find(|code| !["None", "ConditionalCheckFailed", "TransactionConflict"].contains(code))
                    {
                        Some(code) => Err(Failure::unavailable(operation, code)),
                        None => Ok(false),
                    }
                }
                _ => Err(classify(operation, &failure)),
            },
        }
    }
}
