//! Reading and writing items: a missing or mistyped attribute is an error that
//! names it, never a panic and never a guess.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::failure::Failure;
use relatch::time::Timestamp;

pub(crate) type Attributes = HashMap<String, AttributeValue>;

/// An item that was read from a table, with the operation's name for its errors.
pub(crate) struct Item {
    pub(crate) operation: &'static str,
    pub(crate) attributes: Attributes,
}

impl Item {
    /// The error of an attribute with a value that cannot be.
    pub(crate) fn invalid_attribute(&self, name: &str) -> Failure {
        Failure::internal(self.operation, &format!("the item's attribute {name} is missing or wrong"))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid_attribute(name)),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Failure> {
        self.optional_text(name)?.ok_or_else(|| self.invalid_attribute(name))
    }

    pub(crate) fn optional_number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => digits.parse().map(Some).map_err(|_| self.invalid_attribute(name)),
            Some(_) => Err(self.invalid_attribute(name)),
        }
    }

    pub(crate) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, Failure> {
        self.optional_number(name)?.ok_or_else(|| self.invalid_attribute(name))
    }

    pub(crate) fn millis(&self, name: &str) -> Result<Timestamp, Failure> {
        self.number(name).map(Timestamp::from_millis)
    }

    pub(crate) fn seconds(&self, name: &str) -> Result<Timestamp, Failure> {
        self.number(name).map(Timestamp::from_seconds)
    }

    /// Reads an attribute by a form that can refuse it.
    pub(crate) fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
        parse(self.text(name)?).ok_or_else(|| self.invalid_attribute(name))
    }
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl std::fmt::Display + Copy) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The condition under which a write applies to an item that is there.
pub(crate) const EXISTS: &str = "attribute_exists(pk)";
/// The condition under which a write makes a new item.
pub(crate) const IS_NEW: &str = "attribute_not_exists(pk)";
