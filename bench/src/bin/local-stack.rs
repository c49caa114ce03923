//! How many refreshes in a second the local stack answers, against its own database asked for the
//! same two calls by the bare SDK; both with as many clients at once, and in turns.
//!
//! ```sh
//! cargo run -p relatch-bench --bin local-stack [-- --quick]
//! ```
#![allow(clippy::print_stdout, reason = "a measurement says what it found")]
#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::time::Instant;

use relatch_bench::{Bench, median, roots};

const CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, each) = if is_quick { (3, 20) } else { (15, 100) };
    let bench = Bench::start(10, &roots()).await;
    let (mut of_stack, mut of_database) = (Vec::new(), Vec::new());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push((bench.client().await, bench.bare_client().await));
    }
    for round in 0..=rounds {
        let began = Instant::now();
        let mut tasks = Vec::new();
        for (client, _) in &clients {
            let mut client = client.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    client.refresh().await;
                }
                client
            }));
        }
        let mut refreshed = Vec::new();
        for task in tasks {
            refreshed.push(task.await.unwrap());
        }
        let stack_took = began.elapsed().as_secs_f64();

        let began = Instant::now();
        let mut tasks = Vec::new();
        for (_, client) in &clients {
            let mut client = client.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    client.refresh().await;
                }
                client
            }));
        }
        let mut bare = Vec::new();
        for task in tasks {
            bare.push(task.await.unwrap());
        }
        let database_took = began.elapsed().as_secs_f64();
        clients = refreshed.into_iter().zip(bare).collect();
        // The first round opens connections.
        if round > 0 {
            let refreshes = f64::from(u32::try_from(CLIENTS * each).unwrap());
            of_stack.push(refreshes / stack_took);
            of_database.push(refreshes / database_took);
        }
    }
    let ratio = median(of_stack.iter().zip(&of_database).map(|(stack, database)| stack / database).collect());
    println!("the database by the bare SDK: {:>7.0} a second", median(of_database));
    println!("the local stack:              {:>7.0} a second, {ratio:.2} of it", median(of_stack));
}
