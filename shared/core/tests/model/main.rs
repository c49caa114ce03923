//! The refresh protocol against everything that a network, a client with several tabs, the
//! AWS SDK, an operator and a thief can do, in every order.
//!
//! # What is real and what is modelled
//!
//! Every decision is made by [`relatch::session::decide`] on whole `Session` values. The
//! table's conditional update is modelled by the same condition ([`store`]), the refresh
//! function by the steps between which others can act ([`server`]): the clock is read and the
//! token verified; the session is updated or read, the user read before or after it; and
//! after *reuse* or *future* the session is marked, before the client is answered. A request
//! may end after any of them without an answer, as with a function that dies or a write
//! that fails: that is a 503, or nothing. DynamoDB is one item whose writes have an order.
//!
//! The clients and the network are in [`client`]. What must hold is in [`properties`], each
//! rule under the name that its test prints.
//!
//! # The bounds
//!
//! Time is in ticks of 20 s, `W` is three of them; a run ends after nine, in which a session
//! comes to generation 4, or earlier where many take part (each test says so). A request is
//! under way for at most two ticks, an answer for any time; two or three requests at once. One
//! session, one user; at most one theft, after which the thief may use all that was got with
//! the token; at most one end, one backup and one restore. Clocks differ by a second where
//! [`Scenario::slow_clocks`] says so. Within these bounds all states are visited; beyond them
//! nothing is said.
//!
//! # Why it can be believed
//!
//! Policies that are known to be weaker ([`policy`]) must break the property that is named for
//! each in [`weaker`], by the same exploration. What Relatch's own policy does not achieve is in
//! [`limits`], so that it is known, and noticed when it changes.
//!
//! `cargo test -p relatch --test model -- --nocapture` shows the number of states of each, and
//! the shortest way to break what can be broken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what was explored is shown with --nocapture")]

mod client;
mod clock;
mod explorer;
mod holds;
mod limits;
mod policy;
mod properties;
mod server;
mod store;
mod weaker;
mod world;

use explorer::{Exploration, explore};
use world::Scenario;

/// Explores it, and shows what was found.
fn show(name: &str, scenario: &Scenario) -> Exploration {
    let exploration = explore(scenario);
    println!("{name}: {exploration}");
    exploration
}
