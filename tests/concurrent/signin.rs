//! Several sign-ins at once in one instance, as Lambda Managed Instances send them.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use relatch_cli::dev::demo;
use relatch_tests::{EventRequest, FunctionProcess, RuntimeApi, TestStack};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_compared_keeps_nobody_waiting() {
    let stack = TestStack::start(&[]).await;
    let runtime = RuntimeApi::start().await;
    let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", "2"), ("BCRYPT_COST", "12")];
    let _function = FunctionProcess::start(env!("CARGO_BIN_EXE_signin"), &runtime, stack.environment(), &settings);
    let wrong = json!({"email": demo::EMAIL, "password": "not the password"});
    let mut slow = Box::pin(EventRequest::post("/signin", &wrong).send_through(&runtime));
    let no_email = EventRequest::post("/signin", &json!({"email": "no email", "password": "x"}));
    let quick = tokio::select! {
        biased;
        quick = no_email.send_through(&runtime) => quick,
        _ = &mut slow => panic!("the second request had to wait for the first one's password"),
    };
    assert_eq!(quick.status, 400);
    assert_eq!(slow.await.status, 401);
}
