//! The functions from an event to its answer, in this process, on the embedded database.
//!
//! ```sh
//! cargo bench -p relatch-bench --bench handlers
//! ```
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use jwks::Jwks;
use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_cli::dev::demo;
use relatch_tests::{TestStack, event};
use serde_json::{Value, json};
use signin::SignIn;
use tokio::runtime::Runtime;
use userinfo::UserInfo;

async fn answer<H: Handler>(function: &Function<H>, event: &Value) -> Value {
    let answer = serde_json::to_value(function.answer(&event.to_string()).await.unwrap()).unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    answer
}

fn handlers(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let most = "1000000";
    let settings = [("SIGNIN_FREE_ATTEMPTS", most), ("SIGNIN_ATTEMPTS_PER_EMAIL", most)];
    let stack = runtime.block_on(TestStack::start(&settings));
    let tokens = runtime.block_on(stack.client().sign_in());

    let refresh: Function<Refresh> = stack.function(&[]);
    let first = event("POST /refresh", json!({"refresh_token": tokens.refresh_token()}));
    criterion.bench_function("refresh, a retry within the window", |bencher| {
        bencher.iter(|| runtime.block_on(answer(&refresh, &first)));
    });

    let userinfo: Function<UserInfo> = stack.function(&[]);
    let mut who = event("GET /userinfo", Value::Null);
    who["headers"]["authorization"] = format!("Bearer {}", tokens.access_token()).into();
    criterion.bench_function("userinfo", |bencher| {
        bencher.iter(|| runtime.block_on(answer(&userinfo, &who)));
    });

    let jwks: Function<Jwks> = stack.function(&[]);
    let keys = event("GET /.well-known/jwks.json", Value::Null);
    criterion.bench_function("the public keys", |bencher| bencher.iter(|| runtime.block_on(answer(&jwks, &keys))));

    let sign_in: Function<SignIn> = stack.function(&[]);
    let right = event("POST /signin", json!({"email": demo::EMAIL, "password": demo::PASSWORD}));
    criterion.bench_function("sign-in, cost 4", |bencher| {
        bencher.iter(|| runtime.block_on(answer(&sign_in, &right)));
    });
}

criterion_group!(all, handlers);
criterion_main!(all);
