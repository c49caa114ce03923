//! What the owner's changes to a user mean for sign-in and for sessions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch::Email;
use relatch::password::{NewPassword, PasswordHash};
use relatch::user::UserStatus;
use relatch_store::UsersTable;
use relatch_tests::{ItemKey, Response, TestStack};

const ADA: &str = "ada@example.com";
const OLD: &str = "the old password";
const NEW: &str = "the new password";

/// A stack with the user Ada.
struct AdaStack {
    stack: TestStack,
    email: Email,
}

fn hash(password: &str) -> PasswordHash {
    PasswordHash::create(&NewPassword::parse(password, &Email::parse(ADA).unwrap()).unwrap(), 4, [7; 16]).unwrap()
}

impl AdaStack {
    async fn start() -> Self {
        let it = Self { stack: TestStack::start(&[]).await, email: Email::parse(ADA).unwrap() };
        it.add().await;
        it
    }

    async fn add(&self) {
        self.stack.add_user_with_hash("ada", hash(OLD)).await;
    }

    fn users(&self) -> &UsersTable {
        &self.stack.tables().users
    }

    async fn sign_in(&self, password: &str) -> Response {
        self.stack.client().sign_in_with(ADA, password).await
    }

    async fn refresh(&self, response: &Response) -> Response {
        self.stack.client().refresh(&response.refresh_token()).await
    }
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_the_old_password() {
    let it = AdaStack::start().await;
    let (one, two) = (it.sign_in(OLD).await, it.sign_in(OLD).await);
    assert!(it.users().set_password(&it.email, &hash(NEW), it.stack.clock.now()).await.unwrap());
    it.sign_in(OLD).await.expect_error(401, "invalid_credentials");
    for session in [&one, &two] {
        it.refresh(session).await.expect_error(400, "invalid_grant");
    }
    let three = it.sign_in(NEW).await;
    assert_eq!(it.refresh(&three).await.status, 200);
}

#[tokio::test]
async fn a_disabled_user_neither_signs_in_nor_refreshes_and_looks_like_a_wrong_password() {
    let it = AdaStack::start().await;
    let session = it.sign_in(OLD).await;
    assert!(it.users().set_status(&it.email, UserStatus::Disabled).await.unwrap());
    it.refresh(&session).await.expect_error(400, "invalid_grant");
    let (right, wrong) = (it.sign_in(OLD).await, it.sign_in("wrong").await);
    right.expect_error(401, "invalid_credentials");
    assert_eq!((right.text, right.headers.len()), (wrong.text, wrong.headers.len()));

    assert!(it.users().set_status(&it.email, UserStatus::Active).await.unwrap());
    it.refresh(&session).await.expect_error(400, "invalid_grant");
    assert_eq!(it.sign_in(OLD).await.status, 200);
}

#[tokio::test]
async fn a_deleted_user_who_comes_back_under_the_same_id_finds_no_old_session() {
    let it = AdaStack::start().await;
    let session = it.sign_in(OLD).await;
    assert!(it.users().delete(&it.email).await.unwrap());
    it.sign_in(OLD).await.expect_error(401, "invalid_credentials");
    it.refresh(&session).await.expect_error(400, "invalid_grant");
    it.stack.clock.advance(Duration::from_millis(1));
    it.add().await;
    it.refresh(&session).await.expect_error(400, "invalid_grant");
    let session = it.sign_in(OLD).await;
    assert_eq!(it.refresh(&session).await.status, 200);
}

#[tokio::test]
async fn nobody_is_not_changed() {
    let it = AdaStack::start().await;
    let nobody = Email::parse("nobody@example.com").unwrap();
    assert!(!it.users().set_password(&nobody, &hash(NEW), it.stack.clock.now()).await.unwrap());
    assert!(!it.users().set_status(&nobody, UserStatus::Disabled).await.unwrap());
    assert!(!it.users().delete(&nobody).await.unwrap());
}

#[tokio::test]
async fn of_many_changes_at_once_each_is_made() {
    let it = Arc::new(AdaStack::start().await);
    let before = it.users().find(&it.email).await.unwrap().unwrap().1;
    let change = |number: usize| {
        let it = Arc::clone(&it);
        async move {
            let hash = hash(&format!("password number {number}"));
            it.users().set_password(&it.email, &hash, it.stack.clock.now()).await
        }
    };
    let changed = futures_util::future::join_all((0..3).map(change)).await;
    assert!(changed.into_iter().all(|changed| changed.unwrap()));
    let (credential, user) = it.users().find(&it.email).await.unwrap().unwrap();
    assert_eq!(user.credential_version, before.credential_version + 3);
    assert_eq!(credential.credential_version, user.credential_version);
    assert_eq!(user.epoch, before.epoch + 3);
}

/// Two reads that show different versions straddled a change of the password.
#[tokio::test]
async fn a_sign_in_that_straddles_a_change_opens_no_session() {
    let it = AdaStack::start().await;
    let user = ItemKey::user_of(&it.sign_in(OLD).await.access_token());
    let version = it.stack.item(&user).await.unwrap()["credential_version"].clone();
    it.stack.set(&user, "credential_version", AttributeValue::N("2".to_owned())).await;
    it.sign_in(OLD).await.expect_error(503, "temporarily_unavailable");
    it.sign_in("wrong").await.expect_error(401, "invalid_credentials");
    it.stack.set(&user, "credential_version", version).await;
    assert_eq!(it.sign_in(OLD).await.status, 200);
}

/// A sign-in that raises the cost of the hash must not bring the old password back.
#[tokio::test]
async fn a_hash_is_raised_only_if_it_is_still_the_one_that_was_verified() {
    let it = AdaStack::start().await;
    let raised = PasswordHash::create(&NewPassword::parse(OLD, &it.email).unwrap(), 5, [8; 16]).unwrap();
    assert!(it.users().set_password(&it.email, &hash(NEW), it.stack.clock.now()).await.unwrap());
    it.users().rehash(&it.email, &hash(OLD), &raised).await.unwrap();
    it.sign_in(OLD).await.expect_error(401, "invalid_credentials");
    assert_eq!(it.sign_in(NEW).await.status, 200);
}

/// Whoever starts to refresh after the answer to a change gets nothing: a thousand races.
#[tokio::test(flavor = "multi_thread")]
async fn no_refresh_that_starts_after_a_disable_succeeds() {
    for _ in 0..25 {
        let it = Arc::new(AdaStack::start().await);
        let session = it.sign_in(OLD).await;
        let is_disabled = Arc::new(AtomicBool::new(false));
        let refreshing = (0..8).map(|_| {
            let (it, session, is_disabled) = (Arc::clone(&it), session.clone(), Arc::clone(&is_disabled));
            tokio::spawn(async move {
                for _ in 0..5 {
                    let was_disabled = is_disabled.load(Ordering::SeqCst);
                    let status = it.refresh(&session).await.status;
                    assert!(status == 400 || (status == 200 && !was_disabled), "{status} {was_disabled}");
                }
            })
        });
        let refreshing: Vec<_> = refreshing.collect();
        assert!(it.users().set_status(&it.email, UserStatus::Disabled).await.unwrap());
        is_disabled.store(true, Ordering::SeqCst);
        for task in refreshing {
            task.await.unwrap();
        }
        it.refresh(&session).await.expect_error(400, "invalid_grant");
    }
}
