//! The real binary is killed after it has rotated a session and before it has answered; the
//! client asks again, and loses nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use relatch_tests::{Binary, Fault, FaultyDatabase, ItemKey, RuntimeApi, TestStack, claims, event};
use serde_json::{Value, json};

fn start(stack: &TestStack, database: &str, runtime: &RuntimeApi) -> Binary {
    // The local stack takes a cheaper hash than a deployed function.
    let settings = [("BCRYPT_COST", "10"), ("AWS_ENDPOINT_URL_DYNAMODB", database)];
    Binary::start(env!("CARGO_BIN_EXE_refresh"), runtime, stack.stack().environment(), &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_killed_before_it_answers_signs_nobody_out() {
    let stack = TestStack::start(&[]).await;
    let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
    let answer = stack.client().sign_in().await;
    let (session, token) = (ItemKey::session_of(&answer.access_token()), answer.refresh_token());

    database.fail("UpdateItem", Fault::LateReply(Duration::from_secs(60)), usize::MAX);
    let runtime = RuntimeApi::start().await;
    let unanswered = runtime.send(&event("POST /refresh", json!({ "refresh_token": token })));
    let function = start(&stack, database.url(), &runtime);
    let is_rotated = async || stack.item(&session).await.unwrap()["gen"].as_n().unwrap() == "1";
    while !is_rotated().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop((function, unanswered));

    database.fail("UpdateItem", Fault::Silence, 0);
    let runtime = RuntimeApi::start().await;
    let answer = runtime.send(&event("POST /refresh", json!({ "refresh_token": token })));
    let _function = start(&stack, database.url(), &runtime);
    let answer = answer.await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let next = body["refresh_token"].as_str().unwrap();
    assert_eq!(claims(next)["gen"], 1);
    assert_eq!(stack.client().refresh(next).await.refresh_token(), next);
}
