//! Users whose passwords were hashed by other implementations sign in; see
//! vectors/hashes/README.md for how each hash was made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_dynamodb::types::AttributeValue;
use relatch::password::PasswordHash;
use relatch_tests::{ItemKey, TestStack};
use serde::Deserialize;

#[derive(Deserialize)]
struct ForeignHash {
    made_by: String,
    password: String,
    hash: String,
}

fn foreign_hashes() -> Vec<ForeignHash> {
    serde_json::from_str(include_str!("vectors/hashes/hashes.json")).unwrap()
}

/// A stack with a user for each hash, named by its place in the list.
async fn start_stack(hashes: &[ForeignHash], cost: &str) -> TestStack {
    let settings = [("BCRYPT_COST", cost), ("SIGNIN_ATTEMPTS_PER_ADDRESS", "1000")];
    let stack = TestStack::start(&settings).await;
    for (place, foreign) in hashes.iter().enumerate() {
        let hash = PasswordHash::parse(&foreign.hash).unwrap();
        stack.add_user_with_hash(&format!("user-{place}"), hash).await;
    }
    stack
}

fn email(place: usize) -> String {
    format!("user-{place}@example.com")
}

#[tokio::test]
async fn each_signs_in_with_its_password_and_no_other() {
    let hashes = foreign_hashes();
    let stack = start_stack(&hashes, "6").await;
    for (place, ForeignHash { made_by, password, .. }) in hashes.iter().enumerate() {
        let mut shorter = password.clone();
        shorter.pop();
        for wrong in [shorter, format!("{password} "), password.to_uppercase()] {
            let response = stack.client().sign_in_with(&email(place), &wrong).await;
            response.expect_error(401, "invalid_credentials");
        }
        let right = stack.client().sign_in_with(&email(place), password).await;
        assert_eq!(right.status, 200, "{made_by} {password}: {right:?}");
    }
}

#[tokio::test]
async fn the_first_sign_in_stores_a_hash_of_the_configured_cost() {
    let hashes: Vec<ForeignHash> =
        foreign_hashes().into_iter().filter(|foreign| foreign.hash.contains("$04$")).collect();
    assert!(!hashes.is_empty());
    let stack = start_stack(&hashes, "5").await;
    for (place, ForeignHash { password, hash, .. }) in hashes.iter().enumerate() {
        let stored_hash = async || {
            let item = stack.item(&ItemKey::credential_of(&email(place))).await.unwrap();
            item["password_hash"].as_s().unwrap().clone()
        };
        stack.client().sign_in_with(&email(place), "wrong").await.expect_error(401, "invalid_credentials");
        assert_eq!(&stored_hash().await, hash);
        assert_eq!(stack.client().sign_in_with(&email(place), password).await.status, 200);
        assert!(stored_hash().await.starts_with("$2b$05$"));
        assert_eq!(stack.client().sign_in_with(&email(place), password).await.status, 200);
    }
}

#[tokio::test]
async fn a_stored_hash_that_cannot_be_run_is_a_wrong_password_and_an_alarm() {
    let hashes: Vec<ForeignHash> = foreign_hashes().into_iter().take(1).collect();
    for hash in [
        "",
        "plain",
        "$2x$04$CvlnUDv.TfH9TWN8CBvgmO54zJk21ccHlmgw568/qPE8NOXvD1O3G",
        "$2b$31$CvlnUDv.TfH9TWN8CBvgmO54zJk21ccHlmgw568/qPE8NOXvD1O3G",
    ] {
        let stack = start_stack(&hashes, "4").await;
        let key = ItemKey::credential_of(&email(0));
        stack.set(&key, "password_hash", AttributeValue::S(hash.to_owned())).await;
        let response = stack.client().sign_in_with(&email(0), "correct horse battery staple").await;
        response.expect_error(401, "invalid_credentials");
        assert!(stack.log().contains("password_hash_unusable"), "{hash}");
    }
}
