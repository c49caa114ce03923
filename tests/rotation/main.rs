//! The life of keys: rotations by Secrets Manager's steps over simulated months, with several
//! instances that sign, others that verify, and verifiers elsewhere whose caches lag. No good
//! token is ever refused, and no key that went comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod deployment;
mod load;
mod months;

use std::time::Duration;

use jwks::Jwks;
use relatch::Secret;
use relatch::keys::{Algorithm, PrivateKeySet, Purpose, generate, rotate_keys};
use relatch::time::Timestamp;
use relatch_tests::{EventRequest, Fault};
use serde_json::{Value, json};
use signin::SignIn;

use deployment::{ACCESS, Deployment, REFRESH, STEPS};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn the_first_rotation_makes_the_first_keys() {
    let mut it = Deployment::start().await;
    let (sign_in, jwks) = (it.instance::<SignIn>(), it.instance::<Jwks>());
    let sign_in_request = EventRequest::post("/signin", &it.stack.client().credentials());
    let jwks_request = EventRequest::get("/.well-known/jwks.json");
    assert_eq!(sign_in_request.send(&sign_in).await.status, 503, "no keys yet");
    assert_eq!(jwks_request.send(&jwks).await.status, 503);
    for secret in [ACCESS, REFRESH] {
        it.rotate(secret).await;
    }
    it.stack.clock.advance(Duration::from_secs(1));
    assert_eq!(sign_in_request.send(&sign_in).await.status, 200);
    let response = jwks_request.send(&jwks).await;
    let set = response.json();
    assert_eq!((response.status, set["keys"].as_array().unwrap().len()), (200, 1));
    assert_eq!(set["keys"][0]["alg"], "ES256");
    let purposes = |secret| it.keys(secret).list(it.now()).into_iter().map(|key| key.purpose).collect::<Vec<_>>();
    assert_eq!(purposes(ACCESS), [Purpose::Access]);
    assert_eq!(purposes(REFRESH), [Purpose::Refresh, Purpose::Attempts]);
}

#[tokio::test]
async fn a_secret_that_holds_an_empty_set_is_rotated_alike() {
    let mut it = Deployment::start().await;
    it.secrets.put(ACCESS, "{\"keys\":[]}");
    it.rotate(ACCESS).await;
    assert_eq!(it.kids(ACCESS), it.published_kids().await);
    assert_eq!(it.kids(ACCESS).len(), 1);
}

/// Between any two steps, somebody changes the keys by hand.
#[tokio::test]
async fn a_rotation_undoes_nobodys_change() {
    for before in 1..STEPS.len() {
        let mut it = Deployment::with_keys().await;
        it.stack.clock.advance(DAY);
        it.rotate(ACCESS).await;
        it.stack.clock.advance(DAY);
        let kept = it.kids(ACCESS);
        let version = it.version();
        let mut failed = None;
        for (number, step) in STEPS.into_iter().enumerate() {
            if number == before {
                it.retire_by_hand(ACCESS).await;
            }
            if let Err(error) = it.step(ACCESS, step, &version).await {
                failed.get_or_insert((step, error));
            }
        }
        let (_, error) = failed.unwrap_or_else(|| panic!("step {before}"));
        assert!(error.contains("changed by somebody else"), "{error}");
        let now = it.kids(ACCESS);
        assert!(now.is_subset(&kept) && now.len() == 1, "the change stands: {now:?}");
        assert_eq!(it.published_kids().await, now, "and nothing of the rotation is published");
        // It starts again from there.
        it.rotate(ACCESS).await;
        assert_eq!(it.published_kids().await, it.kids(ACCESS));
        assert_eq!(it.kids(ACCESS).len(), 2);
    }
}

/// Each call of a whole rotation fails in turn, and each answer is lost in turn: the step is
/// refused or done, and the rotation run again ends well.
#[tokio::test]
async fn a_rotation_that_is_cut_off_anywhere_can_be_run_again() {
    for fault in [Fault::Error("InternalServerError", 500), Fault::LostReply] {
        for operation in ["PutItem", "UpdateItem", "GetItem"] {
            for spared in 0..4 {
                let mut it = Deployment::with_keys().await;
                it.stack.clock.advance(30 * DAY);
                let version = it.version();
                // More often than the SDK tries.
                it.database.fail_after(spared, operation, fault.clone(), 3);
                for step in STEPS {
                    for _ in 0..4 {
                        if it.step(ACCESS, step, &version).await.is_ok() {
                            break;
                        }
                    }
                }
                assert_eq!(it.kids(ACCESS).len(), 2, "{operation} {spared} {fault:?}");
                assert!(it.kids(ACCESS).is_subset(&it.published_kids().await));
            }
        }
    }
    for operation in ["PutSecretValue", "UpdateSecretVersionStage"] {
        let mut it = Deployment::with_keys().await;
        it.stack.clock.advance(30 * DAY);
        let version = it.version();
        it.secrets.lose_reply(operation);
        for step in STEPS {
            it.step(ACCESS, step, &version).await.unwrap();
        }
        assert_eq!((it.kids(ACCESS).len(), it.published_kids().await.len()), (2, 2), "{operation}");
    }
}

#[tokio::test]
async fn what_an_abandoned_rotation_published_goes_with_the_next() {
    let mut it = Deployment::with_keys().await;
    let version = it.version();
    for step in &STEPS[..2] {
        it.step(ACCESS, step, &version).await.unwrap();
    }
    assert_eq!((it.kids(ACCESS).len(), it.published_kids().await.len()), (1, 2));
    it.stack.clock.advance(Duration::from_hours(2));
    assert!(!it.secrets.can_begin_rotation(ACCESS));
    it.secrets_client().end_rotation(ACCESS, &version).await.unwrap();
    it.rotate(ACCESS).await;
    assert_eq!(it.published_kids().await, it.kids(ACCESS));
}

#[tokio::test]
async fn an_event_that_is_no_step_is_an_error() {
    let mut it = Deployment::with_keys().await;
    let version = it.version();
    let step = json!({"Step": "setSecret", "SecretId": ACCESS, "ClientRequestToken": version});
    let replace = |field: &str, value: Value| {
        let mut event = step.clone();
        event[field] = value;
        event
    };
    for event in [
        Value::Null,
        json!({}),
        json!([]),
        replace("Step", json!("deleteSecret")),
        replace("Step", json!(7)),
        replace("SecretId", json!("arn:aws:secretsmanager:us-east-1:000000000000:secret:other")),
        replace("SecretId", Value::Null),
        step.clone(),
    ] {
        assert!(it.rotator().step(&event).await.is_err(), "{event}");
    }
    assert_eq!(it.kids(ACCESS).len(), 1);
    assert!(it.stack.log().contains("the step before it was not done"));
}

#[tokio::test]
async fn no_key_is_in_the_log_of_a_rotation() {
    let mut it = Deployment::with_keys().await;
    it.rotate(REFRESH).await;
    it.secrets.put(ACCESS, &it.secrets.current(ACCESS).unwrap().replace("\"alg\"", "\"gla\""));
    let version = it.version();
    it.step(ACCESS, "createSecret", &version).await.unwrap_err();
    let log = it.stack.log();
    assert!(log.contains("rotation_step") && log.contains("finishSecret"));
    for secret in [ACCESS, REFRESH] {
        let set: Value = serde_json::from_str(&it.secrets.current(secret).unwrap()).unwrap();
        for key in set["keys"].as_array().unwrap() {
            for field in ["d", "k"] {
                assert!(key[field].as_str().is_none_or(|text| !log.contains(text)), "{field}");
            }
        }
    }
}

/// A secret holds 64 KiB; the template's shortest interval is two days.
#[test]
fn two_years_of_rotations_fit_into_a_secret() {
    for (purpose, algorithm) in [(Purpose::Refresh, Algorithm::RS256), (Purpose::Access, Algorithm::RS256)] {
        let mut now = Timestamp::from_seconds(1_800_000_000);
        let first: Secret = generate(algorithm, now).unwrap();
        let mut keys = PrivateKeySet::parse(first.expose()).unwrap();
        let rotations = if purpose == Purpose::Access { 10 } else { 365 };
        for _ in 0..rotations {
            now = now + 2 * DAY;
            keys = rotate_keys(&keys, &[purpose], algorithm, now).unwrap();
        }
        let bytes = keys.to_text().unwrap().expose().len();
        assert!(bytes < 65_536 * 3 / 4, "{bytes} bytes of {purpose:?}");
    }
}
