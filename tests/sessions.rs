//! Where a user is signed in, and an end to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{Answer, Client, ItemKey, TestStack, claims};
use serde_json::Value;

async fn start() -> (TestStack, Client) {
    let stack = TestStack::start(&[]).await;
    let client = stack.client();
    (stack, client)
}

async fn sign_in_as(client: &Client, device: &str) -> Answer {
    let body = serde_json::json!({"email": client.email, "password": client.password});
    let answer = client.send(client.request("POST", "/signin").header("user-agent", device).json(&body)).await;
    assert_eq!(answer.status, 200);
    answer
}

fn sid(answer: &Answer) -> String {
    claims(&answer.access_token())["sid"].as_str().unwrap().to_owned()
}

async fn list(client: &Client, answer: &Answer) -> Vec<Value> {
    let listed = client.sessions("GET", "", &answer.access_token()).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.json()["sessions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in() {
    let (stack, client) = start().await;
    let phone = sign_in_as(&client, "Zoë's phone").await;
    stack.clock.advance_seconds(90_000);
    let laptop = sign_in_as(&client, "a laptop").await;
    let listed = list(&client, &laptop).await;
    let of = |name: &str| listed.iter().map(|session| session[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("sid"), [sid(&laptop), sid(&phone)], "the newest first");
    assert_eq!(of("device"), ["a laptop", "Zoë's phone"]);
    assert_eq!(of("is_current"), [true, false]);
    let day = |seconds_ago| stack.clock.now().minus_seconds(seconds_ago).to_day();
    assert_eq!(of("last_used_on"), [day(0), day(90_000)]);
    assert_eq!(listed[1]["created_at"], stack.clock.now().minus_seconds(90_000).to_rfc3339());
    assert_eq!(listed[0].as_object().unwrap().len(), 5, "{listed:?}");
    // A refresh is seen to the day, and no finer.
    client.refresh(&phone.refresh_token()).await.refresh_token();
    assert_eq!(list(&client, &laptop).await[1]["last_used_on"], day(0));
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
    assert_eq!(list(&client, &mine).await.len(), 1);
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
    assert_eq!(list(&client, &mine).await.len(), 1);
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
    for odd in ["/x", "/", "/a/b", &format!("/{other}/"), "/..%2f..%2f", &format!("/{other}A")] {
        let answer = client.sessions("DELETE", odd, &mine.access_token()).await;
        assert_eq!(answer.status, 404, "{odd}: {answer:?}");
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
            let answer = client.sessions(method, &path, &mine.access_token()).await;
            answer.expect_error(401, "invalid_token");
            assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
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
    let mut answers = Vec::new();
    for _ in 0..52 {
        answers.push(client.sign_in().await);
        stack.clock.advance_millis(1);
    }
    let listed = list(&client, answers.last().unwrap()).await;
    assert_eq!(listed.len(), 50);
    for (place, answer) in answers.iter().enumerate() {
        let status = client.refresh(&answer.refresh_token()).await.status;
        assert_eq!(status, if place < 2 { 400 } else { 200 }, "{place}");
    }
    assert_eq!(stack.log().matches("session_evicted").count(), 2);
}
