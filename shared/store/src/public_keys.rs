//! The public keys of access tokens: one item in a table of its own, which is all that the
//! functions reach that only verify.
//!
//! A key is put in and taken out by its own name, never with the whole set, so that two who
//! change the keys at once do not undo each other's work.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::failure::Failure;
use crate::item::{EXISTS, IS_NEW, Item, number, text};
use crate::schema;
use crate::sdk_error::{classify, is_condition_failure};
use relatch::keys::{PublicKey, PublicKeySet};
use relatch::time::Timestamp;

/// A public key that everyone may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: PublicKey,
    /// When it was published.
    pub published_at: Timestamp,
}

/// The table of the public keys.
#[derive(Clone, Debug)]
pub struct PublicKeysTable {
    client: Client,
    name: String,
}

impl PublicKeysTable {
    /// The table of this name behind a client.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Reads the public keys; there are none before the first rotation.
    ///
    /// # Errors
    /// [`Failure::Unavailable`], or [`Failure::Internal`] for an item that holds no keys.
    pub async fn read(&self) -> Result<Vec<PublishedKey>, Failure> {
        const OPERATION: &str = "keys.read";
        let read = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(schema::PK, text(schema::PUBLIC))
            .consistent_read(true)
            .send()
            .await
            .map_err(|failure| classify(OPERATION, &failure))?;
        let Some(attributes) = read.item else { return Ok(Vec::new()) };
        let item = Item { operation: OPERATION, attributes };
        let keys = match item.attributes.get(schema::KEYS) {
            Some(AttributeValue::M(keys)) => keys.values(),
            Some(_) | None => return Err(item.invalid_attribute(schema::KEYS)),
        };
        let mut published = keys.map(|key| parse_published_key(OPERATION, key)).collect::<Result<Vec<_>, _>>()?;
        // The oldest first, the same for every reader.
        published.sort_by(|a, b| (a.published_at, a.key.kid()).cmp(&(b.published_at, b.key.kid())));
        Ok(published)
    }

    /// Publishes keys. One that is there stays as it is.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: some may be published.
    pub async fn publish(&self, set: &PublicKeySet, now: Timestamp) -> Result<(), Failure> {
        const OPERATION: &str = "keys.publish";
        let first = self
            .client
            .put_item()
            .table_name(&self.name)
            .item(schema::PK, text(schema::PUBLIC))
            .item(schema::KEYS, AttributeValue::M(HashMap::new()))
            .condition_expression(IS_NEW)
            .send()
            .await;
        match first {
            Ok(_) => {}
            Err(failure) if is_condition_failure(&failure) => {}
            Err(failure) => return Err(classify(OPERATION, &failure)),
        }
        for key in set.keys() {
            let jwk = serde_json::to_string(key).map_err(|_| Failure::internal(OPERATION, "a key has no text"))?;
            let value = HashMap::from([
                (schema::JWK.to_owned(), text(jwk)),
                (schema::PUBLISHED_AT.to_owned(), number(now.millis())),
            ]);
            self.client
                .update_item()
                .table_name(&self.name)
                .key(schema::PK, text(schema::PUBLIC))
                .update_expression("SET #keys.#kid = if_not_exists(#keys.#kid, :key)")
                .condition_expression(EXISTS)
                .expression_attribute_names("#keys", schema::KEYS)
                .expression_attribute_names("#kid", key.kid())
                .expression_attribute_values(":key", AttributeValue::M(value))
                .send()
                .await
                .map_err(|failure| classify(OPERATION, &failure))?;
        }
        Ok(())
    }

    /// Takes keys back. One that is not there needs nothing.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`]: some may be there still.
    pub async fn withdraw(&self, kids: &[&str]) -> Result<(), Failure> {
        const OPERATION: &str = "keys.withdraw";
        for kid in kids {
            let update = self
                .client
                .update_item()
                .table_name(&self.name)
                .key(schema::PK, text(schema::PUBLIC))
                .update_expression("REMOVE #keys.#kid")
                .condition_expression(EXISTS)
                .expression_attribute_names("#keys", schema::KEYS)
                .expression_attribute_names("#kid", *kid)
                .send()
                .await;
            match update {
                Ok(_) => {}
                Err(failure) if is_condition_failure(&failure) => {}
                Err(failure) => return Err(classify(OPERATION, &failure)),
            }
        }
        Ok(())
    }
}

fn parse_published_key(operation: &'static str, value: &AttributeValue) -> Result<PublishedKey, Failure> {
    let AttributeValue::M(attributes) = value else {
        return Err(Failure::internal(operation, "a published key is no map"));
    };
    let item = Item { operation, attributes: attributes.clone() };
    Ok(PublishedKey {
        key: item.parsed(schema::JWK, |text| serde_json::from_str(text).ok())?,
        published_at: item.millis(schema::PUBLISHED_AT)?,
    })
}
