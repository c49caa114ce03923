//! The parts that decide, read and write: everything of a request but its calls to AWS.
//!
//! ```sh
//! cargo bench -p relatch --bench pure
//! ```
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use relatch::Email;
use relatch::config::{Config, Place};
use relatch::http::{Request, StatusCode, json};
use relatch::session::{Generation, Lifetime, Presented, Seen, Session, SessionSecret, Window, decide};
use relatch::time::Timestamp;
use relatch::token::{Algorithm, Issuance, KeySet, TokenPair, generate, verify_access, verify_refresh};
use relatch::user::{User, UserId, UserStatus};

const NOW: i64 = 1_800_000_000;

fn config() -> Config {
    let lookup = |name: &str| {
        let value = match name {
            "TOKEN_ISSUER" => "https://auth.example.com",
            "TOKEN_AUDIENCE" => "https://api.example.com",
            "USERS_TABLE" | "SESSIONS_TABLE" | "ATTEMPTS_TABLE" | "KEYS_TABLE" => "table",
            "KEYS_FILE" => "keys.json",
            "AWS_REGION" => "us-east-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "local",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::from_lookup(Place::Local, lookup).unwrap()
}

fn tokens(criterion: &mut Criterion) {
    let now = Timestamp::from_seconds(NOW);
    let issuance = Issuance::new(&config());
    let user = User {
        id: UserId::parse("BMm9yqGPnV2hTjZ0wYyWcQ").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        status: UserStatus::Active,
        epoch: 0,
        credential_version: 1,
        created_at: now,
    };
    let secret = SessionSecret::from_random([7; 16]);
    let lifetime = Lifetime { idle: 2_592_000, absolute: 7_776_000 };
    let session = Session::open(&user, secret.session_id(), lifetime, None, now);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let text = generate(algorithm, now).unwrap();
        let keys = KeySet::parse(text.expose()).unwrap();
        let issue = || TokenPair::issue((&session, &secret), &user, &keys, &issuance, [1; 18], now).unwrap();
        let body = serde_json::to_value(issue()).unwrap();
        let token = |name: &str| body.get(name).and_then(serde_json::Value::as_str).unwrap().to_owned();
        let (access, refresh) = (token("access_token"), token("refresh_token"));
        let name = algorithm.name();
        criterion.bench_function(&format!("keys of a set, {name}"), |bencher| {
            bencher.iter(|| KeySet::parse(black_box(text.expose())).unwrap());
        });
        criterion.bench_function(&format!("a pair of tokens, {name}"), |bencher| {
            bencher.iter(|| json(StatusCode::OK, &issue()));
        });
        criterion.bench_function(&format!("verify an access token, {name}"), |bencher| {
            bencher.iter(|| verify_access(black_box(&access), &keys, &issuance, now).unwrap());
        });
        if algorithm == Algorithm::RS256 {
            criterion.bench_function("verify a refresh token", |bencher| {
                bencher.iter(|| verify_refresh(black_box(&refresh), &keys, &issuance, now).unwrap());
            });
        }
    }
    let presented =
        Presented { generation: Generation(0), retry_key_digest: secret.retry_key_digest(b"a key of the client") };
    criterion.bench_function("decide a refresh", |bencher| {
        bencher.iter(|| {
            let seen = Seen::Unchanged(Some(session.clone()));
            decide(black_box(&presented), seen, Some(&user), Window::from_seconds(60), now)
        });
    });
}

fn events(criterion: &mut Criterion) {
    let event = include_str!("../../events/refresh.json");
    criterion.bench_function("read an event", |bencher| {
        bencher.iter(|| Request::from_event(black_box(event)).unwrap().json().unwrap());
    });
    let email = "Ada.Lovelace+signin@Example.COM";
    criterion.bench_function("read an email", |bencher| {
        bencher.iter(|| Email::parse(black_box(email)).unwrap());
    });
    criterion.bench_function("read the settings", |bencher| bencher.iter(config));
}

criterion_group!(pure, tokens, events);
criterion_main!(pure);
