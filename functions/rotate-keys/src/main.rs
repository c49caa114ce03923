//! The Lambda function: start-up only.

use relatch_lambda::RuntimeError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    rotate_keys::run().await
}
