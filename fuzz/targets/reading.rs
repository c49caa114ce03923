//! What every reading of a request must keep to, whatever the request.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relatch::AllowedOrigins;
use relatch::http::{MAX_BODY_BYTES, Members, Presented, REFRESH_COOKIE, Refusal, Request};
use serde_json::Value;

/// The members that are asked for: those of the routes, and some that a fuzzer finds easily.
const NAMES: [&str; 6] = ["email", "password", "token", "refresh_token", "a", ""];

/// Reads a request in every way, and compares with the body that its event has.
pub(crate) fn check(request: &Request, body: &str, is_base64: bool) {
    assert!(request.id().len() <= 64);
    for name in ["content-type", "authorization", "idempotency-key", "user-agent"] {
        assert!(request.header(&name.to_ascii_uppercase()).is_none(), "names are in lower case");
    }
    if let Some(agent) = request.user_agent(128) {
        assert!((1..=128).contains(&agent.len()) && !agent.contains(char::is_control));
        assert!(!agent.contains(['"', '\\', '<', '>']));
    }
    for hops in 0..4 {
        let address = request.address(hops);
        assert!(address.prefix().is_ascii() && (1..=43).contains(&address.prefix().len()));
        assert!(address.network().is_none_or(|network| network.ends_with("/48")));
    }
    if let Ok(token) = request.bearer_token() {
        let token = token.expose();
        assert!(!token.is_empty() && !token.contains(|c: char| c == ',' || c.is_whitespace()));
        assert!(request.header("authorization").is_some_and(|header| header.contains(token)));
    }
    if let Ok(Some(key)) = request.idempotency_key() {
        assert_eq!(Some(key.as_bytes()), request.header("idempotency-key").map(str::as_bytes));
        assert!((22..=64).contains(&key.as_bytes().len()));
    }
    check_cookie(request);
    let answer = serde_json::to_value(request.answer(Refusal::NotFound.response()));
    assert_eq!(answer.map(|answer| answer["statusCode"].clone()).ok(), Some(Value::from(404)));

    let body = decoded(body, is_base64);
    compare(request.json(), body.as_deref(), |bytes| serde_json::from_slice(bytes).ok());
    compare(request.form(), body.as_deref(), |bytes| {
        let members = form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty());
        Some(members.map(|(name, value)| (name.into_owned(), value.into())).collect())
    });
}

/// A cookie counts for pages of the list, and where the body has no token.
fn check_cookie(request: &Request) {
    const PAGE: &str = "https://a.b";
    let allowed = AllowedOrigins::parse(PAGE).unwrap_or_default();
    let is_listed = request.header("origin") == Some(PAGE);
    let Ok(mut members) = request.json() else { return };
    if let Ok(true) = request.wants_cookie(&mut members, &allowed) {
        assert!(is_listed, "a page that is not listed asks for a cookie");
    }
    match request.refresh_token(&mut members, &allowed) {
        Ok(Presented::InCookie(token)) => {
            assert!(is_listed, "a page that is not listed has a cookie");
            let token = token.as_ref().map(relatch::Secret::expose);
            assert!(token.is_none_or(|token| !token.contains(';') && token.trim() == token));
            assert_eq!(request.cookie(REFRESH_COOKIE).ok().flatten().is_some(), token.is_some());
            assert!(members.text("refresh_token", 1).is_err());
        }
        Ok(Presented::InBody(_)) | Err(_) => {}
    }
}

/// The bytes of a body; `None` when they must be refused.
fn decoded(body: &str, is_base64: bool) -> Option<Vec<u8>> {
    let bytes = if is_base64 { STANDARD.decode(body).ok()? } else { body.as_bytes().to_vec() };
    (bytes.len() <= MAX_BODY_BYTES).then_some(bytes)
}

/// Members are those that a plain parser finds, and nothing else is refused than what it
/// refuses, or what has a member twice.
fn compare(
    read: Result<Members, Refusal>,
    body: Option<&[u8]>,
    parse: impl Fn(&[u8]) -> Option<BTreeMap<String, Value>>,
) {
    let expected = body.filter(|body| !body.is_empty()).and_then(parse);
    match (read, expected) {
        (Ok(mut members), Some(expected)) => {
            for name in NAMES {
                let value = expected.get(name);
                // Each is taken out: the flag only if it is one, or it would be lost.
                if let Some(Value::Bool(flag)) = value {
                    assert_eq!(members.flag(name).ok(), Some(*flag));
                } else {
                    let text = value.and_then(Value::as_str);
                    let found = members.text(name, 100).ok();
                    let text = text.filter(|text| text.len() <= 100);
                    assert_eq!(found.as_ref().map(relatch::Secret::expose), text, "{name}");
                }
                assert!(members.text(name, 100).is_err() && matches!(members.flag(name), Ok(false)));
            }
        }
        (Ok(_), None) => panic!("this body must be refused"),
        (Err(Refusal::UnsupportedMediaType(_)), _) | (Err(_), None) => {}
        (Err(Refusal::InvalidRequest(what)), Some(_)) => assert_eq!(what, "the body has a member twice"),
        (Err(other), Some(_)) => panic!("a good body was refused: {other:?}"),
    }
}
