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
use relatch_bench::{BareRefreshes, Bench, Refreshes, median};
use relatch_tests::Client;

const CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, each) = if is_quick { (3, 20) } else { (15, 100) };
    let bench = Bench::start(10).await;
    let (mut clients, mut bare_clients) = (Vec::new(), Vec::new());
    for _ in 0..CLIENTS {
        clients.push((bench.client(), bench.refreshes().await));
        bare_clients.push(bench.bare_refreshes().await);
    }
    let (mut of_stack, mut of_database) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (by_stack, by_database);
        (clients, by_stack) = at_once(clients, each, by_stack_once).await;
        (bare_clients, by_database) = at_once(bare_clients, each, by_database_once).await;
        // The first round opens connections.
        if round > 0 {
            of_stack.push(by_stack);
            of_database.push(by_database);
        }
    }
    let ratio = median(of_stack.iter().zip(&of_database).map(|(stack, database)| stack / database).collect());
    println!("the database by the bare SDK: {:>7.0} a second", median(of_database));
    println!("the local stack:              {:>7.0} a second, {ratio:.2} of it", median(of_stack));
}

async fn by_stack_once((stack, mut refreshes): (Client, Refreshes)) -> (Client, Refreshes) {
    refreshes.refresh_at(&stack).await;
    (stack, refreshes)
}

async fn by_database_once(mut refreshes: BareRefreshes) -> BareRefreshes {
    refreshes.refresh().await;
    refreshes
}

/// Lets every client refresh so often, all of them at once; the clients, and how many refreshes
/// there were in a second.
async fn at_once<C, F>(clients: Vec<C>, each: u32, refresh: fn(C) -> F) -> (Vec<C>, f64)
where
    C: Send + 'static,
    F: Future<Output = C> + Send + 'static,
{
    let began = Instant::now();
    let refreshed = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            for _ in 0..each {
                client = refresh(client).await;
            }
            client
        })
    });
    let clients: Vec<C> = join_all(refreshed).await.into_iter().map(Result::unwrap).collect();
    let refreshes = f64::from(u32::try_from(clients.len()).unwrap() * each);
    (clients, refreshes / began.elapsed().as_secs_f64())
}
