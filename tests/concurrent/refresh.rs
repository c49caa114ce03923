//! Several refreshes at once in one instance, as Lambda Managed Instances send them.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use relatch_tests::{EventRequest, FunctionProcess, RuntimeApi, TestStack, generation};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_of_one_session_agree() {
    let stack = TestStack::start(&[]).await;
    let runtime = RuntimeApi::start().await;
    let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", "8"), ("BCRYPT_COST", "10")];
    let _function =
        FunctionProcess::start(env!("CARGO_BIN_EXE_refresh"), &runtime, stack.environment(), &settings);
    let refresh = async |token: &str| {
        let request = EventRequest::post("/refresh", &json!({"refresh_token": token}));
        request.send_through(&runtime).await.refresh_token()
    };
    let first = stack.client().sign_in().await.refresh_token();
    let tokens = join_all((0..50).map(|_| refresh(&first))).await;
    let successors: BTreeSet<&String> = tokens.iter().collect();
    let [successor] = Vec::from_iter(successors)[..] else { panic!("the session was split: {tokens:?}") };
    assert_eq!(generation(successor), 1);
    assert_eq!(refresh(successor).await, *successor, "within the window it stays as it is");
}
