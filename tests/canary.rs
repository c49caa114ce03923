//! What must not be seen is not seen: no line of the log, no item of a table and no answer that
//! did not have to holds a password, a token, a session's secret or a key, and no line an email.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{ItemKey, Response, TestStack, claim};
use serde_json::json;

const WRONG_PASSWORD: &str = "a wrong password of someone";
const KEY: &str = "an-idempotency-key-of-a-token";
const PAGE: &str = "https://app.example.com";

/// Responses that must hold no secret.
#[derive(Debug, Default)]
struct Responses(Vec<Response>);

impl Responses {
    fn keep(&mut self, response: Response) -> Response {
        self.0.push(response.clone());
        response
    }
}

#[tokio::test]
async fn neither_log_nor_table_nor_answer_shows_a_secret() {
    let stack = TestStack::start(&[("CORS_ALLOWED_ORIGINS", PAGE)]).await;
    let client = stack.client();
    let mut responses = Responses::default();
    let first = client.sign_in().await;
    let (access, token) = (first.access_token(), first.refresh_token());
    let secret = claim(&token, "secret");

    // Every flow, and the errors on the way.
    for email in [client.email.as_str(), "stranger@example.com"] {
        for _ in 0..7 {
            let response = responses.keep(client.sign_in_with(email, WRONG_PASSWORD).await);
            assert!([401, 429].contains(&response.status));
        }
    }
    responses.keep(client.sign_in_with("no address", WRONG_PASSWORD).await).expect_error(400, "invalid_request");
    let body = json!({"email": WRONG_PASSWORD, "password": 7});
    responses.keep(client.post("/signin", &body).await).expect_error(400, "invalid_request");
    let next = client.refresh_with_key(&token, KEY).await.refresh_token();
    responses.keep(client.user_info(&access).await);
    responses.keep(client.user_info(&next).await).expect_error(401, "invalid_token");
    responses.keep(client.sessions("GET", "", &access).await);
    responses.keep(client.refresh_with_key(&token, "no key").await).expect_error(400, "invalid_request");
    stack.clock.advance(Duration::from_mins(1));
    client.refresh_with_key(&next, KEY).await.refresh_token();
    responses.keep(client.refresh(&token).await).expect_error(400, "invalid_grant");
    responses.keep(client.sessions("DELETE", "", &access).await).expect_error(401, "invalid_token");
    responses.keep(client.sign_out(&next, true).await);
    responses.keep(client.revoke(&next).await);
    responses.keep(client.get("/.well-known/jwks.json").await);
    responses.keep(client.get("/.well-known/openid-configuration").await);
    let body = json!({"email": client.email, "password": client.password, "cookie": true});
    let page = client.post_from(PAGE, "/signin", &body, None).await;
    assert_eq!(page.status, 200);
    let cookie = page.cookie();
    let in_cookie = cookie.split_once('=').unwrap().1;
    assert_eq!(client.post_from(PAGE, "/refresh", &json!({}), Some(&cookie)).await.status, 200);
    let twice = format!("{cookie}; {cookie}");
    for (origin, cookies) in [("https://evil.example", &cookie), (PAGE, &twice)] {
        for path in ["/refresh", "/signout"] {
            let response = responses.keep(client.post_from(origin, path, &json!({}), Some(cookies)).await);
            response.expect_error(400, "invalid_request");
        }
    }
    assert_eq!(responses.keep(client.post_from(PAGE, "/signout", &json!({}), Some(&cookie)).await).status, 204);
    responses
        .keep(client.post_from(PAGE, "/refresh", &json!({}), Some(&cookie)).await)
        .expect_error(400, "invalid_grant");

    let session = ItemKey::session_of(&access);
    let item = stack.item(&session).await.unwrap();
    stack.set(&session, "gen", AttributeValue::S(secret.clone())).await;
    assert_eq!(responses.keep(client.refresh(&token).await).status, 500);

    let log = stack.log();
    assert!(["refresh_reuse", "signin_throttled", "failed"].iter().all(|event| log.contains(event)), "{log}");
    let keys = std::fs::read_to_string(&stack.environment()["KEYS_FILE"]).unwrap();
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    let private = keys["keys"].as_array().unwrap().iter();
    let private = private.flat_map(|key| ["d", "p", "k"].map(|name| key[name].as_str())).flatten();
    let mut secrets =
        vec![client.password.as_str(), WRONG_PASSWORD, &secret, &access, &token, &next, in_cookie, KEY];
    secrets.extend(private);
    secrets.extend([&access, &token, &next].map(|token| token.rsplit('.').next().unwrap()));
    let (item, attempts, responses) =
        (format!("{item:?}"), format!("{:?}", stack.attempts().await), format!("{responses:?}"));
    for secret in &secrets {
        for shown in [&log, &item, &attempts, &responses] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
    for email in [client.email.as_str(), "stranger@example.com", "no address"] {
        assert!(!log.contains(email), "{email} in {log}");
        assert!(!attempts.contains(email), "{email} in {attempts}");
    }
    assert!(!attempts.contains("127.0.0.1"), "{attempts}");
}
