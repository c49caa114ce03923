//! The whole local stack while its keys are rotated.

use std::collections::BTreeSet;

use relatch_tests::{SecretsManager, TestStack};
use serde_json::json;

use crate::MINUTE;
use crate::deployment::{ACCESS, REFRESH, STEPS};

/// The whole local stack, under load from several clients at once, while the clock runs on and
/// the keys are rotated twice: every answer to a good token is good.
#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_under_load_refuse_no_good_token() {
    let secrets = SecretsManager::start(&[ACCESS, REFRESH]).await;
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

    let is_over = std::sync::atomic::AtomicBool::new(false);
    let (mut kids, client) = (BTreeSet::new(), stack.client());
    let load = async || {
        let mut answered = 0;
        let mut kids = BTreeSet::new();
        let mut session = client.sign_in().await;
        while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(client.user_info(&session.access_token()).await.status, 200);
            assert_eq!(client.sessions("GET", "", &session.access_token()).await.status, 200);
            let next = client.refresh(&session.refresh_token()).await;
            let before = std::mem::replace(&mut session, next);
            // The token before is good as well until it expires.
            assert_eq!(client.user_info(&before.access_token()).await.status, 200);
            kids.insert(session.access_token().split('.').next().unwrap().to_owned());
            answered += 4;
        }
        (answered, kids)
    };
    let clock = async {
        for hour in 0..12 {
            if [2, 6].contains(&hour) {
                rotate().await;
            }
            // Slowly enough for requests at every moment.
            for _ in 0..30 {
                stack.clock.advance_seconds(2 * MINUTE);
                tokio::time::sleep(std::time::Duration::from_millis(3)).await;
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    let (first, second, third, ()) = tokio::join!(load(), load(), load(), clock);
    let mut answered = 0;
    for (number, seen) in [first, second, third] {
        answered += number;
        kids.extend(seen);
    }
    assert_eq!(kids.len(), 3, "signed by the first key and by both that came after");
    assert!(answered > 300, "{answered}");
}
