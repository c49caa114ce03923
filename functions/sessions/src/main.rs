//! The Lambda function: start-up only.

use relatch::lambda::{self, RuntimeError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    lambda::run::<sessions::Sessions>().await
}
