//! Several refreshes at once in one instance, as Lambda Managed Instances send them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use relatch_tests::{Binary, RuntimeApi, TestStack, claims, event};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_of_one_session_agree() {
    let stack = TestStack::start(&[]).await;
    let runtime = RuntimeApi::start().await;
    let settings = [("AWS_LAMBDA_MAX_CONCURRENCY", "8"), ("BCRYPT_COST", "10")];
    let _function = Binary::start(env!("CARGO_BIN_EXE_refresh"), &runtime, stack.stack().environment(), &settings);
    let refresh = async |token: &str| {
        let answer = runtime.send(&event("POST /refresh", json!({ "refresh_token": token }))).await;
        assert_eq!(answer["statusCode"], 200, "{answer}");
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        body["refresh_token"].as_str().unwrap().to_owned()
    };
    let first = stack.client().sign_in().await.refresh_token();
    let answers = join_all((0..50).map(|_| refresh(&first))).await;
    let successors: BTreeSet<&String> = answers.iter().collect();
    let [successor] = Vec::from_iter(successors)[..] else { panic!("the session was split: {answers:?}") };
    assert_eq!(claims(successor)["gen"], 1);
    assert_eq!(refresh(successor).await, *successor, "within the window it stays as it is");
}
