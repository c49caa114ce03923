//! Users whose passwords were hashed by other implementations sign in; see
//! vectors/hashes/README.md for how each hash was made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_dynamodb::types::AttributeValue;
use relatch::Email;
use relatch::password::PasswordHash;
use relatch::store::{Added, NewUser};
use relatch::user::{UserId, UserStatus};
use relatch_tests::{ItemKey, TestStack};
use serde::Deserialize;

#[derive(Deserialize)]
struct Foreign {
    made_by: String,
    password: String,
    hash: String,
}

fn foreign() -> Vec<Foreign> {
    serde_json::from_str(include_str!("vectors/hashes/hashes.json")).unwrap()
}

/// A stack with a user for each hash, named by its place in the list.
async fn stack_with(hashes: &[Foreign], cost: &str) -> TestStack {
    let many = [("BCRYPT_COST", cost), ("SIGNIN_ATTEMPTS_PER_ADDRESS", "1000")];
    let stack = TestStack::start(&many).await;
    for (place, foreign) in hashes.iter().enumerate() {
        let new = NewUser {
            id: UserId::parse(&format!("user-{place}")).unwrap(),
            email: Email::parse(&email(place)).unwrap(),
            password_hash: PasswordHash::parse(&foreign.hash).unwrap(),
            status: UserStatus::Active,
            now: stack.clock.now(),
        };
        assert_eq!(stack.stack().store().add_user(&new).await.unwrap(), Added::New);
    }
    stack
}

fn email(place: usize) -> String {
    format!("user-{place}@example.com")
}

#[tokio::test]
async fn each_signs_in_with_its_password_and_no_other() {
    let hashes = foreign();
    let stack = stack_with(&hashes, "6").await;
    for (place, Foreign { made_by, password, .. }) in hashes.iter().enumerate() {
        let mut shorter = password.clone();
        shorter.pop();
        for wrong in [shorter, format!("{password} "), password.to_uppercase()] {
            let answer = stack.client().sign_in_with(&email(place), &wrong).await;
            answer.expect_error(401, "invalid_credentials");
        }
        let right = stack.client().sign_in_with(&email(place), password).await;
        assert_eq!(right.status, 200, "{made_by} {password}: {right:?}");
    }
}

#[tokio::test]
async fn the_first_sign_in_stores_a_hash_of_the_configured_cost() {
    let hashes: Vec<Foreign> = foreign().into_iter().filter(|foreign| foreign.hash.contains("$04$")).collect();
    assert!(!hashes.is_empty());
    let stack = stack_with(&hashes, "5").await;
    for (place, Foreign { password, hash, .. }) in hashes.iter().enumerate() {
        let stored = async || {
            let item = stack.item(&ItemKey::credential_of(&email(place))).await.unwrap();
            item["password_hash"].as_s().unwrap().clone()
        };
        stack.client().sign_in_with(&email(place), "wrong").await.expect_error(401, "invalid_credentials");
        assert_eq!(&stored().await, hash);
        assert_eq!(stack.client().sign_in_with(&email(place), password).await.status, 200);
        assert!(stored().await.starts_with("$2b$05$"));
        assert_eq!(stack.client().sign_in_with(&email(place), password).await.status, 200);
    }
}

#[tokio::test]
async fn a_stored_hash_that_cannot_be_run_is_a_wrong_password_and_an_alarm() {
    let hashes: Vec<Foreign> = foreign().into_iter().take(1).collect();
    for hash in [
        "",
        "plain",
        "$2x$04$CvlnUDv.TfH9TWN8CBvgmO54zJk21ccHlmgw568/qPE8NOXvD1O3G",
        "$2b$31$CvlnUDv.TfH9TWN8CBvgmO54zJk21ccHlmgw568/qPE8NOXvD1O3G",
    ] {
        let stack = stack_with(&hashes, "4").await;
        let key = ItemKey::credential_of(&email(0));
        stack.set(&key, "password_hash", AttributeValue::S(hash.to_owned())).await;
        let answer = stack.client().sign_in_with(&email(0), "correct horse battery staple").await;
        answer.expect_error(401, "invalid_credentials");
        assert!(stack.log().contains("password_hash_unusable"), "{hash}");
    }
}
