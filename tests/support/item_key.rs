//! The keys of items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::token::claim;

/// The key of an item, with its table.
#[derive(Clone, Debug)]
pub struct ItemKey {
    pub(crate) table: &'static str,
    pk: String,
    sk: Option<String>,
}

impl ItemKey {
    /// The user that an access token speaks for.
    pub fn user_of(access_token: &str) -> Self {
        Self::user(&claim(access_token, "sub"))
    }

    /// The user with an id.
    pub fn user(id: &str) -> Self {
        Self { table: "UsersTable", pk: format!("USER#{id}"), sk: None }
    }

    /// The session that an access token belongs to.
    pub fn session_of(access_token: &str) -> Self {
        let (sub, sid) = (claim(access_token, "sub"), claim(access_token, "sid"));
        Self { table: "SessionsTable", pk: sub, sk: Some(sid) }
    }

    /// The credential of an email.
    pub fn credential_of(email: &str) -> Self {
        Self { table: "UsersTable", pk: format!("EMAIL#{email}"), sk: None }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        let mut attributes = HashMap::from([("pk".to_owned(), AttributeValue::S(self.pk.clone()))]);
        if let Some(sk) = &self.sk {
            attributes.insert("sk".to_owned(), AttributeValue::S(sk.clone()));
        }
        attributes
    }
}
