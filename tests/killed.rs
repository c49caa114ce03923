//! The real binary is killed after it has rotated a session and before it has answered; the
//! client asks again, and loses nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use relatch_tests::{Fault, FaultyDatabase, ItemKey, RuntimeApi, TestStack, claims};
use serde_json::{Value, json};

/// The refresh function as Lambda starts it, with nothing in its environment but its own.
fn start(stack: &TestStack, database: &str, runtime: &RuntimeApi) -> Child {
    Command::new(env!("CARGO_BIN_EXE_refresh"))
        .env_clear()
        .envs(stack.stack().environment())
        // The local stack takes a cheaper hash than a deployed function.
        .env("BCRYPT_COST", "10")
        .env("AWS_ENDPOINT_URL_DYNAMODB", database)
        .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", "refresh")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// As by `kill -9`.
fn kill(function: &mut Child) {
    function.kill().unwrap();
    function.wait().unwrap();
}

fn event(token: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /refresh", "rawPath": "/refresh",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "body": json!({ "refresh_token": token }).to_string(), "isBase64Encoded": false,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_killed_before_it_answers_signs_nobody_out() {
    let stack = TestStack::start(&[]).await;
    let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
    let answer = stack.client().sign_in().await;
    let (session, token) = (ItemKey::session_of(&answer.access_token()), answer.refresh_token());

    database.fail("UpdateItem", Fault::LateReply(Duration::from_secs(60)), usize::MAX);
    let runtime = RuntimeApi::start(&event(&token)).await;
    let mut function = start(&stack, database.url(), &runtime);
    let is_rotated = async || stack.item(&session).await.unwrap()["gen"].as_n().unwrap() == "1";
    while !is_rotated().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    kill(&mut function);

    database.fail("UpdateItem", Fault::Silence, 0);
    let runtime = RuntimeApi::start(&event(&token)).await;
    let mut function = start(&stack, database.url(), &runtime);
    let answer = runtime.answer().await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let next = body["refresh_token"].as_str().unwrap();
    assert_eq!(claims(next)["gen"], 1);
    assert_eq!(stack.client().refresh(next).await.refresh_token(), next);
    kill(&mut function);
}
