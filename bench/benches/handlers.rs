//! The functions from an event to its response, in this process, on the embedded database.
//!
//! ```sh
//! cargo bench -p relatch-bench --bench handlers
//! ```
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use jwks::Jwks;
use refresh::Refresh;
use relatch_cli::dev::demo;
use relatch_lambda::{Function, Handler};
use relatch_tests::{EventRequest, TestStack};
use serde_json::Value;
use signin::SignIn;
use tokio::runtime::Runtime;
use userinfo::UserInfo;

async fn respond<H: Handler>(function: &Function<H>, event: &Value) -> Value {
    let response = serde_json::to_value(function.respond(&event.to_string()).await.unwrap()).unwrap();
    assert_eq!(response["statusCode"], 200, "{response}");
    response
}

fn bench_handlers(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let unlimited = "1000000";
    let settings = [("SIGNIN_FREE_ATTEMPTS", unlimited), ("SIGNIN_ATTEMPTS_PER_EMAIL", unlimited)];
    let stack = runtime.block_on(TestStack::start(&settings));
    let tokens = runtime.block_on(stack.client().sign_in());

    let refresh: Function<Refresh> = stack.function(&[]);
    let refresh_event = EventRequest::refresh(&tokens.refresh_token()).event();
    criterion.bench_function("refresh, a retry within the window", |bencher| {
        bencher.iter(|| runtime.block_on(respond(&refresh, &refresh_event)));
    });

    let userinfo: Function<UserInfo> = stack.function(&[]);
    let userinfo_event = EventRequest::get("/userinfo").with_bearer(&tokens.access_token()).event();
    criterion.bench_function("userinfo", |bencher| {
        bencher.iter(|| runtime.block_on(respond(&userinfo, &userinfo_event)));
    });

    let jwks: Function<Jwks> = stack.function(&[]);
    let jwks_event = EventRequest::get("/.well-known/jwks.json").event();
    criterion.bench_function("the public keys", |bencher| {
        bencher.iter(|| runtime.block_on(respond(&jwks, &jwks_event)));
    });

    let sign_in: Function<SignIn> = stack.function(&[]);
    let sign_in_event = EventRequest::sign_in(demo::EMAIL, demo::PASSWORD).event();
    criterion.bench_function("sign-in, cost 4", |bencher| {
        bencher.iter(|| runtime.block_on(respond(&sign_in, &sign_in_event)));
    });
}

criterion_group!(handlers, bench_handlers);
criterion_main!(handlers);
