//! Any attributes as an item of the tables: what is wrong is named, and what is read is
//! what was written.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use libfuzzer_sys::fuzz_target;
use relatch::Email;
use relatch::password::PasswordHash;
use relatch::user::{Credential, User};
use relatch_store::{Failure, fuzzing, schema};

type Attributes = HashMap<String, AttributeValue>;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: Kind,
    values: [Content<'a>; 12],
    extra: Vec<(&'a str, Content<'a>)>,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Session,
    User,
    Credential,
}

#[derive(Arbitrary, Debug)]
enum Content<'a> {
    Good,
    Absent,
    Text(&'a str),
    Number(i64),
    Digits(&'a str),
    Bytes(&'a [u8]),
    Flag(bool),
    Null,
    List,
}

impl Content<'_> {
    fn to_value(&self, good: &AttributeValue) -> Option<AttributeValue> {
        Some(match self {
            Self::Good => good.clone(),
            Self::Absent => return None,
            Self::Text(text) => AttributeValue::S((*text).to_owned()),
            Self::Number(number) => AttributeValue::N(number.to_string()),
            Self::Digits(digits) => AttributeValue::N((*digits).to_owned()),
            Self::Bytes(bytes) => AttributeValue::B(Blob::new(*bytes)),
            Self::Flag(flag) => AttributeValue::Bool(*flag),
            Self::Null => AttributeValue::Null(true),
            Self::List => AttributeValue::L(vec![good.clone()]),
        })
    }
}

/// The attributes of good items.
const SESSION: [(&str, &str); 12] = [
    (schema::PK, "ada"),
    (schema::SK, "ssssssssssssssssssssss"),
    (schema::GENERATION, "3"),
    (schema::STATUS, schema::ACTIVE),
    (schema::EPOCH, "1"),
    (schema::CREATED_AT, "1800000000000"),
    (schema::IDLE_EXPIRES_AT, "1800000100"),
    (schema::ABSOLUTE_EXPIRES_AT, "1800000200"),
    (schema::TTL, "1800000200"),
    (schema::ROTATED_AT, "1800000000123"),
    (schema::IDEMPOTENCY_KEY_DIGEST, "digest"),
    (schema::DEVICE, "a phone"),
];
const USER: [(&str, &str); 5] = [
    (schema::EMAIL, "ada@example.com"),
    (schema::STATUS, schema::DISABLED),
    (schema::EPOCH, "1800000000000"),
    (schema::CREDENTIAL_VERSION, "1"),
    (schema::CREATED_AT, "1800000000000"),
];
const CREDENTIAL: [(&str, &str); 4] = [
    (schema::SUB, "ada"),
    (schema::PASSWORD_HASH, "$2b$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"),
    (schema::CREDENTIAL_VERSION, "1"),
    (schema::PASSWORD_CHANGED_AT, "1800000000000"),
];

fuzz_target!(|input: Input| match input.kind {
    Kind::Session => check_item(&input, &SESSION, fuzzing::session, fuzzing::session_attributes),
    Kind::User => check_item(&input, &USER, fuzzing::user, user_attributes),
    Kind::Credential => check_item(&input, &CREDENTIAL, fuzzing::credential, credential_attributes),
});

fn check_item<T>(
    input: &Input,
    good: &[(&str, &str)],
    read: fn(Attributes) -> Result<T, Failure>,
    write: fn(&T) -> Attributes,
) {
    let values = good.iter().map(|(name, _)| *name).zip(&input.values);
    let good = build_attributes(good.iter().map(|(name, text)| (*name, Some(*text))));
    let extra_attribute = |(name, content): &(&str, Content)| {
        Some(((*name).to_owned(), content.to_value(&AttributeValue::Null(true))?))
    };
    let mut item: Attributes = input.extra.iter().filter_map(extra_attribute).collect();
    item.extend(values.filter_map(|(name, content)| Some((name.to_owned(), content.to_value(&good[name])?))));

    let value = read_with_repairs(&mut item, &good, read);
    let written = write(&value);
    for name in good.keys().filter(|name| *name != schema::TTL) {
        let (before, after) = (item.get(name), written.get(name));
        assert!(
            before == after || before.is_some_and(|value| !is_canonical(name, value)),
            "{name}: {before:?} {after:?}"
        );
    }
    let rewritten = read(written.clone()).map(|value| write(&value));
    assert_eq!(rewritten.ok(), Some(written));
}

/// Reads an item, with a good value for each attribute that an error names: every error
/// names one, and no good one.
fn read_with_repairs<T>(
    item: &mut Attributes,
    good: &Attributes,
    read: fn(Attributes) -> Result<T, Failure>,
) -> T {
    loop {
        let detail = match read(item.clone()) {
            Ok(value) => return value,
            Err(Failure::Internal(cause)) => cause.detail,
            Err(other) => panic!("{other}"),
        };
        let is_named = |name: &&String| detail == format!("the item's attribute {name} is missing or wrong");
        let Some(name) = good.keys().find(is_named) else { panic!("{detail}") };
        let before = item.insert(name.clone(), good[name].clone());
        assert_ne!(before.as_ref(), good.get(name), "{detail}");
    }
}

/// Whether a value is as Relatch would write it. DynamoDB itself stores no other numbers,
/// and none beyond the scale of time is in a table.
fn is_canonical(name: &str, value: &AttributeValue) -> bool {
    let is_seconds = [schema::IDLE_EXPIRES_AT, schema::ABSOLUTE_EXPIRES_AT].contains(&name);
    match value {
        AttributeValue::N(digits) => digits.parse::<i128>().is_ok_and(|number| {
            number.to_string() == *digits && (!is_seconds || number.abs() <= i128::from(i64::MAX / 1000))
        }),
        AttributeValue::S(text) if name == schema::EMAIL => {
            Email::parse(text).is_ok_and(|email| email.as_str() == text)
        }
        AttributeValue::S(text) if name == schema::PASSWORD_HASH => PasswordHash::parse(text).is_ok(),
        _ => true,
    }
}

fn user_attributes(user: &User) -> Attributes {
    build_attributes([
        (schema::EMAIL, Some(user.email.as_str())),
        (schema::STATUS, Some(schema::user_status(user.status))),
        (schema::EPOCH, Some(&*user.epoch.to_string())),
        (schema::CREDENTIAL_VERSION, Some(&*user.credential_version.to_string())),
        (schema::CREATED_AT, Some(&*user.created_at.millis().to_string())),
    ])
}

fn credential_attributes(credential: &Credential) -> Attributes {
    let changed_at = credential.password_changed_at.map(|at| at.millis().to_string());
    build_attributes([
        (schema::SUB, Some(credential.user_id.as_str())),
        (
            schema::PASSWORD_HASH,
            credential.password_hash.as_ref().and_then(|hash| Some(hash.as_ref().ok()?.expose())),
        ),
        (schema::CREDENTIAL_VERSION, Some(&*credential.credential_version.to_string())),
        (schema::PASSWORD_CHANGED_AT, changed_at.as_deref()),
    ])
}

/// Attributes of these values: numbers where a number belongs, and text elsewhere.
fn build_attributes<'a>(values: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Attributes {
    let is_text = |name| {
        use schema::{DEVICE, EMAIL, IDEMPOTENCY_KEY_DIGEST, PASSWORD_HASH, PK, SK, STATUS, SUB};
        [PK, SK, SUB, EMAIL, STATUS, PASSWORD_HASH, IDEMPOTENCY_KEY_DIGEST, DEVICE].contains(&name)
    };
    let to_value = |name, text: &str| {
        if is_text(name) { AttributeValue::S(text.to_owned()) } else { AttributeValue::N(text.to_owned()) }
    };
    values.into_iter().filter_map(|(name, text)| Some((name.to_owned(), to_value(name, text?)))).collect()
}
