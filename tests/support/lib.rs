//! What the end-to-end tests share: a deployment to talk to, and a client.
//!
//! By default the deployment is the local stack, in this process, in memory, with the
//! cheapest bcrypt cost. `RELATCH_URL`, `RELATCH_EMAIL` and `RELATCH_PASSWORD` point the
//! flows at any other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing member fails the test that looks for it")]

mod binary;
mod client;
mod event;
mod faults;
mod invoke;
mod runtime;
mod secrets;
mod sent;
mod stack;

pub use binary::Binary;
pub use client::{Answer, Client, claims};
pub use event::{call, event};
pub use faults::{Fault, FaultyDatabase, Units};
pub use invoke::InvokeAddress;
pub use runtime::RuntimeApi;
pub use secrets::SecretsManager;
pub use sent::Sent;
pub use stack::{ItemKey, ManualClock, TestStack, deployment, keys, local_deployment};
