//! The calls to the database that a refresh makes, by the SDK alone.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

/// An item as the SDK gives it.
pub type Item = HashMap<String, AttributeValue>;

/// Reads a user; no item when there is none.
///
/// # Errors
/// The SDK's.
pub async fn read_user(client: &Client, sub: &str) -> Result<Item, BoxError> {
    let key = AttributeValue::S(format!("USER#{sub}"));
    let read = client.get_item().table_name("UsersTable").key("pk", key).consistent_read(true);
    Ok(read.send().await?.item.unwrap_or_default())
}

/// Writes the next generation of a session, on a condition as long as the store's own.
///
/// # Errors
/// The SDK's, also when the session has another generation.
pub async fn rotate_session(client: &Client, sub: &str, sid: &str, generation: u64) -> Result<Item, BoxError> {
    let number = |number: u64| AttributeValue::N(number.to_string());
    let update = client
        .update_item()
        .table_name("SessionsTable")
        .key("pk", AttributeValue::S(sub.to_owned()))
        .key("sk", AttributeValue::S(sid.to_owned()))
        .update_expression("SET #gen = :next, #rotated_at = :now, #idle = :idle, #key = :key")
        .condition_expression(
            "attribute_exists(pk) AND #gen = :gen AND #status = :active AND #idle > :past AND #absolute > :past",
        )
        .expression_attribute_names("#gen", "gen")
        .expression_attribute_names("#status", "status")
        .expression_attribute_names("#idle", "idle_expires_at")
        .expression_attribute_names("#absolute", "absolute_expires_at")
        .expression_attribute_names("#rotated_at", "rotated_at")
        .expression_attribute_names("#key", "idempotency_key_digest")
        .expression_attribute_values(":gen", number(generation))
        .expression_attribute_values(":next", number(generation + 1))
        .expression_attribute_values(":active", AttributeValue::S("active".to_owned()))
        .expression_attribute_values(":past", number(1_000_000_000))
        .expression_attribute_values(":now", number(1_800_000_000_000))
        .expression_attribute_values(":idle", number(4_000_000_000))
        .expression_attribute_values(":key", AttributeValue::S("a".repeat(43)))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(update.send().await?.attributes.unwrap_or_default())
}
