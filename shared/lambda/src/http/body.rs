//! The members of a body: one JSON object or one form, each member once. Error texts name
//! members and say what is wrong with them; they never repeat a value, which may be a password.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroize;

use super::rejection::Rejection;
use relatch::secret::Secret;

/// The members of a JSON object (RFC 8259 §4) or a form. Unknown ones are ignored by not being
/// asked for.
pub struct BodyFields(BTreeMap<String, Value>);

impl BodyFields {
    /// Reads a body: one JSON object in UTF-8 and nothing after it.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`], also for a member that is there twice.
    pub fn parse(body: &[u8]) -> Result<Self, Rejection> {
        if body.is_empty() {
            return Err(Rejection::invalid_request("the body is empty"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Rejection::invalid_request("the body is not UTF-8"))?;
        serde_json::from_str(text).map_err(|error| {
            Rejection::invalid_request(if error.to_string().starts_with(DUPLICATE) {
                "the body has a member twice"
            } else if error.is_data() {
                "the body is not a JSON object"
            } else {
                "the body is not valid JSON"
            })
        })
    }

    /// Reads a form, whose members are all text. One without a value counts as left out.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`], also for a member that is there twice (RFC 6749 §3.2, as
    /// the rule on empty ones).
    pub fn parse_form(body: &[u8]) -> Result<Self, Rejection> {
        if body.is_empty() {
            return Err(Rejection::invalid_request("the body is empty"));
        }
        let mut members = Self(BTreeMap::new());
        for (name, value) in form_urlencoded::parse(body) {
            if members.0.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(Rejection::invalid_request("the body has a member twice"));
            }
        }
        members.0.retain(|_, value| value != "");
        Ok(members)
    }

    /// Takes out a member that is `true` or `false`, and `false` when it is not there.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`].
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Rejection> {
        match self.0.remove(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Rejection::invalid_request(format!("the member {name} is not true or false"))),
        }
    }

    /// Takes out a member that is a string of at most `max` bytes, if it is there.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`].
    pub fn optional_text(&mut self, name: &'static str, max: usize) -> Result<Option<Secret>, Rejection> {
        if self.0.contains_key(name) { self.text(name, max).map(Some) } else { Ok(None) }
    }

    /// Takes out a member that must be a string of at most `max` bytes.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`].
    pub fn text(&mut self, name: &'static str, max: usize) -> Result<Secret, Rejection> {
        match self.0.remove(name) {
            None => Err(Rejection::missing(name)),
            Some(Value::String(text)) if text.len() <= max => Ok(Secret::new(text)),
            Some(Value::String(_)) => {
                Err(Rejection::invalid_request(format!("the member {name} is longer than {max} bytes")))
            }
            Some(_) => Err(Rejection::invalid_request(format!("the member {name} is not a string"))),
        }
    }
}

impl Drop for BodyFields {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

const DUPLICATE: &str = "duplicate member";

impl<'de> Deserialize<'de> for BodyFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyFieldsVisitor)
    }
}

struct BodyFieldsVisitor;

impl<'de> Visitor<'de> for BodyFieldsVisitor {
    type Value = BodyFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BodyFields, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(BodyFields(members))
    }
}
