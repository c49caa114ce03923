//! What must not be seen is not seen: no line of the log and no item of a table holds a
//! password, a token, a session's secret or a key, and no line an email.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use relatch_tests::{ItemKey, TestStack, claims};
use serde_json::json;

const WRONG_PASSWORD: &str = "a wrong password of someone";
const KEY: &str = "an-idempotency-key-of-a-token";

#[tokio::test]
async fn neither_log_nor_table_shows_a_secret() {
    let stack = TestStack::start(&[]).await;
    let client = stack.client();
    let first = client.sign_in().await;
    let (access, token) = (first.access_token(), first.refresh_token());
    let secret = claims(&token)["secret"].as_str().unwrap().to_owned();

    // Every flow, and the errors on the way.
    client.sign_in_with(&client.email, WRONG_PASSWORD).await.expect_error(401, "invalid_credentials");
    client.sign_in_with("stranger@example.com", WRONG_PASSWORD).await.expect_error(401, "invalid_credentials");
    client.sign_in_with("no address", WRONG_PASSWORD).await.expect_error(400, "invalid_request");
    let body = json!({"email": WRONG_PASSWORD, "password": 7});
    client.post("/signin", &body).await.expect_error(400, "invalid_request");
    let next = client.refresh_with_key(&token, KEY).await.refresh_token();
    client.user_info(&access).await;
    client.user_info(&next).await.expect_error(401, "invalid_token");
    client.sessions("GET", "", &access).await;
    stack.clock.advance_seconds(60);
    client.refresh_with_key(&next, KEY).await;
    client.refresh(&token).await.expect_error(400, "invalid_grant");
    client.sign_out(&next, true).await;
    client.revoke(&next).await;
    let session = ItemKey::session_of(&access);
    let item = stack.item(&session).await.unwrap();
    stack.set(&session, "gen", aws_sdk_dynamodb::types::AttributeValue::S(secret.clone())).await;
    assert_eq!(client.refresh(&token).await.status, 500);

    let log = stack.log();
    assert!(log.contains("refresh_reuse") && log.contains("failed"), "{log}");
    let keys = std::fs::read_to_string(&stack.stack().environment()["KEYS_FILE"]).unwrap();
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    let private = keys["keys"].as_array().unwrap().iter();
    let private = private.flat_map(|key| ["d", "p", "k"].map(|name| key[name].as_str())).flatten();
    let mut secrets = vec![client.password.as_str(), WRONG_PASSWORD, &secret, &access, &token, &next, KEY];
    secrets.extend(private);
    secrets.extend([&access, &token, &next].map(|token| token.rsplit('.').next().unwrap()));
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(!format!("{item:?}").contains(secret), "{secret} in {item:?}");
    }
    for email in [client.email.as_str(), "stranger@example.com", "no address"] {
        assert!(!log.contains(email), "{email} in {log}");
    }
}
