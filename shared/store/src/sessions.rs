//! The sessions' table.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::failure::Failure;
use crate::item::{Attributes, EXISTS, IS_NEW, Item, number, text};
use crate::schema;
use crate::sdk_error::{classify, is_condition_failure};
use relatch::session::{
    EndedBy, Generation, IdempotencyKeyDigest, RotationAttempt, Session, SessionId, SessionStatus, UpdateOutcome,
};
use relatch::time::Timestamp;
use relatch::user::UserId;

/// The table of sessions.
#[derive(Clone, Debug)]
pub struct SessionsTable {
    client: Client,
    name: String,
}

impl SessionsTable {
    /// The table of this name behind a client.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Writes a newly opened session, with a mark if its device is new to the user. Its id
    /// is random, so finding it there means that the SDK delivered this very write before.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]; the session may then be there.
    pub async fn put(&self, session: &Session, is_new_device: bool) -> Result<(), Failure> {
        let mut item = to_attributes(session);
        if is_new_device {
            item.insert(schema::NEW_DEVICE.to_owned(), AttributeValue::Bool(true));
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(IS_NEW)
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(failure) if is_condition_failure(&failure) => Ok(()),
            Err(failure) => Err(classify("sessions.put", &failure)),
        }
    }

    /// Reads a session as it is now.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that is no session.
    pub async fn read(&self, user_id: &UserId, id: &SessionId) -> Result<Option<Session>, Failure> {
        const OPERATION: &str = "sessions.read";
        let read = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(schema::PK, text(user_id.as_str()))
            .key(schema::SK, text(id.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|failure| classify(OPERATION, &failure))?;
        read.item.map(|attributes| parse_session(&Item { operation: OPERATION, attributes })).transpose()
    }

    /// The sessions of a user that were not ended, expired ones among them.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that is no session.
    pub async fn list_active(&self, user_id: &UserId) -> Result<Vec<Session>, Failure> {
        const OPERATION: &str = "sessions.list";
        let (mut sessions, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("#pk = :user")
                .filter_expression("#status = :active")
                .expression_attribute_names("#pk", schema::PK)
                .expression_attribute_names("#status", schema::STATUS)
                .expression_attribute_values(":user", text(user_id.as_str()))
                .expression_attribute_values(":active", text(schema::ACTIVE))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|failure| classify(OPERATION, &failure))?;
            for attributes in page.items.unwrap_or_default() {
                sessions.push(parse_session(&Item { operation: OPERATION, attributes })?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(sessions);
            }
        }
    }

    /// Rotates a session to its next generation if the protocol allows it, in one
    /// write, and tells what it found otherwise.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] (the session may then be rotated: the same request
    /// again finds out), or [`Failure::Internal`].
    pub async fn rotate(
        &self,
        user_id: &UserId,
        id: &SessionId,
        rotation: RotationAttempt<'_>,
    ) -> Result<UpdateOutcome, Failure> {
        const OPERATION: &str = "sessions.rotate";
        let mut condition = format!(
            "{EXISTS} AND #gen = :gen AND #status = :active AND #idle > :now_seconds AND #absolute > :now_seconds"
        );
        let mut update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(schema::PK, text(user_id.as_str()))
            .key(schema::SK, text(id.as_str()))
            .update_expression("SET #gen = :next, #rotated_at = :now, #idle = :idle, #key = :key")
            .expression_attribute_names("#gen", schema::GENERATION)
            .expression_attribute_names("#status", schema::STATUS)
            .expression_attribute_names("#idle", schema::IDLE_EXPIRES_AT)
            .expression_attribute_names("#absolute", schema::ABSOLUTE_EXPIRES_AT)
            .expression_attribute_names("#rotated_at", schema::ROTATED_AT)
            .expression_attribute_names("#key", schema::IDEMPOTENCY_KEY_DIGEST)
            .expression_attribute_values(":gen", number(rotation.from.0))
            .expression_attribute_values(":next", number(rotation.from.next().0))
            .expression_attribute_values(":active", text(schema::ACTIVE))
            .expression_attribute_values(":now", number(rotation.now.millis()))
            .expression_attribute_values(":now_seconds", number(rotation.now.seconds()))
            .expression_attribute_values(":idle", number(rotation.lifetime.idle_expiry(rotation.now).seconds()))
            .expression_attribute_values(":key", text(rotation.idempotency_key_digest.as_str()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(latest) = rotation.window.latest_rotation_before(rotation.now) {
            condition.push_str(" AND (attribute_not_exists(#rotated_at) OR #rotated_at <= :latest)");
            update = update.expression_attribute_values(":latest", number(latest.millis()));
        }
        match update.condition_expression(condition).send().await {
            Ok(output) => {
                let attributes = output.attributes.unwrap_or_default();
                parse_session(&Item { operation: OPERATION, attributes }).map(UpdateOutcome::Applied)
            }
            Err(failure) => match failure.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let item = refused.item.clone().filter(|attributes| !attributes.is_empty());
                    let seen = item
                        .map(|attributes| parse_session(&Item { operation: OPERATION, attributes }))
                        .transpose()?;
                    Ok(UpdateOutcome::Unchanged(seen))
                }
                _ => Err(classify(OPERATION, &failure)),
            },
        }
    }

    /// Marks a session as revoked, with the first reason for it. One that is not there (any
    /// more) needs no mark.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: the session may live on.
    pub async fn revoke(&self, user_id: &UserId, id: &SessionId, by: EndedBy) -> Result<(), Failure> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(schema::PK, text(user_id.as_str()))
            .key(schema::SK, text(id.as_str()))
            .update_expression("SET #status = :revoked, #ended_by = if_not_exists(#ended_by, :by)")
            .condition_expression(EXISTS)
            .expression_attribute_names("#status", schema::STATUS)
            .expression_attribute_names("#ended_by", schema::ENDED_BY)
            .expression_attribute_values(":by", text(schema::ended_by(by)))
            .expression_attribute_values(":revoked", text(schema::REVOKED))
            .send()
            .await;
        match update {
            Ok(_) => Ok(()),
            Err(failure) if is_condition_failure(&failure) => Ok(()),
            Err(failure) => Err(classify("sessions.revoke", &failure)),
        }
    }
}

pub(crate) fn to_attributes(session: &Session) -> Attributes {
    let status = match session.status {
        SessionStatus::Active => schema::ACTIVE,
        SessionStatus::Revoked => schema::REVOKED,
    };
    let always = [
        (schema::PK, text(session.user_id.as_str())),
        (schema::SK, text(session.id.as_str())),
        (schema::GENERATION, number(session.generation.0)),
        (schema::STATUS, text(status)),
        (schema::EPOCH, number(session.epoch)),
        (schema::CREATED_AT, number(session.created_at.millis())),
        (schema::IDLE_EXPIRES_AT, number(session.idle_expires_at.seconds())),
        (schema::ABSOLUTE_EXPIRES_AT, number(session.absolute_expires_at.seconds())),
        (schema::TTL, number(session.absolute_expires_at.seconds())),
    ];
    let sometimes = [
        (schema::ROTATED_AT, session.rotated_at.map(|at| number(at.millis()))),
        (schema::IDEMPOTENCY_KEY_DIGEST, session.idempotency_key_digest.as_ref().map(|key| text(key.as_str()))),
        (schema::DEVICE, session.device.as_deref().map(text)),
    ];
    always
        .into_iter()
        .chain(sometimes.into_iter().filter_map(|(name, value)| Some((name, value?))))
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(crate) fn parse_session(item: &Item) -> Result<Session, Failure> {
    Ok(Session {
        user_id: item.parsed(schema::PK, |text| UserId::parse(text).ok())?,
        id: item.parsed(schema::SK, SessionId::parse)?,
        generation: Generation(item.number(schema::GENERATION)?),
        rotated_at: item.optional_number(schema::ROTATED_AT)?.map(Timestamp::from_millis),
        idempotency_key_digest: item
            .optional_text(schema::IDEMPOTENCY_KEY_DIGEST)?
            .map(|text| IdempotencyKeyDigest::from_stored(text.to_owned())),
        status: item.parsed(schema::STATUS, |text| match text {
            schema::ACTIVE => Some(SessionStatus::Active),
            schema::REVOKED => Some(SessionStatus::Revoked),
            _ => None,
        })?,
        epoch: item.number(schema::EPOCH)?,
        created_at: item.millis(schema::CREATED_AT)?,
        idle_expires_at: item.seconds(schema::IDLE_EXPIRES_AT)?,
        absolute_expires_at: item.seconds(schema::ABSOLUTE_EXPIRES_AT)?,
        device: item.optional_text(schema::DEVICE)?.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Attributes {
        to_attributes(&Session {
            user_id: UserId::parse("ada").unwrap(),
            id: SessionId::parse(&"s".repeat(22)).unwrap(),
            generation: Generation(3),
            rotated_at: Some(Timestamp::from_millis(1_800_000_000_123)),
            idempotency_key_digest: Some(IdempotencyKeyDigest::from_stored("digest".to_owned())),
            status: SessionStatus::Active,
            epoch: 1,
            created_at: Timestamp::from_millis(1_800_000_000_000),
            idle_expires_at: Timestamp::from_seconds(1_800_000_100),
            absolute_expires_at: Timestamp::from_seconds(1_800_000_200),
            device: Some("a phone".to_owned()),
        })
    }

    fn read(attributes: Attributes) -> Result<Session, Failure> {
        parse_session(&Item { operation: "test", attributes })
    }

    #[test]
    fn a_session_survives_the_table() {
        let session = read(stored()).unwrap();
        assert_eq!(to_attributes(&session), stored());
        let bare = Session { rotated_at: None, idempotency_key_digest: None, device: None, ..session };
        assert_eq!(read(to_attributes(&bare)).unwrap(), bare);
    }

    #[test]
    fn every_missing_or_mistyped_attribute_is_an_error_that_names_it() {
        let optional = [schema::ROTATED_AT, schema::IDEMPOTENCY_KEY_DIGEST, schema::DEVICE];
        for name in stored().keys().filter(|name| *name != schema::TTL) {
            let mut without = stored();
            without.remove(name);
            assert_eq!(read(without).is_ok(), optional.contains(&name.as_str()), "{name}");
            for wrong in
                [AttributeValue::Bool(true), AttributeValue::Null(true), text(""), number("-1"), number("1e99")]
            {
                let mut mistyped = stored();
                mistyped.insert(name.clone(), wrong);
                if let Err(error) = read(mistyped) {
                    assert!(error.to_string().contains(name.as_str()), "{name}: {error}");
                }
            }
        }
    }
}
