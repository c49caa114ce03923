//! What the end-to-end tests share: a deployment to talk to, and a client.
//!
//! By default the deployment is the local stack, in this process, in memory, with the
//! cheapest bcrypt cost. `RELATCH_URL`, `RELATCH_EMAIL` and `RELATCH_PASSWORD` point the
//! flows at any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing field fails the test that looks for it")]

mod client;
mod clock;
mod deployment;
mod event_request;
mod faults;
mod form;
mod function_process;
mod invoke;
mod item_key;
mod log_buffer;
mod response;
mod runtime;
mod secrets;
mod stack;
mod stack_options;
mod token;

pub use client::Client;
pub use clock::ManualClock;
pub use deployment::{deployment, local_deployment};
pub use event_request::{EventRequest, Gateway};
pub use faults::{Fault, FaultyDatabase, Units};
pub use function_process::FunctionProcess;
pub use invoke::InvokeEndpoint;
pub use item_key::ItemKey;
pub use response::Response;
pub use runtime::RuntimeApi;
pub use secrets::LocalSecretsManager;
pub use stack::TestStack;
pub use stack_options::{keys, stack_options};
pub use token::{claim, claims, generation, header};
