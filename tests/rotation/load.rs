//! The whole local stack while its keys are rotated.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relatch_tests::{LocalSecretsManager, TestStack, header};
use serde_json::json;

use crate::deployment::{ACCESS, REFRESH, STEPS};

/// The whole local stack, under load from several clients at once, while the clock runs on and
/// the keys are rotated twice: every answer to a good token is good.
#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_under_load_refuse_no_good_token() {
    let secrets = LocalSecretsManager::start(&[ACCESS, REFRESH]).await;
    let settings = [
        ("KEYS_FILE", ""),
        ("ACCESS_KEYS_SECRET_ARN", ACCESS),
        ("REFRESH_KEYS_SECRET_ARN", REFRESH),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.url()),
        ("ACCESS_KEY_ALGORITHM", "EdDSA"),
        ("ACCESS_TOKEN_TTL", "86400"),
        ("REFRESH_RETRY_WINDOW", "1"),
    ];
    let stack = TestStack::start(&settings).await;
    let rotator = stack.rotate_keys(&[]);
    let mut rotations = 0;
    let mut rotate = async || {
        for secret in [ACCESS, REFRESH] {
            rotations += 1;
            for step in STEPS {
                let version = format!("version-of-a-rotation-{rotations:010}");
                let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": version});
                rotator.step(&event).await.unwrap();
            }
        }
    };
    rotate().await;

    let is_over = AtomicBool::new(false);
    let (mut kids, client) = (BTreeSet::new(), stack.client());
    let load = async || {
        let mut responses = 0;
        let mut kids = BTreeSet::new();
        let mut session = client.sign_in().await;
        while !is_over.load(Ordering::SeqCst) {
            assert_eq!(client.user_info(&session.access_token()).await.status, 200);
            assert_eq!(client.sessions("GET", "", &session.access_token()).await.status, 200);
            let next = client.refresh(&session.refresh_token()).await;
            let before = std::mem::replace(&mut session, next);
            // The token before is good as well until it expires.
            assert_eq!(client.user_info(&before.access_token()).await.status, 200);
            kids.insert(header(&session.access_token())["kid"].to_string());
            responses += 4;
        }
        (responses, kids)
    };
    let clock = async {
        for hour in 0..12 {
            if [2, 6].contains(&hour) {
                rotate().await;
            }
            // Slowly enough for requests at every moment.
            for _ in 0..30 {
                stack.clock.advance(Duration::from_mins(2));
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let (first, second, third, ()) = tokio::join!(load(), load(), load(), clock);
    let mut responses = 0;
    for (count, seen) in [first, second, third] {
        responses += count;
        kids.extend(seen);
    }
    assert_eq!(kids.len(), 3, "signed by the first key and by both that came after");
    assert!(responses > 300, "{responses}");
}
