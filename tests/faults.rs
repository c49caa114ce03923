//! What becomes of a request when the database fails: the answer is 503 or 500, never
//! one on which a client throws its tokens away, and the same request again succeeds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use aws_sdk_dynamodb::types::AttributeValue;
use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_tests::{Fault, FaultyDatabase, ItemKey, TestStack, claims, event};
use serde_json::{Value, json};
use signin::SignIn;

/// A stack with one user, and two functions that reach its database through a proxy.
struct Faulty {
    stack: TestStack,
    database: FaultyDatabase,
    sign_in: Function<SignIn>,
    refresh: Function<Refresh>,
}

/// As many attempts as the SDK makes.
const ATTEMPTS: usize = 3;

impl Faulty {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let stack = TestStack::start(settings).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let through_proxy = [("AWS_ENDPOINT_URL_DYNAMODB", database.url())];
        let (sign_in, refresh) = (stack.function(&through_proxy), stack.function(&through_proxy));
        Self { stack, database, sign_in, refresh }
    }

    async fn sign_in(&self) -> Answer {
        let client = self.stack.client();
        let body = json!({"email": client.email, "password": client.password});
        Answer::of(&self.sign_in, "/signin", &body).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        Answer::of(&self.refresh, "/refresh", &json!({"refresh_token": token})).await
    }
}

#[derive(Debug)]
struct Answer {
    status: u64,
    headers: Value,
    body: Value,
}

impl Answer {
    async fn of<H: Handler>(function: &Function<H>, path: &str, body: &Value) -> Self {
        let event = event(&format!("POST {path}"), body);
        let answer = serde_json::to_value(function.answer(&event.to_string()).await.unwrap()).unwrap();
        Self {
            status: answer["statusCode"].as_u64().unwrap(),
            headers: answer["headers"].clone(),
            body: serde_json::from_str(answer["body"].as_str().unwrap()).unwrap(),
        }
    }

    #[track_caller]
    fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["refresh_token"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn expect_unavailable(&self) {
        assert_eq!((self.status, &self.body["error"]), (503, &json!("temporarily_unavailable")), "{self:?}");
        assert_eq!(self.headers["retry-after"], "2");
    }
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
            let it = Faulty::start(&[]).await;
            let token = it.sign_in().await.token();
            it.database.fail(operation, fault.clone(), ATTEMPTS - 1);
            let answer = if route == "/signin" { it.sign_in().await } else { it.refresh(&token).await };
            assert_eq!(answer.status, 200, "{operation} {fault:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn trouble_that_stays_is_503_and_the_same_request_succeeds_later() {
    for fault in [THROTTLED, BROKEN, LOST] {
        for operation in ["GetItem", "UpdateItem"] {
            let it = Faulty::start(&[]).await;
            let token = it.sign_in().await.token();
            it.database.fail(operation, fault.clone(), ATTEMPTS);
            it.refresh(&token).await.expect_unavailable();
            let next = it.refresh(&token).await.token();
            assert_eq!(claims(&next)["gen"], 1, "{operation} {fault:?}");
        }
        for operation in ["GetItem", "PutItem"] {
            let it = Faulty::start(&[]).await;
            it.database.fail(operation, fault.clone(), ATTEMPTS);
            it.sign_in().await.expect_unavailable();
            assert_eq!(it.sign_in().await.status, 200);
        }
    }
}

/// The SDK sends the write again, finds the session rotated, and must know it as its own
/// work, also where every token is good once.
#[tokio::test]
async fn a_write_whose_reply_was_lost_is_known_as_ones_own() {
    for window in ["60", "0"] {
        let it = Faulty::start(&[("REFRESH_RETRY_WINDOW", window)]).await;
        let token = it.sign_in().await.token();
        it.database.fail("UpdateItem", LOST, 1);
        let first = it.refresh(&token).await.token();
        assert_eq!(claims(&first)["gen"], 1);
        it.stack.clock.advance_seconds(60);
        assert_eq!(claims(&it.refresh(&first).await.token())["gen"], 2, "{window}");
    }
}

#[tokio::test]
async fn a_silent_database_is_503_after_three_seconds() {
    let it = Faulty::start(&[]).await;
    let token = it.sign_in().await.token();
    it.database.fail("UpdateItem", Fault::Silence, ATTEMPTS);
    let asked = std::time::Instant::now();
    it.refresh(&token).await.expect_unavailable();
    let waited = asked.elapsed();
    assert!((2..6).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(it.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn what_no_retry_mends_is_500_and_an_alarm() {
    for code in ["ResourceNotFoundException", "AccessDeniedException", "ValidationException"] {
        let it = Faulty::start(&[]).await;
        let token = it.sign_in().await.token();
        it.database.calls();
        it.database.fail("UpdateItem", Fault::Error(code, 400), usize::MAX);
        let answer = it.refresh(&token).await;
        assert_eq!((answer.status, &answer.body["error"]), (500, &json!("server_error")), "{answer:?}");
        assert!(!answer.body.to_string().contains(code), "{answer:?}");
        assert_eq!(it.database.calls().iter().filter(|call| *call == "UpdateItem").count(), 1, "not retried");
        let log = it.stack.log();
        assert!(log.contains("\"level\":\"alarm\"") && log.contains(code), "{log}");
    }
}

/// "invalid_grant" before the thief's branch is dead would leave it alive unnoticed.
#[tokio::test]
async fn a_revoke_that_cannot_be_written_is_503_until_it_can() {
    let it = Faulty::start(&[]).await;
    let stolen = it.sign_in().await.token();
    let owners = it.refresh(&stolen).await.token();
    it.stack.clock.advance_seconds(60);
    // The attempt to rotate goes through and is refused; the write that follows it fails.
    it.database.fail_after(1, "UpdateItem", THROTTLED, ATTEMPTS);
    it.refresh(&stolen).await.expect_unavailable();
    assert_eq!(it.refresh(&stolen).await.body["error"], "invalid_grant");
    assert_eq!(it.refresh(&owners).await.body["error"], "invalid_grant");
}

#[tokio::test]
async fn a_broken_item_is_500_and_revokes_nothing() {
    let it = Faulty::start(&[]).await;
    let answer = it.sign_in().await;
    let access = answer.body["access_token"].as_str().unwrap();
    let (session, user) = (ItemKey::session_of(access), ItemKey::user_of(access));
    let token = it.refresh(&answer.token()).await.token();
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
    let it = Faulty::start(&[]).await;
    let token = it.sign_in().await.token();
    it.database.calls();
    let first = it.refresh(&token).await.token();
    let mut calls = it.database.calls();
    calls.sort();
    assert_eq!(calls, ["GetItem", "UpdateItem"]);
    it.refresh(&first).await.token();
    assert_eq!(it.database.calls(), ["GetItem", "GetItem"], "too young to rotate: no write is tried");

    // The credential and the pair's counter; the user and the sessions, beside bcrypt; and in
    // between the other counters, unless the pair signed in not long ago.
    for (email, counters) in [("demo@example.com", 1), ("nobody@example.com", 3)] {
        let body = json!({"email": email, "password": "wrong"});
        assert_eq!(Answer::of(&it.sign_in, "/signin", &body).await.status, 401);
        let mut calls = it.database.calls();
        calls.sort();
        let expected = [vec!["GetItem", "GetItem", "Query"], vec!["UpdateItem"; counters]].concat();
        assert_eq!(calls, expected, "{email}");
    }
}

#[tokio::test]
async fn what_is_wrong_in_form_reaches_no_database() {
    let it = Faulty::start(&[]).await;
    for (path, body) in [
        ("/signin", json!({"email": "nobody", "password": "x"})),
        ("/signin", json!({"email": "a@example.com"})),
        ("/refresh", json!({"refresh_token": "x"})),
        ("/refresh", json!({"refresh_token": "a.b.c"})),
        ("/refresh", json!({})),
    ] {
        let answer = match path {
            "/signin" => Answer::of(&it.sign_in, path, &body).await,
            _ => Answer::of(&it.refresh, path, &body).await,
        };
        assert_eq!(answer.status, 400);
        assert_eq!(it.database.calls(), [""; 0], "{path} {body}");
    }
}

#[tokio::test]
async fn wrong_settings_are_503_and_all_named_in_the_log() {
    let stack = TestStack::start(&[]).await;
    let function = stack.function::<SignIn>(&[("TOKEN_AUDIENCE", ""), ("BCRYPT_COST", "99"), ("KEYS_FILE", "")]);
    let answer = Answer::of(&function, "/signin", &json!({"email": "a@example.com", "password": "x"})).await;
    answer.expect_unavailable();
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
    let client = stack.client();
    let body = json!({"email": client.email, "password": client.password});
    let sign_in = async || {
        // Asked again at most once a second.
        stack.clock.advance_seconds(1);
        Answer::of(&function, "/signin", &body).await
    };
    sign_in().await.expect_unavailable();
    for unusable in ["", "{}", "{\"keys\":[]}", "not json"] {
        std::fs::write(&path, unusable).unwrap();
        sign_in().await.expect_unavailable();
    }
    let good = std::fs::read_to_string(&stack.stack().environment()["KEYS_FILE"]).unwrap();
    std::fs::write(&path, good).unwrap();
    assert_eq!(sign_in().await.status, 200);
}
