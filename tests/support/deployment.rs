//! The deployment that all tests of a process share.

use std::sync::OnceLock;

use relatch::time::Clock;
use relatch_cli::dev::{Stack, demo};
use relatch_lambda::telemetry::Log;

use crate::client::Client;
use crate::stack_options::stack_options;

/// A client of the deployment that `RELATCH_URL`, `RELATCH_EMAIL` and `RELATCH_PASSWORD` name, or
/// of one local stack that all tests of this process share.
pub fn deployment() -> Client {
    #[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let email = variable("RELATCH_EMAIL").unwrap_or_else(|| demo::EMAIL.to_owned());
    let password = variable("RELATCH_PASSWORD").unwrap_or_else(|| demo::PASSWORD.to_owned());
    let url = variable("RELATCH_URL").unwrap_or_else(|| shared_stack_url().to_owned());
    Client::new(&url, &email, &password).patient()
}

/// A client of the one local stack that all tests of this process share.
pub fn local_deployment() -> Client {
    Client::new(shared_stack_url(), demo::EMAIL, demo::PASSWORD).patient()
}

/// The shared stack lives in a thread of its own, because each test's runtime ends with it.
fn shared_stack_url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let options = stack_options(&[], Clock::system(), Log::to(std::io::sink()));
                let stack = Stack::start(options).await.unwrap();
                sender.send(stack.url().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    })
}
