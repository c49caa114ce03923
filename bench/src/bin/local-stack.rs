//! How many refreshes in a second the local stack answers, against its own database asked for the
//! same two calls by the bare SDK; both with as many clients at once, and in turns.
//!
//! ```sh
//! cargo run -p relatch-bench --bin local-stack [-- --quick]
//! ```
#![allow(clippy::print_stdout, reason = "a measurement says what it found")]
#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::time::Instant;

use futures_util::future::join_all;
use relatch_bench::{BareRefreshChain, Bench, RefreshChain, median};
use relatch_tests::Client;

const CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, refreshes_per_client) = if is_quick { (3, 20) } else { (15, 100) };
    let bench = Bench::start(10).await;
    let (mut clients, mut bare_clients) = (Vec::new(), Vec::new());
    for _ in 0..CLIENTS {
        clients.push((bench.client(), bench.refresh_chain().await));
        bare_clients.push(bench.bare_refresh_chain().await);
    }
    let (mut stack_rates, mut database_rates) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (stack_rate, database_rate);
        (clients, stack_rate) = refresh_concurrently(clients, refreshes_per_client, refresh_with_stack).await;
        (bare_clients, database_rate) =
            refresh_concurrently(bare_clients, refreshes_per_client, refresh_with_sdk).await;
        // The first round opens connections.
        if round > 0 {
            stack_rates.push(stack_rate);
            database_rates.push(database_rate);
        }
    }
    let ratio =
        median(stack_rates.iter().zip(&database_rates).map(|(stack, database)| stack / database).collect());
    println!("the database by the bare SDK: {:>7.0} a second", median(database_rates));
    println!("the local stack:              {:>7.0} a second, {ratio:.2} of it", median(stack_rates));
}

async fn refresh_with_stack((client, mut chain): (Client, RefreshChain)) -> (Client, RefreshChain) {
    chain.refresh_with_client(&client).await;
    (client, chain)
}

async fn refresh_with_sdk(mut chain: BareRefreshChain) -> BareRefreshChain {
    chain.refresh().await;
    chain
}

/// Lets every client refresh `count` times, all of them at once. Returns the clients, and how many
/// refreshes there were in a second.
async fn refresh_concurrently<C, F>(clients: Vec<C>, count: u32, refresh: fn(C) -> F) -> (Vec<C>, f64)
where
    C: Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    let started = Instant::now();
    let tasks = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            for _ in 0..count {
                client = refresh(client).await;
            }
            client
        })
    });
    let clients: Vec<C> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let refreshes = f64::from(u32::try_from(clients.len()).unwrap() * count);
    (clients, refreshes / started.elapsed().as_secs_f64())
}
