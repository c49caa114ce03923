//! What holds for every request that is read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relatch::Secret;
use relatch::session::IdempotencyKey;
use relatch_lambda::http::{
    AllowedOrigins, BodyFields, MAX_BODY_BYTES, REFRESH_COOKIE, RefreshRequest, Rejection, Request, TokenSource,
};
use serde_json::Value;

/// The fields that are read: those of the routes, and some that a fuzzer finds easily.
const FIELD_NAMES: [&str; 6] = ["email", "password", "token", "refresh_token", "a", ""];

/// Reads a request in every way, and compares with the body that its event has.
pub(crate) fn check_request(request: &Request, body: &str, is_base64: bool) {
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
    let payload = serde_json::to_value(request.payload(Rejection::NotFound.response()));
    assert_eq!(payload.map(|payload| payload["statusCode"].clone()).ok(), Some(Value::from(404)));

    let body = decode_body(body, is_base64);
    compare_fields(request.json(), body.as_deref(), |bytes| serde_json::from_slice(bytes).ok());
    compare_fields(request.form(), body.as_deref(), |bytes| {
        let fields = form_urlencoded::parse(bytes).filter(|(_, value)| !value.is_empty());
        Some(fields.map(|(name, value)| (name.into_owned(), value.into())).collect())
    });
}

/// A cookie counts for pages of the list, and where the body has no token.
fn check_cookie(request: &Request) {
    const PAGE: &str = "https://a.b";
    let allowed = AllowedOrigins::parse(PAGE).unwrap_or_default();
    let is_listed = request.header("origin") == Some(PAGE);
    let Ok(mut fields) = request.json() else { return };
    if let Ok(true) = request.cookie_mode(&mut fields, &allowed) {
        assert!(is_listed, "a page that is not listed asks for a cookie");
    }
    let Ok(presented) = RefreshRequest::read(request, &mut fields, &allowed) else { return };
    if let Some(presented) = &presented {
        let key = presented.idempotency_key.as_ref().map(IdempotencyKey::as_bytes);
        assert_eq!(key, request.header("idempotency-key").map(str::as_bytes));
    }
    if presented.as_ref().is_none_or(|presented| presented.source == TokenSource::Cookie) {
        assert!(is_listed, "a page that is not listed has a cookie");
        let token = presented.as_ref().map(|presented| presented.token.expose());
        assert!(token.is_none_or(|token| !token.contains(';') && token.trim() == token));
        assert_eq!(request.cookie(REFRESH_COOKIE).ok().flatten().is_some(), token.is_some());
        assert!(fields.text("refresh_token", 1).is_err());
    }
}

/// The bytes of a body; `None` when they must be rejected.
fn decode_body(body: &str, is_base64: bool) -> Option<Vec<u8>> {
    let bytes = if is_base64 { STANDARD.decode(body).ok()? } else { body.as_bytes().to_vec() };
    (bytes.len() <= MAX_BODY_BYTES).then_some(bytes)
}

/// The fields are those that a plain parser finds. A body is rejected only if that parser rejects
/// it, or if it has a field twice.
fn compare_fields(
    result: Result<BodyFields, Rejection>,
    body: Option<&[u8]>,
    parse: impl Fn(&[u8]) -> Option<BTreeMap<String, Value>>,
) {
    let expected = body.filter(|body| !body.is_empty()).and_then(parse);
    match (result, expected) {
        (Ok(mut fields), Some(expected)) => {
            for name in FIELD_NAMES {
                let value = expected.get(name);
                // Each is taken out: the flag only if it is one, or it would be lost.
                if let Some(Value::Bool(flag)) = value {
                    assert_eq!(fields.flag(name).ok(), Some(*flag));
                } else {
                    let text = value.and_then(Value::as_str);
                    let found = fields.text(name, 100).ok();
                    let text = text.filter(|text| text.len() <= 100);
                    assert_eq!(found.as_ref().map(Secret::expose), text, "{name}");
                }
                assert!(fields.text(name, 100).is_err() && matches!(fields.flag(name), Ok(false)));
            }
        }
        (Ok(_), None) => panic!("this body must be rejected"),
        (Err(Rejection::UnsupportedMediaType(_)), _) | (Err(_), None) => {}
        (Err(Rejection::InvalidRequest(what)), Some(_)) => assert_eq!(what, "the body has a member twice"),
        (Err(other), Some(_)) => panic!("a good body was rejected: {other:?}"),
    }
}
