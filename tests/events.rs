//! The sample events of `events/`, each with the answer that `events/expected.json` names.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use authorizer::AuthorizerError;
use relatch_lambda::Handler;
use relatch_tests::{Gateway, Response, TestStack};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct ExpectedResponse {
    function: String,
    status: u16,
    error: Option<String>,
    /// What becomes of the cookie with the refresh token: `set` or `forgotten`.
    cookie: Option<String>,
}

fn events_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read_event(name: &str) -> String {
    std::fs::read_to_string(events_folder().join(name)).unwrap()
}

fn expected_responses() -> BTreeMap<String, ExpectedResponse> {
    serde_json::from_str(&read_event("expected.json")).unwrap()
}

async fn send<H: Handler>(stack: &TestStack, event: &str) -> Response {
    let payload = stack.function::<H>(&[]).respond(event).await.unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    let gateway = if event["version"] == "2.0" { Gateway::HttpApi } else { Gateway::RestApi };
    Response::from_payload(gateway, &serde_json::to_value(payload).unwrap())
}

async fn send_to(function: &str, stack: &TestStack, event: &str) -> Response {
    match function {
        "signin" => send::<signin::SignIn>(stack, event).await,
        "refresh" => send::<refresh::Refresh>(stack, event).await,
        "signout" => send::<signout::SignOut>(stack, event).await,
        "sessions" => send::<sessions::Sessions>(stack, event).await,
        "jwks" => send::<jwks::Jwks>(stack, event).await,
        "userinfo" => send::<userinfo::UserInfo>(stack, event).await,
        "authorizer" => authorizer_response(&stack.authorizer(&[]).respond(event).await),
        other => panic!("there is no function {other}"),
    }
}

/// What a client gets by an authorizer's verdict.
fn authorizer_response(verdict: &Result<Value, AuthorizerError>) -> Response {
    let status = match verdict {
        Ok(verdict) if verdict["isAuthorized"] == true => 200,
        Ok(verdict) if verdict["policyDocument"]["Statement"][0]["Effect"] == "Allow" => 200,
        Ok(_) => 403,
        Err(AuthorizerError::Unauthorized) => 401,
        Err(AuthorizerError::Failed) => 500,
    };
    Response { status, headers: HeaderMap::new(), text: "{}".to_owned() }
}

/// What a response does to the cookie with the refresh token.
fn cookie_change(response: &Response) -> Option<&'static str> {
    let cookie = *response.cookies().first()?;
    assert!(cookie.starts_with("__Host-relatch_refresh="), "{cookie}");
    Some(if cookie.contains("; Max-Age=0;") { "forgotten" } else { "set" })
}

/// The event with tokens of a session of its own in the place of its placeholders.
async fn insert_tokens(stack: &TestStack, event: String) -> String {
    if !event.contains("PASTE_") {
        return event;
    }
    let tokens = stack.client().sign_in().await;
    event
        .replace("PASTE_A_REFRESH_TOKEN", &tokens.refresh_token())
        .replace("PASTE_AN_ACCESS_TOKEN", &tokens.access_token())
}

#[test]
fn every_event_has_an_expected_answer() {
    let files =
        std::fs::read_dir(events_folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let events: BTreeSet<String> =
        files.filter(|name| !["expected.json", "env.json"].contains(&name.as_str())).collect();
    assert_eq!(events, expected_responses().into_keys().collect());
}

#[tokio::test]
async fn every_event_is_answered_as_expected() {
    let stack = TestStack::start(&[("CORS_ALLOWED_ORIGINS", "https://app.example.com")]).await;
    for (name, expected) in expected_responses() {
        let event = insert_tokens(&stack, read_event(&name)).await;
        let response = send_to(&expected.function, &stack, &event).await;
        assert_eq!(response.status, expected.status, "{name}: {response:?}");
        assert_eq!(cookie_change(&response), expected.cookie.as_deref(), "{name}: {response:?}");
        let error = (!response.text.is_empty()).then(|| response.json()["error"].clone());
        assert_eq!(error.as_ref().and_then(Value::as_str), expected.error.as_deref(), "{name}: {response:?}");
    }
}

#[tokio::test]
async fn an_event_of_another_service_is_an_error_and_no_panic() {
    let stack = TestStack::start(&[]).await;
    for event in ["{}", "null", "{\"Records\":[]}", "{\"detail-type\":\"Scheduled Event\"}"] {
        assert!(stack.function::<signin::SignIn>(&[]).respond(event).await.is_err(), "{event}");
    }
}
