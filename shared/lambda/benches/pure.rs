//! The parts that decide, read and write: everything of a request but its calls to AWS.
//!
//! ```sh
//! cargo bench -p relatch-lambda --bench pure
//! ```
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use relatch::Email;
use relatch::keys::{Algorithm, KeySet, generate};
use relatch::lifetime::{RetryWindow, SessionLifetime};
use relatch::session::{Generation, PresentedToken, Session, SessionSecret, UpdateOutcome, decide};
use relatch::time::Timestamp;
use relatch::token::{TokenPair, verify_access, verify_refresh};
use relatch::user::{User, UserId, UserStatus};
use relatch_lambda::config::{Config, Environment};
use relatch_lambda::http::{self, Request, TokenSource};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: Duration = Duration::from_hours(24);

fn read_config() -> Config {
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
    Config::from_lookup(Environment::Local, lookup).unwrap()
}

fn bench_tokens(criterion: &mut Criterion) {
    let issuer = read_config().token_issuer;
    let (access_claims, refresh_claims) = (issuer.access_tokens(), issuer.refresh_tokens());
    let user = User {
        id: UserId::parse("BMm9yqGPnV2hTjZ0wYyWcQ").unwrap(),
        email: Email::parse("ada@example.com").unwrap(),
        status: UserStatus::Active,
        epoch: 0,
        credential_version: 1,
        created_at: NOW,
    };
    let secret = SessionSecret::from_random([7; 16]);
    let lifetime = SessionLifetime { idle: 30 * DAY, absolute: 90 * DAY };
    let session = Session::open(&user, secret.session_id(), lifetime, None, NOW);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let text = generate(algorithm, NOW).unwrap();
        let keys = KeySet::parse(text.expose()).unwrap();
        let issue = || TokenPair::issue((&session, &secret), &user, &keys, &issuer, [1; 18], NOW).unwrap();
        let pair = issue();
        let (access_token, refresh_token) = (pair.access_token.expose(), pair.refresh_token.expose());
        let name = algorithm.name();
        criterion.bench_function(&format!("keys of a set, {name}"), |bencher| {
            bencher.iter(|| KeySet::parse(black_box(text.expose())).unwrap());
        });
        criterion.bench_function(&format!("a pair of tokens, {name}"), |bencher| {
            bencher.iter(|| http::tokens(&issue(), TokenSource::Body).unwrap());
        });
        criterion.bench_function(&format!("verify an access token, {name}"), |bencher| {
            bencher.iter(|| verify_access(black_box(access_token), &keys, &access_claims, NOW).unwrap());
        });
        if algorithm == Algorithm::RS256 {
            criterion.bench_function("verify a refresh token", |bencher| {
                bencher.iter(|| verify_refresh(black_box(refresh_token), &keys, &refresh_claims, NOW).unwrap());
            });
        }
    }
    let presented = PresentedToken {
        generation: Generation(0),
        idempotency_key_digest: secret.idempotency_key_digest(b"a key of the client"),
    };
    criterion.bench_function("decide a refresh", |bencher| {
        bencher.iter(|| {
            let seen = UpdateOutcome::Unchanged(Some(session.clone()));
            decide(black_box(&presented), seen, Some(&user), RetryWindow::DEFAULT, NOW)
        });
    });
}

fn bench_input(criterion: &mut Criterion) {
    let event = include_str!("../../../events/refresh.json");
    criterion.bench_function("read an event", |bencher| {
        bencher.iter(|| Request::from_event(black_box(event)).unwrap().json().unwrap());
    });
    let email = "Ada.Lovelace+signin@Example.COM";
    criterion.bench_function("read an email", |bencher| {
        bencher.iter(|| Email::parse(black_box(email)).unwrap());
    });
    criterion.bench_function("read the settings", |bencher| bencher.iter(read_config));
}

criterion_group!(pure, bench_tokens, bench_input);
criterion_main!(pure);
