//! How long the first random number of a process takes, in nanoseconds.
#![allow(clippy::print_stdout, reason = "it is what this program is for")]

use std::time::Instant;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

fn main() -> Result<(), aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 16];
    let started = Instant::now();
    SystemRandom::new().fill(&mut bytes)?;
    println!("{}", started.elapsed().as_nanos());
    Ok(())
}
