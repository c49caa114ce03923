//! What the measurements share. What they found, and how, is in docs/performance.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing field fails the measurement that looks for it")]

mod crypt;
mod process;
mod stack;
mod tls;

pub use crypt::Crypt;
pub use process::{Binaries, Process};
pub use stack::{BareRefreshChain, Bench, RefreshChain, event};

/// The median of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[half] } else { f64::midpoint(figures[half - 1], figures[half]) }
}
