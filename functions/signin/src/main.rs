//! The Lambda function: start-up only.

use relatch_lambda::RuntimeError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    relatch_lambda::run::<signin::SignIn>().await
}
