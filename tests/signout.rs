//! Ending sessions: `POST /signout` and `POST /revoke`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{Client, EventRequest, Fault, ItemKey, Response, TestStack, generation};
use serde_json::json;
use signout::SignOut;

/// The retry window.
const W: Duration = Duration::from_mins(1);

async fn start() -> (TestStack, Client) {
    let stack = TestStack::start(&[]).await;
    let client = stack.client();
    (stack, client)
}

async fn rotate(stack: &TestStack, client: &Client, token: &str) -> String {
    let next = client.refresh(token).await.refresh_token();
    stack.clock.advance(W);
    next
}

#[track_caller]
fn expect_no_content(response: &Response) {
    assert_eq!((response.status, response.text.as_str()), (204, ""), "{response:?}");
    assert_eq!(response.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_session_is_ended_by_any_of_its_tokens() {
    for generation in 0..3 {
        let (stack, client) = start().await;
        let mut tokens = vec![client.sign_in().await.refresh_token()];
        for _ in 0..2 {
            tokens.push(rotate(&stack, &client, tokens.last().unwrap()).await);
        }
        expect_no_content(&client.sign_out(&tokens[generation], false).await);
        for token in &tokens {
            client.refresh(token).await.expect_error(400, "invalid_grant");
        }
        assert_eq!(client.sign_in().await.status, 200);
    }
}

#[tokio::test]
async fn a_token_that_has_expired_ends_its_session_all_the_same() {
    let stack = TestStack::start(&[("REFRESH_TOKEN_TTL", "1000")]).await;
    let client = stack.client();
    let response = client.sign_in().await;
    stack.clock.advance(Duration::from_secs(1001));
    expect_no_content(&client.sign_out(&response.refresh_token(), false).await);
    let session = stack.item(&ItemKey::session_of(&response.access_token())).await.unwrap();
    assert_eq!(session["status"], AttributeValue::S("revoked".to_owned()));
}

#[tokio::test]
async fn only_this_session_is_ended() {
    let (_stack, client) = start().await;
    let (one, two) = (client.sign_in().await.refresh_token(), client.sign_in().await.refresh_token());
    expect_no_content(&client.sign_out(&one, false).await);
    client.refresh(&one).await.expect_error(400, "invalid_grant");
    assert_eq!(client.refresh(&two).await.status, 200);
}

#[tokio::test]
async fn repeats_and_tokens_that_say_nothing_are_answered_alike() {
    let (stack, client) = start().await;
    let response = client.sign_in().await;
    let token = response.refresh_token();
    for _ in 0..3 {
        expect_no_content(&client.sign_out(&token, false).await);
        expect_no_content(&client.sign_out(&token, true).await);
    }
    for unknown in ["", "x", "a.b.c", &response.access_token()] {
        expect_no_content(&client.sign_out(unknown, false).await);
        expect_no_content(&client.sign_out(unknown, true).await);
        // In a form, a token without a value is a token left out (RFC 6749 §3.2).
        let status = if unknown.is_empty() { 400 } else { 200 };
        assert_eq!(client.revoke(unknown).await.status, status, "{unknown:?}");
    }
    // A session that is gone is not made again.
    let session = ItemKey::session_of(&response.access_token());
    stack.delete(&session).await;
    expect_no_content(&client.sign_out(&token, false).await);
    assert_eq!(stack.item(&session).await, None);
}

#[tokio::test]
async fn everywhere_ends_all_sessions_of_the_user() {
    let (stack, client) = start().await;
    let (one, two) = (client.sign_in().await.refresh_token(), client.sign_in().await.refresh_token());
    // The current token, whether or not it may rotate yet.
    let one = client.refresh(&one).await.refresh_token();
    expect_no_content(&client.sign_out(&one, true).await);
    for token in [&one, &two] {
        client.refresh(token).await.expect_error(400, "invalid_grant");
    }
    assert!(stack.log().contains("signout_everywhere"));
    let three = client.sign_in().await.refresh_token();
    stack.clock.advance(W);
    expect_no_content(&client.sign_out(&three, true).await);
    client.refresh(&three).await.expect_error(400, "invalid_grant");
}

/// A token that was stolen and rotated away signs nobody out but the thief.
#[tokio::test]
async fn everywhere_takes_a_token_that_a_refresh_would_accept() {
    let (stack, client) = start().await;
    let elsewhere = client.sign_in().await.refresh_token();
    let stolen = client.sign_in().await.refresh_token();
    let current = rotate(&stack, &client, &stolen).await;
    expect_no_content(&client.sign_out(&stolen, true).await);
    client.refresh(&current).await.expect_error(400, "invalid_grant");
    assert_eq!(client.refresh(&elsewhere).await.status, 200);

    // A predecessor within the window is one that a refresh accepts.
    let token = client.sign_in().await.refresh_token();
    assert_eq!(client.refresh(&token).await.status, 200);
    stack.clock.advance(W - Duration::from_millis(1));
    expect_no_content(&client.sign_out(&token, true).await);
    client.refresh(&elsewhere).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn revoke_is_the_form_of_rfc_7009() {
    let (_stack, client) = start().await;
    let token = client.sign_in().await.refresh_token();
    let response = client.revoke(&token).await;
    assert_eq!((response.status, response.text.as_str()), (200, "{}"));
    client.refresh(&token).await.expect_error(400, "invalid_grant");
    let send = async |content_type: &str, body: &str| {
        let request = client.request("POST", "/revoke").header("content-type", content_type);
        client.send(request.body(body.to_owned())).await
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    for wrong in ["", "token_type_hint=refresh_token", "token=a&token=b", &format!("token={}", "x".repeat(4097))] {
        send(FORM, wrong).await.expect_error(400, "invalid_request");
    }
    send("application/json", "{\"token\":\"x\"}").await.expect_error(415, "unsupported_media_type");
    assert_eq!(send(&format!("{FORM};charset=UTF-8"), "token=a%2Eb").await.status, 200);
}

#[tokio::test]
async fn everywhere_is_true_or_false() {
    let (_stack, client) = start().await;
    let token = client.sign_in().await.refresh_token();
    for wrong in [json!("true"), json!(1), json!(null), json!([])] {
        let body = json!({"refresh_token": token, "everywhere": wrong});
        client.post("/signout", &body).await.expect_error(400, "invalid_request");
    }
    assert_eq!(client.refresh(&token).await.status, 200);
}

/// Whoever starts to refresh after the answer gets nothing: a thousand races.
#[tokio::test(flavor = "multi_thread")]
async fn no_refresh_that_starts_after_a_sign_out_succeeds() {
    let (_stack, client) = start().await;
    for round in 0..25 {
        let token = client.sign_in().await.refresh_token();
        let is_signed_out = Arc::new(AtomicBool::new(false));
        let refreshing = (0..8).map(|_| {
            let (client, token, is_signed_out) = (client.clone(), token.clone(), Arc::clone(&is_signed_out));
            tokio::spawn(async move {
                for _ in 0..5 {
                    let was_signed_out = is_signed_out.load(Ordering::SeqCst);
                    let status = client.refresh(&token).await.status;
                    assert!(status == 400 || (status == 200 && !was_signed_out), "{status} {was_signed_out}");
                }
            })
        });
        let refreshing: Vec<_> = refreshing.collect();
        expect_no_content(&client.sign_out(&token, round % 2 == 0).await);
        is_signed_out.store(true, Ordering::SeqCst);
        for task in refreshing {
            task.await.unwrap();
        }
        client.refresh(&token).await.expect_error(400, "invalid_grant");
    }
}

/// An answer that says that the session is ended is given only when it is.
#[tokio::test]
async fn a_session_that_cannot_be_ended_is_503() {
    let (stack, client) = start().await;
    let database = stack.faulty_database().await;
    let function = stack.function::<SignOut>(&[database.setting()]);
    let token = client.sign_in().await.refresh_token();
    let sign_out = async |is_everywhere: bool| {
        let body = json!({"refresh_token": token, "everywhere": is_everywhere});
        EventRequest::post("/signout", &body).send(&function).await.status
    };
    for is_everywhere in [false, true] {
        database.fail("UpdateItem", Fault::Error("InternalServerError", 500), 3);
        assert_eq!(sign_out(is_everywhere).await, 503);
    }
    assert_eq!(client.refresh(&token).await.status, 200);
    database.fail("UpdateItem", Fault::LostReply, 1);
    assert_eq!(sign_out(true).await, 204, "a reply that was lost is asked for again");
    client.refresh(&token).await.expect_error(400, "invalid_grant");
    assert_eq!(generation(&token), 0);
}
