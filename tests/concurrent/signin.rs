//! Several sign-ins at once in one instance, as Lambda Managed Instances send them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use relatch_cli::dev::demo;
use relatch_tests::{Binary, RuntimeApi, TestStack, event};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_compared_keeps_nobody_waiting() {
    let stack = TestStack::start(&[]).await;
    let runtime = RuntimeApi::start().await;
    let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", "2"), ("BCRYPT_COST", "12")];
    let _function = Binary::start(env!("CARGO_BIN_EXE_signin"), &runtime, stack.stack().environment(), &settings);
    let wrong = json!({"email": demo::EMAIL, "password": "not the password"});
    let mut slow = Box::pin(runtime.send(&event("POST /signin", &wrong)));
    let no_email = event("POST /signin", json!({"email": "no email", "password": "x"}));
    let quick = tokio::select! {
        biased;
        quick = runtime.send(&no_email) => quick,
        _ = &mut slow => panic!("the second request had to wait for the first one's password"),
    };
    assert_eq!(quick["statusCode"], 400);
    assert_eq!(slow.await["statusCode"], 401);
}
