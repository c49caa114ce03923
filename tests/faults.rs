//! What becomes of a request when the database fails: the answer is 503 or 500, never
//! one on which a client throws its tokens away, and the same request again succeeds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use refresh::Refresh;
use relatch_lambda::Function;
use relatch_tests::{EventRequest, Fault, FaultyDatabase, ItemKey, Response, TestStack, generation};
use serde_json::json;
use signin::SignIn;

/// A stack with one user, and two functions that reach its database through a proxy.
struct FaultyStack {
    stack: TestStack,
    database: FaultyDatabase,
    sign_in: Function<SignIn>,
    refresh: Function<Refresh>,
}

/// As many attempts as the SDK makes.
const ATTEMPTS: usize = 3;

impl FaultyStack {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let stack = TestStack::start(settings).await;
        let database = stack.faulty_database().await;
        let (sign_in, refresh) = (stack.function(&[database.setting()]), stack.function(&[database.setting()]));
        Self { stack, database, sign_in, refresh }
    }

    async fn sign_in(&self) -> Response {
        EventRequest::post("/signin", &self.stack.client().credentials()).send(&self.sign_in).await
    }

    async fn refresh(&self, token: &str) -> Response {
        EventRequest::refresh(token).send(&self.refresh).await
    }
}

/// Asserts that the client should try again.
#[track_caller]
fn expect_unavailable(response: &Response) {
    response.expect_error(503, "temporarily_unavailable");
    assert_eq!(response.header("retry-after"), "2");
}

const LOST: Fault = Fault::LostReply;
const THROTTLED: Fault = Fault::Error("ProvisionedThroughputExceededException", 400);
const BROKEN: Fault = Fault::Error("InternalServerError", 500);

#[tokio::test]
async fn trouble_that_passes_is_not_seen() {
    for fault in [THROTTLED, BROKEN, LOST] {
        for (operation, route) in
            [("GetItem", "/signin"), ("PutItem", "/signin"), ("GetItem", "/refresh"), ("UpdateItem", "/refresh")]
        {
            let it = FaultyStack::start(&[]).await;
            let token = it.sign_in().await.refresh_token();
            it.database.fail(operation, fault.clone(), ATTEMPTS - 1);
            let response = if route == "/signin" { it.sign_in().await } else { it.refresh(&token).await };
            assert_eq!(response.status, 200, "{operation} {fault:?}: {response:?}");
        }
    }
}

#[tokio::test]
async fn trouble_that_stays_is_503_and_the_same_request_succeeds_later() {
    for fault in [THROTTLED, BROKEN, LOST] {
        for operation in ["GetItem", "UpdateItem"] {
            let it = FaultyStack::start(&[]).await;
            let token = it.sign_in().await.refresh_token();
            it.database.fail(operation, fault.clone(), ATTEMPTS);
            expect_unavailable(&it.refresh(&token).await);
            let next = it.refresh(&token).await.refresh_token();
            assert_eq!(generation(&next), 1, "{operation} {fault:?}");
        }
        for operation in ["GetItem", "PutItem"] {
            let it = FaultyStack::start(&[]).await;
            it.database.fail(operation, fault.clone(), ATTEMPTS);
            expect_unavailable(&it.sign_in().await);
            assert_eq!(it.sign_in().await.status, 200);
        }
    }
}

/// The SDK sends the write again, finds the session rotated, and must know it as its own
/// work, also where every token is good once.
#[tokio::test]
async fn a_write_whose_reply_was_lost_is_known_as_ones_own() {
    for window in ["60", "0"] {
        let it = FaultyStack::start(&[("REFRESH_RETRY_WINDOW", window)]).await;
        let token = it.sign_in().await.refresh_token();
        it.database.fail("UpdateItem", LOST, 1);
        let first = it.refresh(&token).await.refresh_token();
        assert_eq!(generation(&first), 1);
        it.stack.clock.advance(Duration::from_secs(60));
        assert_eq!(generation(&it.refresh(&first).await.refresh_token()), 2, "{window}");
    }
}

#[tokio::test]
async fn a_silent_database_is_503_after_three_seconds() {
    let it = FaultyStack::start(&[]).await;
    let token = it.sign_in().await.refresh_token();
    it.database.fail("UpdateItem", Fault::Silence, ATTEMPTS);
    let start = std::time::Instant::now();
    expect_unavailable(&it.refresh(&token).await);
    let waited = start.elapsed();
    assert!((2..6).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(it.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn what_no_retry_mends_is_500_and_an_alarm() {
    for code in ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"] {
        let it = FaultyStack::start(&[]).await;
        let token = it.sign_in().await.refresh_token();
        it.database.take_calls();
        it.database.fail("UpdateItem", Fault::Error(code, 400), usize::MAX);
        let response = it.refresh(&token).await;
        response.expect_error(500, "server_error");
        assert!(!response.text.contains(code), "{response:?}");
        assert_eq!(it.database.take_calls().iter().filter(|call| *call == "UpdateItem").count(), 1, "not retried");
        let log = it.stack.log();
        assert!(log.contains("\"level\":\"alarm\"") && log.contains(code), "{log}");
    }
}

/// "invalid_grant" before the thief's branch is dead would leave it alive unnoticed.
#[tokio::test]
async fn a_revoke_that_cannot_be_written_is_503_until_it_can() {
    let it = FaultyStack::start(&[]).await;
    let stolen = it.sign_in().await.refresh_token();
    let owners = it.refresh(&stolen).await.refresh_token();
    it.stack.clock.advance(Duration::from_secs(60));
    // The attempt to rotate goes through and is refused; the write that follows it fails.
    it.database.fail_after(1, "UpdateItem", THROTTLED, ATTEMPTS);
    expect_unavailable(&it.refresh(&stolen).await);
    assert_eq!(it.refresh(&stolen).await.field("error"), "invalid_grant");
    assert_eq!(it.refresh(&owners).await.field("error"), "invalid_grant");
}

#[tokio::test]
async fn a_broken_item_is_500_and_revokes_nothing() {
    let it = FaultyStack::start(&[]).await;
    let response = it.sign_in().await;
    let access = response.access_token();
    let (session, user) = (ItemKey::session_of(&access), ItemKey::user_of(&access));
    let token = it.refresh(&response.refresh_token()).await.refresh_token();
    for key in [&session, &user] {
        for (name, good) in it.stack.item(key).await.unwrap() {
            if ["pk", "sk", "ttl", "new_device"].contains(&name.as_str()) {
                continue;
            }
            for wrong in [AttributeValue::Bool(true), AttributeValue::L(Vec::new())] {
                it.stack.set(key, &name, wrong).await;
                assert_eq!(it.refresh(&token).await.status, 500, "{name}");
            }
            it.stack.set(key, &name, good).await;
            assert_eq!(it.refresh(&token).await.status, 200, "{name}");
        }
    }
    assert!(it.stack.log().contains("is missing or wrong"));
}

#[tokio::test]
async fn the_calls_that_a_refresh_and_a_failed_sign_in_make() {
    let it = FaultyStack::start(&[]).await;
    let token = it.sign_in().await.refresh_token();
    it.database.take_calls();
    let first = it.refresh(&token).await.refresh_token();
    let mut calls = it.database.take_calls();
    calls.sort();
    assert_eq!(calls, ["GetItem", "UpdateItem"]);
    it.refresh(&first).await.refresh_token();
    assert_eq!(it.database.take_calls(), ["GetItem", "GetItem"], "too young to rotate: no write is tried");

    // The credential and the pair's counter; the user and the sessions, beside bcrypt; and in
    // between the other counters, unless the pair signed in not long ago.
    for (email, counters) in [("demo@example.com", 1), ("nobody@example.com", 3)] {
        assert_eq!(EventRequest::sign_in(email, "wrong").send(&it.sign_in).await.status, 401);
        let mut calls = it.database.take_calls();
        calls.sort();
        let expected = [vec!["GetItem", "GetItem", "Query"], vec!["UpdateItem"; counters]].concat();
        assert_eq!(calls, expected, "{email}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_form_reaches_no_database() {
    let it = FaultyStack::start(&[]).await;
    for (path, body) in [
        ("/signin", json!({"email": "nobody", "password": "x"})),
        ("/signin", json!({"email": "a@example.com"})),
        ("/refresh", json!({"refresh_token": "x"})),
        ("/refresh", json!({"refresh_token": "a.b.c"})),
        ("/refresh", json!({})),
    ] {
        let request = EventRequest::post(path, &body);
        let response = match path {
            "/signin" => request.send(&it.sign_in).await,
            _ => request.send(&it.refresh).await,
        };
        assert_eq!(response.status, 400);
        assert_eq!(it.database.take_calls(), [""; 0], "{path} {body}");
    }
}

#[tokio::test]
async fn wrong_settings_are_503_and_all_named_in_the_log() {
    let stack = TestStack::start(&[]).await;
    let function = stack.function::<SignIn>(&[("TOKEN_AUDIENCE", ""), ("BCRYPT_COST", "99"), ("KEYS_FILE", "")]);
    expect_unavailable(&EventRequest::sign_in("a@example.com", "x").send(&function).await);
    let log = stack.log();
    for name in ["config_invalid", "TOKEN_AUDIENCE", "BCRYPT_COST", "KEYS_FILE"] {
        assert!(log.contains(name), "{name} in {log}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_503_until_they_can() {
    let stack = TestStack::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let function = stack.function::<SignIn>(&[("KEYS_FILE", path.to_str().unwrap())]);
    function.prepare().await;
    let request = EventRequest::post("/signin", &stack.client().credentials());
    let sign_in = async || {
        // Asked again at most once a second.
        stack.clock.advance(Duration::from_secs(1));
        request.send(&function).await
    };
    expect_unavailable(&sign_in().await);
    for unusable in ["", "{}", "{\"keys\":[]}", "not json"] {
        std::fs::write(&path, unusable).unwrap();
        expect_unavailable(&sign_in().await);
    }
    let good = std::fs::read_to_string(&stack.environment()["KEYS_FILE"]).unwrap();
    std::fs::write(&path, good).unwrap();
    assert_eq!(sign_in().await.status, 200);
}
