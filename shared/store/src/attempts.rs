//! The attempts' table: counters, each changed by conditional writes of one item.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::failure::Failure;
use crate::item::{EXISTS, IS_NEW, Item, number, text};
use crate::schema;
use crate::sdk_error::{classify, is_condition_failure};
use relatch::throttling::{AttemptId, Count, Counter, FORGOTTEN_AFTER, KNOWN_FOR, Verdict, decide};
use relatch::time::Timestamp;

/// How often a count that changes under our hands is asked again. Each time, another
/// attempt was counted, after which this one is soon refused.
const RACES: usize = 4;

/// What came of counting an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It was counted, and this is the count with it.
    Yes(Count),
    /// It was not, and must wait until then.
    Refused(Timestamp),
}

/// The table of the counters.
#[derive(Clone, Debug)]
pub struct AttemptsTable {
    client: Client,
    name: String,
}

impl AttemptsTable {
    /// The table of this name behind a client.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Counts an attempt before its password is compared, if the counter allows it.
    ///
    /// One write without a look before, while the counter is below its limit; the answer
    /// to a refused one holds what the decision needs.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] (it may be counted) or [`Failure::Internal`].
    pub async fn count(&self, counter: &Counter, id: &AttemptId, now: Timestamp) -> Result<Counted, Failure> {
        let mut found = match self.try_count(counter, id, now).await? {
            Ok(count) => return Ok(Counted::Yes(count)),
            Err(found) => found,
        };
        for _ in 0..RACES {
            let Some(count) = found else { break };
            found = match decide(counter, &count, id, now) {
                Verdict::Counted => return Ok(Counted::Yes(count)),
                Verdict::Refused(until) => return Ok(Counted::Refused(until)),
                Verdict::CountAs(next) => match self.count_as(next, &count, counter, id, now).await? {
                    Ok(count) => return Ok(Counted::Yes(count)),
                    Err(found) => found,
                },
            };
        }
        Err(Failure::unavailable(OPERATION, "the count kept changing"))
    }

    async fn try_count(
        &self,
        counter: &Counter,
        id: &AttemptId,
        now: Timestamp,
    ) -> Result<Result<Count, Option<Count>>, Failure> {
        let is_recent = "(#count = :zero OR #last_at > :forgotten)";
        let update = self
            .update_counter(counter)
            .update_expression(
                "SET #count = if_not_exists(#count, :zero) + :one, #last_at = :now, #last_id = :id, #ttl = :ttl",
            )
            .condition_expression(format!("{IS_NEW} OR (#count < :limit AND #last_id <> :id AND {is_recent})"))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":limit", number(counter.limit))
            .expression_attribute_values(":forgotten", number((now - FORGOTTEN_AFTER).millis()));
        write_count(update, counter, id, now).await
    }

    /// Counts an attempt as this number, if the count is still what was seen.
    async fn count_as(
        &self,
        next: u32,
        seen: &Count,
        counter: &Counter,
        id: &AttemptId,
        now: Timestamp,
    ) -> Result<Result<Count, Option<Count>>, Failure> {
        let update = self
            .update_counter(counter)
            .update_expression("SET #count = :next, #last_at = :now, #last_id = :id, #ttl = :ttl")
            .condition_expression(format!(
                "{EXISTS} AND #count = :seen AND #last_at = :seen_at AND #last_id = :seen_id"
            ))
            .expression_attribute_values(":next", number(next))
            .expression_attribute_values(":seen", number(seen.number))
            .expression_attribute_values(":seen_at", number(seen.last_at.millis()))
            .expression_attribute_values(":seen_id", text(seen.last_id.as_str()));
        write_count(update, counter, id, now).await
    }

    /// Reads what a counter has counted.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that is no count.
    pub async fn read(&self, counter: &Counter) -> Result<Option<Count>, Failure> {
        const OPERATION: &str = "attempts.read";
        let read = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(schema::PK, text(counter.key.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|failure| classify(OPERATION, &failure))?;
        read.item.map(|attributes| parse_count(&Item { operation: OPERATION, attributes })).transpose()
    }

    /// Takes back a unit of an attempt that did not come to a wrong password. A pair's
    /// only if nothing was counted since.
    ///
    /// Sent once: a second delivery would take another attempt's unit.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: the unit may stay counted.
    pub async fn refund(&self, counter: &Counter, id: &AttemptId) -> Result<(), Failure> {
        let mut update = self
            .update_counter(counter)
            .update_expression("SET #count = #count - :one")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":zero", number(0));
        update = if counter.ends_at.is_some() {
            update.condition_expression(format!("{EXISTS} AND #count > :zero"))
        } else {
            update
                .condition_expression(format!("{EXISTS} AND #count > :zero AND #last_id = :id"))
                .expression_attribute_names("#last_id", schema::LAST_ID)
                .expression_attribute_values(":id", text(id.as_str()))
        };
        send_once("attempts.refund", update).await
    }

    /// Forgives a pair its wrong passwords, and remembers that it signed in.
    ///
    /// Sent once: a late second delivery would forgive those that came after.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: the pair may not be forgiven.
    pub async fn reset(&self, pair: &Counter, now: Timestamp) -> Result<(), Failure> {
        let update = self
            .update_counter(pair)
            .update_expression("SET #count = :zero, #signed_in_at = :now, #ttl = :ttl")
            .condition_expression(EXISTS)
            .expression_attribute_names("#signed_in_at", schema::SIGNED_IN_AT)
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":now", number(now.millis()))
            .expression_attribute_values(":ttl", number(item_expiry(pair, now).seconds()));
        send_once("attempts.reset", update).await
    }

    fn update_counter(&self, counter: &Counter) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(schema::PK, text(counter.key.as_str()))
            .expression_attribute_names("#count", schema::COUNT)
    }
}

const OPERATION: &str = "attempts.count";

/// When a counter's item is of no use any more.
fn item_expiry(counter: &Counter, now: Timestamp) -> Timestamp {
    counter.ends_at.unwrap_or_else(|| now + KNOWN_FOR)
}

/// The count after the write, or the one that refused it.
async fn write_count(
    update: UpdateItemFluentBuilder,
    counter: &Counter,
    id: &AttemptId,
    now: Timestamp,
) -> Result<Result<Count, Option<Count>>, Failure> {
    let sent = update
        .expression_attribute_names("#last_at", schema::LAST_AT)
        .expression_attribute_names("#last_id", schema::LAST_ID)
        .expression_attribute_names("#ttl", schema::TTL)
        .expression_attribute_values(":now", number(now.millis()))
        .expression_attribute_values(":id", text(id.as_str()))
        .expression_attribute_values(":ttl", number(item_expiry(counter, now).seconds()))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match sent {
        Ok(output) => {
            parse_count(&Item { operation: OPERATION, attributes: output.attributes.unwrap_or_default() }).map(Ok)
        }
        Err(failure) => match failure.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let item = refused.item.clone().filter(|attributes| !attributes.is_empty());
                item.map(|attributes| parse_count(&Item { operation: OPERATION, attributes })).transpose().map(Err)
            }
            _ => Err(classify(OPERATION, &failure)),
        },
    }
}

async fn send_once(operation: &'static str, update: UpdateItemFluentBuilder) -> Result<(), Failure> {
    let once = Builder::new().retry_config(RetryConfig::disabled());
    match update.customize().config_override(once).send().await {
        Ok(_) => Ok(()),
        Err(failure) if is_condition_failure(&failure) => Ok(()),
        Err(failure) => Err(classify(operation, &failure)),
    }
}

fn parse_count(item: &Item) -> Result<Count, Failure> {
    Ok(Count {
        number: item.number(schema::COUNT)?,
        last_at: item.millis(schema::LAST_AT)?,
        last_id: AttemptId::from_stored(item.text(schema::LAST_ID)?.to_owned()),
        signed_in_at: item.optional_number(schema::SIGNED_IN_AT)?.map(Timestamp::from_millis),
    })
}
