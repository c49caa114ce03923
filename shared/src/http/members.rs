//! The members of a body: one JSON object or one form, each member once. Error texts name
//! members and say what is wrong with them; they never repeat a value, which may be a password.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroize;

use super::refusal::Refusal;
use crate::secret::Secret;

/// The members of a JSON object (RFC 8259 §4) or a form. Unknown ones are ignored by not being
/// asked for.
pub struct Members(BTreeMap<String, Value>);

impl Members {
    /// Reads a body: one JSON object in UTF-8 and nothing after it.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`], also for a member that is there twice.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Err(Refusal::invalid_request("the body is empty"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refusal::invalid_request("the body is not UTF-8"))?;
        serde_json::from_str(text).map_err(|error| {
            Refusal::invalid_request(if error.to_string().starts_with(DUPLICATE) {
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
    /// [`Refusal::InvalidRequest`], also for a member that is there twice (RFC 6749 §3.2, as
    /// the rule on empty ones).
    pub fn parse_form(body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Err(Refusal::invalid_request("the body is empty"));
        }
        let mut members = Self(BTreeMap::new());
        for (name, value) in form_urlencoded::parse(body) {
            if members.0.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
                return Err(Refusal::invalid_request("the body has a member twice"));
            }
        }
        members.0.retain(|_, value| value != "");
        Ok(members)
    }

    /// Takes out a member that is `true` or `false`, and `false` when it is not there.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`].
    pub fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        match self.0.remove(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Refusal::invalid_request(format!("the member {name} is not true or false"))),
        }
    }

    /// Takes out a member that is a string of at most `most` bytes, if it is there.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`].
    pub fn optional_text(&mut self, name: &'static str, most: usize) -> Result<Option<Secret>, Refusal> {
        if self.0.contains_key(name) { self.text(name, most).map(Some) } else { Ok(None) }
    }

    /// Takes out a member that must be a string of at most `most` bytes.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`].
    pub fn text(&mut self, name: &'static str, most: usize) -> Result<Secret, Refusal> {
        match self.0.remove(name) {
            None => Err(Refusal::missing(name)),
            Some(Value::String(text)) if text.len() <= most => Ok(Secret::new(text)),
            Some(Value::String(_)) => {
                Err(Refusal::invalid_request(format!("the member {name} is longer than {most} bytes")))
            }
            Some(_) => Err(Refusal::invalid_request(format!("the member {name} is not a string"))),
        }
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

const DUPLICATE: &str = "duplicate member";

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Members(members))
    }
}
