//! The real binary is killed after it has rotated a session and before it has answered; the
//! client asks again, and loses nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use relatch_tests::{EventRequest, Fault, FunctionProcess, ItemKey, RuntimeApi, TestStack, generation};
use serde_json::json;

fn start(stack: &TestStack, database: &str, runtime: &RuntimeApi) -> FunctionProcess {
    // The local stack takes a cheaper hash than a deployed function.
    let settings = [("BCRYPT_COST", "10"), ("AWS_ENDPOINT_URL_DYNAMODB", database)];
    FunctionProcess::start(env!("CARGO_BIN_EXE_refresh"), runtime, stack.environment(), &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_killed_before_it_answers_signs_nobody_out() {
    let stack = TestStack::start(&[]).await;
    let database = stack.faulty_database().await;
    let response = stack.client().sign_in().await;
    let (session, token) = (ItemKey::session_of(&response.access_token()), response.refresh_token());

    database.fail("UpdateItem", Fault::LateReply(Duration::from_mins(1)), usize::MAX);
    let runtime = RuntimeApi::start().await;
    let request = EventRequest::post("/refresh", &json!({"refresh_token": token}));
    let unanswered = request.send_through(&runtime);
    let function = start(&stack, database.url(), &runtime);
    let is_rotated = async || stack.item(&session).await.unwrap()["gen"].as_n().unwrap() == "1";
    while !is_rotated().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop((function, unanswered));

    database.fail("UpdateItem", Fault::Silence, 0);
    let runtime = RuntimeApi::start().await;
    let response = request.send_through(&runtime);
    let _function = start(&stack, database.url(), &runtime);
    let next = response.await.refresh_token();
    assert_eq!(generation(&next), 1);
    assert_eq!(stack.client().refresh(&next).await.refresh_token(), next);
}
