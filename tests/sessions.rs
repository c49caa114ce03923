//! Where a user is signed in, and an end to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{Client, ItemKey, Response, TestStack, claim};
use serde_json::Value;

async fn start() -> (TestStack, Client) {
    let stack = TestStack::start(&[]).await;
    let client = stack.client();
    (stack, client)
}

async fn sign_in_as(client: &Client, device: &str) -> Response {
    let request = client.request("POST", "/signin").header("user-agent", device);
    let response = client.send(request.json(&client.credentials())).await;
    assert_eq!(response.status, 200);
    response
}

fn sid(response: &Response) -> String {
    claim(&response.access_token(), "sid")
}

async fn list_sessions(client: &Client, response: &Response) -> Vec<Value> {
    let listed = client.sessions("GET", "", &response.access_token()).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.json()["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in() {
    let (stack, client) = start().await;
    let phone = sign_in_as(&client, "Zoë's phone").await;
    let pause = Duration::from_hours(25);
    stack.clock.advance(pause);
    let laptop = sign_in_as(&client, "a laptop").await;
    let listed = list_sessions(&client, &laptop).await;
    let values = |name: &str| listed.iter().map(|session| session[name].clone()).collect::<Vec<_>>();
    assert_eq!(values("sid"), [sid(&laptop), sid(&phone)], "the newest first");
    assert_eq!(values("device"), ["a laptop", "Zoë's phone"]);
    assert_eq!(values("is_current"), [true, false]);
    let today = stack.clock.now().to_day();
    let phone_sign_in = stack.clock.now() - pause;
    assert_eq!(values("last_used_on"), [today.clone(), phone_sign_in.to_day()]);
    assert_eq!(listed[1]["created_at"], phone_sign_in.to_rfc3339());
    assert_eq!(listed[0].as_object().unwrap().len(), 5, "{listed:?}");
    // A refresh is seen to the day, and no finer.
    client.refresh(&phone.refresh_token()).await.refresh_token();
    assert_eq!(list_sessions(&client, &laptop).await[1]["last_used_on"], today);
}

#[tokio::test]
async fn one_session_is_ended_from_another() {
    let (_stack, client) = start().await;
    let (lost, mine) = (client.sign_in().await, client.sign_in().await);
    let path = format!("/{}", sid(&lost));
    for _ in 0..2 {
        assert_eq!(client.sessions("DELETE", &path, &mine.access_token()).await.status, 204);
    }
    client.refresh(&lost.refresh_token()).await.expect_error(400, "invalid_grant");
    assert_eq!(list_sessions(&client, &mine).await.len(), 1);
    assert_eq!(client.refresh(&mine.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn all_others_are_ended() {
    let (_stack, client) = start().await;
    let others = [client.sign_in().await, client.sign_in().await, client.sign_in().await];
    let mine = client.sign_in().await;
    assert_eq!(client.sessions("DELETE", "", &mine.access_token()).await.status, 204);
    for other in &others {
        client.refresh(&other.refresh_token()).await.expect_error(400, "invalid_grant");
        client.sessions("GET", "", &other.access_token()).await.expect_error(401, "invalid_token");
    }
    assert_eq!(list_sessions(&client, &mine).await.len(), 1);
    assert_eq!(client.refresh(&mine.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn nobody_reaches_the_sessions_of_another_user() {
    let (stack, client) = start().await;
    let mine = client.sign_in().await;
    let other = "AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(client.sessions("DELETE", &format!("/{other}"), &mine.access_token()).await.status, 204);
    assert_eq!(
        stack.item(&ItemKey::session_of(&mine.access_token())).await.unwrap()["status"],
        AttributeValue::S("active".to_owned())
    );
    for path in ["/x", "/", "/a/b", &format!("/{other}/"), "/..%2f..%2f", &format!("/{other}A")] {
        let response = client.sessions("DELETE", path, &mine.access_token()).await;
        assert_eq!(response.status, 404, "{path}: {response:?}");
    }
}

/// An access token lives on when its session is ended, but not here.
#[tokio::test]
async fn a_token_whose_session_is_not_live_is_refused_on_every_route() {
    for reason in ["revoked", "disabled", "epoch", "gone", "expired"] {
        let (stack, client) = start().await;
        let (mine, other) = (client.sign_in().await, client.sign_in().await);
        let (session, user) = (ItemKey::session_of(&mine.access_token()), ItemKey::user_of(&mine.access_token()));
        let text = |text: &str| AttributeValue::S(text.to_owned());
        match reason {
            "revoked" => stack.set(&session, "status", text("revoked")).await,
            "disabled" => stack.set(&user, "status", text("disabled")).await,
            "epoch" => stack.set(&user, "epoch", AttributeValue::N("1".to_owned())).await,
            "gone" => stack.delete(&session).await,
            _ => stack.set(&session, "idle_expires_at", AttributeValue::N("1".to_owned())).await,
        }
        for (method, path) in
            [("GET", String::new()), ("DELETE", String::new()), ("DELETE", format!("/{}", sid(&other)))]
        {
            let response = client.sessions(method, &path, &mine.access_token()).await;
            response.expect_error(401, "invalid_token");
            assert_eq!(response.header("www-authenticate"), "Bearer error=\"invalid_token\"");
        }
        let kept = stack.item(&ItemKey::session_of(&other.access_token())).await.unwrap();
        assert_eq!(kept["status"], text("active"), "{reason}");
    }
}

#[tokio::test]
async fn the_routes_ask_for_an_access_token() {
    let (_stack, client) = start().await;
    client.get("/sessions").await.expect_error(401, "invalid_token");
    let refresh_token = client.sign_in().await.refresh_token();
    client.sessions("GET", "", &refresh_token).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_user_has_at_most_fifty_live_sessions_and_the_oldest_goes_first() {
    let (stack, client) = start().await;
    let mut responses = Vec::new();
    for _ in 0..52 {
        responses.push(client.sign_in().await);
        stack.clock.advance(Duration::from_millis(1));
    }
    let listed = list_sessions(&client, responses.last().unwrap()).await;
    assert_eq!(listed.len(), 50);
    for (place, response) in responses.iter().enumerate() {
        let status = client.refresh(&response.refresh_token()).await.status;
        assert_eq!(status, if place < 2 { 400 } else { 200 }, "{place}");
    }
    assert_eq!(stack.log().matches("session_evicted").count(), 2);
}
