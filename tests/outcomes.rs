//! What came of a request is one line of the log, with who, where and how long.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_lambda::telemetry::Event;
use relatch_tests::{Client, ItemKey, Response, TestStack, claim};
use serde_json::{Value, json};

/// A stack, and how many lines of its log were read.
struct LogReader {
    stack: TestStack,
    client: Client,
    read: usize,
    seen_events: BTreeSet<String>,
}

impl LogReader {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let stack = TestStack::start(settings).await;
        let client = stack.client();
        Self { stack, client, read: 0, seen_events: BTreeSet::new() }
    }

    /// The new lines: that of one request, and those before it.
    fn read_lines(&mut self, response: &Response) -> (Value, Vec<Value>) {
        let mut lines = self.stack.log_lines().split_off(self.read);
        self.read += lines.len();
        self.seen_events.extend(lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()));
        let last = lines.pop().unwrap();
        assert!(lines.iter().all(|line| line["request_id"].is_null()), "one line a request: {lines:?}");
        assert_eq!(last["request_id"], response.header("apigw-requestid"), "{last}");
        assert_eq!(last["status"], response.status, "{last}");
        for number in ["time_ms", "ms", "store_calls", "count"] {
            assert!(last[number].is_u64(), "{number} in {last}");
        }
        assert_eq!(last["address"], "127.0.0.1");
        let is_refused = response.status >= 400;
        assert_eq!(last["error"].is_string(), is_refused, "{last}");
        if is_refused {
            assert_eq!(last["error"], response.json()["error"]);
        }
        (last, lines)
    }

    /// Asserts the event of one request's line, and these fields.
    #[track_caller]
    fn expect(&mut self, response: &Response, event: &str, fields: &[(&str, &str)]) -> Value {
        let (line, _) = self.read_lines(response);
        assert_eq!(line["event"], event, "{line}");
        for (name, value) in fields {
            assert_eq!(line[*name], *value, "{name} in {line}");
        }
        line
    }
}

#[tokio::test]
async fn each_outcome_of_a_session_is_told_once() {
    let mut it = LogReader::start(&[]).await;
    let client = it.client.clone();
    let first = client.sign_in().await;
    let (token, access) = (first.refresh_token(), first.access_token());
    let (sub, sid) = (claim(&access, "sub"), claim(&access, "sid"));
    let (sub, sid) = (sub.as_str(), sid.as_str());
    let ids = [("sub", sub), ("sid", sid)];
    let (line, before) = it.read_lines(&first);
    assert_eq!((line["event"].as_str(), &line["new_device"]), (Some("signin_success"), &Value::Bool(true)));
    assert_eq!(before[0]["event"], "keys_loaded");

    let second = client.refresh(&token).await;
    let line = it.expect(&second, "refresh_rotated", &ids);
    assert_eq!((&line["generation"], &line["store_calls"]), (&Value::from(0), &Value::from(2)));
    let response = client.refresh(&token).await;
    it.expect(&response, "refresh_retry", &ids);
    let response = client.refresh(&second.refresh_token()).await;
    it.expect(&response, "refresh_same", &ids);
    let response = client.user_info(&access).await;
    it.expect(&response, "access_granted", &ids);
    let response = client.sessions("GET", "", &access).await;
    it.expect(&response, "sessions_listed", &ids);
    it.stack.clock.advance(Duration::from_mins(1));
    let response = client.refresh(&token).await;
    it.expect(&response, "refresh_reuse", &ids);
    let response = client.refresh(&second.refresh_token()).await;
    it.expect(&response, "refresh_revoked", &[("reason", "revoked")]);
    let response = client.sessions("GET", "", &access).await;
    it.expect(&response, "access_refused", &[("reason", "revoked"), ("sub", sub)]);

    let other = client.sign_in().await;
    it.expect(&other, "signin_success", &[("sub", sub)]);
    let response = client.sessions("DELETE", &format!("/{sid}"), &other.access_token()).await;
    let (line, before) = it.read_lines(&response);
    assert_eq!((&line["event"], &before[0]["event"]), (&"sessions_ended".into(), &"session_ended".into()));
    assert_eq!(before[0]["sid"], sid);
    let response = client.sign_out(&other.refresh_token(), true).await;
    it.expect(&response, "signout_everywhere", &[("sub", sub)]);
    let response = client.sign_out(&other.refresh_token(), false).await;
    it.expect(&response, "signout_session", &[("sub", sub)]);
    let response = client.refresh(&other.refresh_token()).await;
    it.expect(&response, "refresh_revoked", &[("sub", sub)]);
    let response = client.sign_out("forged", false).await;
    it.expect(&response, "signout_nothing", &[("reason", "malformed")]);

    let last = client.sign_in().await;
    it.read_lines(&last);
    let key = ItemKey::session_of(&last.access_token());
    it.stack.set(&key, "idle_expires_at", AttributeValue::N("1".to_owned())).await;
    let response = client.refresh(&last.refresh_token()).await;
    it.expect(&response, "refresh_expired", &[("reason", "expired")]);
    it.stack.delete(&key).await;
    let response = client.refresh(&last.refresh_token()).await;
    it.expect(&response, "refresh_revoked", &[("reason", "gone")]);
    it.stack.clock.advance(Duration::from_hours(31 * 24));
    let response = client.refresh(&last.refresh_token()).await;
    it.expect(&response, "refresh_expired", &[("reason", "expired")]);
    let response = client.user_info(&access).await;
    it.expect(&response, "access_expired", &[("reason", "expired")]);
}

/// A page without a cookie, and one that may have none, forge nothing.
#[tokio::test]
async fn what_comes_of_a_page_is_told_with_its_reason() {
    const PAGE: &str = "https://app.example.com";
    let mut it = LogReader::start(&[("CORS_ALLOWED_ORIGINS", PAGE)]).await;
    let client = it.client.clone();
    let body = json!({"email": client.email, "password": client.password, "cookie": true});
    let signed_in = client.post_from(PAGE, "/signin", &body, None).await;
    let (line, _) = it.read_lines(&signed_in);
    assert_eq!(line["event"], "signin_success");
    let cookie = signed_in.cookie();
    let sid = claim(&signed_in.access_token(), "sid");
    let ids = [("sid", sid.as_str())];
    let response = client.post_from(PAGE, "/refresh", &json!({}), Some(&cookie)).await;
    it.expect(&response, "refresh_rotated", &ids);
    for (path, cookie) in [("/signin", None), ("/refresh", Some(cookie.as_str())), ("/signout", Some(&cookie))] {
        let response = client.post_from("https://evil.example", path, &body, cookie).await;
        it.expect(&response, "input_refused", &[("reason", "origin_not_allowed")]);
    }
    let response = client.post_from(PAGE, "/signout", &json!({}), Some(&cookie)).await;
    it.expect(&response, "signout_session", &ids);
    let response = client.post_from(PAGE, "/refresh", &json!({}), Some(&cookie)).await;
    it.expect(&response, "refresh_revoked", &[("reason", "revoked"), ("sid", &sid)]);
    let response = client.post_from(PAGE, "/refresh", &json!({}), None).await;
    it.expect(&response, "refresh_revoked", &[("reason", "no_cookie")]);
    let response = client.post_from(PAGE, "/signout", &json!({}), None).await;
    it.expect(&response, "signout_nothing", &[("reason", "no_cookie")]);
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_reason() {
    let mut it = LogReader::start(&[("BCRYPT_COST", "5")]).await;
    let client = it.client.clone();
    it.stack.add_user("cheap", "the right password", 4).await;
    for (email, why) in [(client.email.as_str(), "wrong_password"), ("stranger@example.com", "unknown_email")] {
        let response = client.sign_in_with(email, "a wrong password").await;
        let line = it.expect(&response, "signin_fail", &[("reason", why)]);
        assert_eq!(line["sub"].is_string(), why == "wrong_password");
        assert_eq!(line["email_digest"].as_str().map(str::len), Some(43));
    }
    let response = client.sign_in_with("cheap@example.com", "the right password").await;
    let (_, before) = it.read_lines(&response);
    assert_eq!((&before[0]["event"], &before[0]["sub"]), (&"password_rehashed".into(), &"cheap".into()));
    for _ in 0..6 {
        let response = client.sign_in_with("x@example.com", "a wrong password").await;
        it.read_lines(&response);
    }
    let response = client.sign_in_with("x@example.com", "a wrong password").await;
    it.expect(&response, "signin_throttled", &[("reason", "pair"), ("error", "too_many_attempts")]);
    let response = client.post("/signin", &Value::Null).await;
    it.expect(&response, "input_refused", &[("error", "invalid_request")]);
    let response = client.get("/userinfo").await;
    it.expect(&response, "access_refused", &[("reason", "missing")]);
    let response = client.get("/.well-known/jwks.json").await;
    it.expect(&response, "metadata_served", &[]);

    let session = client.sign_in().await;
    it.read_lines(&session);
    it.stack.set(&ItemKey::user_of(&session.access_token()), "epoch", AttributeValue::Bool(true)).await;
    let response = client.refresh(&session.refresh_token()).await;
    let line = it.expect(&response, "failed", &[("operation", "users.read"), ("level", "alarm")]);
    assert_eq!(line["alarms"], 1);
}

/// The lines of a flood stand for as many events as there were requests.
#[tokio::test]
async fn a_flood_is_not_a_bill() {
    let stack = TestStack::start(&[]).await;
    let client = stack.client();
    for _ in 0..450 {
        assert_eq!(client.post("/signin", &Value::Null).await.status, 400);
    }
    let lines = stack.lines_about("input_refused");
    let count: u64 = lines.iter().map(|line| line["count"].as_u64().unwrap()).sum();
    assert_eq!((lines.len(), count), (103, 400));
    assert!(Event::InputRefused.can_flood());
}
