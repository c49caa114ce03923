//! The sample events of `events/`, each with the answer that `events/expected.json` names.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use authorizer::AuthorizerError;
use relatch::lambda::Handler;
use relatch_tests::TestStack;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    function: String,
    status: u16,
    error: Option<String>,
    /// What becomes of the cookie with the refresh token: `set` or `forgotten`.
    cookie: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn expected() -> BTreeMap<String, Expected> {
    serde_json::from_str(&read("expected.json")).unwrap()
}

async fn answer_of<H: Handler>(stack: &TestStack, event: &str) -> Value {
    serde_json::to_value(stack.function::<H>(&[]).answer(event).await.unwrap()).unwrap()
}

async fn answer(stack: &TestStack, function: &str, event: &str) -> Value {
    match function {
        "signin" => answer_of::<signin::SignIn>(stack, event).await,
        "refresh" => answer_of::<refresh::Refresh>(stack, event).await,
        "signout" => answer_of::<signout::SignOut>(stack, event).await,
        "sessions" => answer_of::<sessions::Sessions>(stack, event).await,
        "jwks" => answer_of::<jwks::Jwks>(stack, event).await,
        "userinfo" => answer_of::<userinfo::UserInfo>(stack, event).await,
        "authorizer" => as_client_sees(stack.authorizer(&[]).answer(event).await),
        other => panic!("there is no function {other}"),
    }
}

/// What API Gateway makes of an authorizer's answer.
fn as_client_sees(answer: Result<Value, AuthorizerError>) -> Value {
    let status = match answer {
        Ok(answer) if answer["isAuthorized"] == true => 200,
        Ok(answer) if answer["policyDocument"]["Statement"][0]["Effect"] == "Allow" => 200,
        Ok(_) => 403,
        Err(AuthorizerError::Unauthorized) => 401,
        Err(AuthorizerError::Failed) => 500,
    };
    json!({"statusCode": status, "body": "{}"})
}

/// What an answer does to the cookie with the refresh token.
fn cookie_of(answer: &Value) -> Option<&'static str> {
    let cookies = answer["cookies"].as_array().or_else(|| answer["multiValueHeaders"]["set-cookie"].as_array());
    let cookie = cookies?.first()?.as_str().unwrap();
    assert!(cookie.starts_with("__Host-relatch_refresh="), "{cookie}");
    Some(if cookie.contains("; Max-Age=0;") { "forgotten" } else { "set" })
}

/// The event with tokens of a session of its own in the place of its placeholders.
async fn with_tokens(stack: &TestStack, event: String) -> String {
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
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let events: BTreeSet<String> =
        files.filter(|name| !["expected.json", "env.json"].contains(&name.as_str())).collect();
    assert_eq!(events, expected().into_keys().collect());
}

#[tokio::test]
async fn every_event_is_answered_as_expected() {
    let stack = TestStack::start(&[("CORS_ALLOWED_ORIGINS", "https://app.example.com")]).await;
    for (name, expected) in expected() {
        let event = with_tokens(&stack, read(&name)).await;
        let answer = answer(&stack, &expected.function, &event).await;
        assert_eq!(answer["statusCode"], expected.status, "{name}: {answer}");
        assert_eq!(cookie_of(&answer), expected.cookie.as_deref(), "{name}: {answer}");
        // An answer without a body has no error.
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
        assert_eq!(body["error"].as_str(), expected.error.as_deref(), "{name}: {answer}");
    }
}

#[tokio::test]
async fn an_event_of_another_service_is_an_error_and_no_panic() {
    let stack = TestStack::start(&[]).await;
    for event in ["{}", "null", "{\"Records\":[]}", "{\"detail-type\":\"Scheduled Event\"}"] {
        assert!(stack.function::<signin::SignIn>(&[]).answer(event).await.is_err(), "{event}");
    }
}
