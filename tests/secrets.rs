//! Keys from Secrets Manager: loaded, renewed, used although they are stale, and never
//! a reason for a client to throw its tokens away.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use refresh::Refresh;
use relatch::keys::{Algorithm, PrivateKeySet, Purpose};
use relatch::time::Timestamp;
use relatch_lambda::{Function, Handler};
use relatch_tests::{EventRequest, Fault, LocalSecretsManager, Response, TestStack};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;
use userinfo::UserInfo;

const ACCESS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:access";
const REFRESH: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:refresh";

/// A stack whose functions have their keys in two secrets.
struct SecretsStack {
    stack: TestStack,
    secrets: LocalSecretsManager,
}

impl SecretsStack {
    async fn without_values() -> Self {
        Self { stack: TestStack::start(&[]).await, secrets: LocalSecretsManager::start(&[ACCESS, REFRESH]).await }
    }

    async fn start() -> Self {
        let it = Self::without_values().await;
        it.put_keys().await;
        it
    }

    fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    async fn put_keys(&self) {
        self.put(ACCESS, &new_keys(&[Purpose::Access], self.now())).await;
        self.put(REFRESH, &new_keys(&[Purpose::Refresh, Purpose::Attempts], self.now())).await;
    }

    /// Publishes the public keys of a set and makes it the value of a secret.
    async fn put(&self, secret: &str, set: &str) {
        let public = PrivateKeySet::parse(set).unwrap().public();
        self.stack.tables().public_keys.publish(&public, self.now()).await.unwrap();
        self.secrets.put(secret, set);
    }

    /// A new instance of a function.
    fn instance<H: Handler>(&self) -> Function<H> {
        self.instance_with_database(self.stack.stack().dynamodb_url())
    }

    /// One that reaches the database at another address.
    fn instance_with_database<H: Handler>(&self, database: &str) -> Function<H> {
        self.stack.function(&[
            ("AWS_ENDPOINT_URL_DYNAMODB", database),
            ("KEYS_FILE", ""),
            ("ACCESS_KEYS_SECRET_ARN", ACCESS),
            ("REFRESH_KEYS_SECRET_ARN", REFRESH),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url()),
        ])
    }

    async fn sign_in(&self, function: &Function<SignIn>) -> Response {
        EventRequest::post("/signin", &self.stack.client().credentials()).send(function).await
    }

    fn has_alarm(&self, detail: &str) -> bool {
        self.stack.log().lines().any(|line| line.contains("\"level\":\"alarm\"") && line.contains(detail))
    }
}

fn new_keys(purposes: &[Purpose], from: Timestamp) -> String {
    let mut keys = PrivateKeySet::default();
    for purpose in purposes {
        let algorithm = if *purpose == Purpose::Access { Algorithm::ES256 } else { Algorithm::HS256 };
        keys.add(*purpose, algorithm, from).unwrap();
    }
    keys.to_text().unwrap().expose().to_owned()
}

/// The keys of a set with a new one beside them.
fn with_new_key(set: &str, purpose: Purpose, from: Timestamp) -> String {
    let mut keys = PrivateKeySet::parse(set).unwrap();
    let algorithm = if purpose == Purpose::Access { Algorithm::ES256 } else { Algorithm::HS256 };
    keys.add(purpose, algorithm, from).unwrap();
    keys.to_text().unwrap().expose().to_owned()
}

async fn refresh(function: &Function<Refresh>, token: &str) -> Response {
    EventRequest::refresh(token).send(function).await
}

async fn user_info(function: &Function<UserInfo>, token: &str) -> u16 {
    EventRequest::get("/userinfo").with_bearer(token).send(function).await.status
}

#[tokio::test]
async fn each_function_reads_only_the_secrets_it_needs_and_reads_them_once() {
    let it = SecretsStack::start().await;
    let (sign_in, refresher, verifier) = (it.instance(), it.instance(), it.instance::<UserInfo>());
    let response = it.sign_in(&sign_in).await;
    assert_eq!(it.secrets.take_call_count(), 2);
    let response = refresh(&refresher, &response.refresh_token()).await;
    assert_eq!(it.secrets.take_call_count(), 2);
    for _ in 0..10 {
        assert_eq!(user_info(&verifier, &response.access_token()).await, 200);
    }
    assert_eq!(it.secrets.take_call_count(), 0, "what only verifies reaches no secret");
}

#[tokio::test]
async fn a_secret_without_a_value_is_503_asked_again_at_most_once_a_second() {
    let it = SecretsStack::without_values().await;
    let function = it.instance();
    function.prepare().await;
    for _ in 0..5 {
        assert_eq!(it.sign_in(&function).await.status, 503);
    }
    assert_eq!(it.secrets.take_call_count(), 2, "both, once");
    it.put_keys().await;
    it.stack.clock.advance(Duration::from_secs(1));
    assert_eq!(it.sign_in(&function).await.status, 200);
}

#[tokio::test]
async fn an_unreachable_service_at_start_is_503_and_mends_itself() {
    for fault in [("InternalServiceError", 500), ("AccessDeniedException", 400), ("DecryptionFailure", 400)] {
        let it = SecretsStack::start().await;
        it.secrets.refuse(Some(fault));
        let function = it.instance();
        function.prepare().await;
        assert_eq!(it.sign_in(&function).await.status, 503);
        assert!(it.has_alarm(fault.0), "{fault:?}");
        it.secrets.refuse(None);
        it.stack.clock.advance(Duration::from_secs(1));
        assert_eq!(it.sign_in(&function).await.status, 200);
    }
}

#[tokio::test]
async fn keys_in_hand_serve_for_a_day_although_newer_ones_cannot_be_had() {
    let it = SecretsStack::start().await;
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.status, 200);
    it.secrets.refuse(Some(("InternalServiceError", 500)));
    it.stack.clock.advance(Duration::from_secs(299));
    it.secrets.take_call_count();
    assert_eq!(it.sign_in(&function).await.status, 200);
    assert_eq!(it.secrets.take_call_count(), 0, "fresh keys are not asked for");
    it.stack.clock.advance(Duration::from_secs(1));
    assert_eq!(it.sign_in(&function).await.status, 200);
    assert!(it.has_alarm("keys.secret"), "said at once, not when they are gone");
    it.stack.clock.advance(Duration::from_hours(24) - Duration::from_secs(301));
    assert_eq!(it.sign_in(&function).await.status, 200);
    it.stack.clock.advance(Duration::from_secs(30));
    assert_eq!(it.sign_in(&function).await.status, 503);
    it.secrets.refuse(None);
    it.stack.clock.advance(Duration::from_secs(30));
    assert_eq!(it.sign_in(&function).await.status, 200);
}

#[tokio::test]
async fn stale_keys_are_asked_for_at_most_every_thirty_seconds() {
    let it = SecretsStack::start().await;
    let function = it.instance::<SignOut>();
    function.prepare().await;
    it.secrets.refuse(Some(("ThrottlingException", 400)));
    it.stack.clock.advance(Duration::from_secs(300));
    it.secrets.take_call_count();
    for _ in 0..30 {
        EventRequest::post("/signout", &json!({"refresh_token": "x.y.z"})).send(&function).await;
        it.stack.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(it.secrets.take_call_count(), 3, "one load, of three attempts");
}

#[tokio::test]
async fn a_key_unknown_to_fresh_keys_is_a_forgery() {
    let it = SecretsStack::start().await;
    let other = SecretsStack::start().await;
    let foreign = other.sign_in(&other.instance()).await;
    let (refresher, verifier) = (it.instance(), it.instance());
    refresher.prepare().await;
    verifier.prepare().await;
    it.stack.clock.advance(Duration::from_secs(299));
    it.secrets.take_call_count();
    for _ in 0..1000 {
        assert_eq!(user_info(&verifier, &foreign.access_token()).await, 401);
    }
    refresh(&refresher, &foreign.refresh_token()).await.expect_error(400, "invalid_grant");
    assert_eq!(it.secrets.take_call_count(), 0);
}

#[tokio::test]
async fn a_key_unknown_to_older_keys_is_asked_for_and_503_when_it_cannot_be() {
    let it = SecretsStack::start().await;
    let database = it.stack.faulty_database().await;
    let (refresher, verifier) = (it.instance(), it.instance_with_database(database.url()));
    refresher.prepare().await;
    verifier.prepare().await;
    it.stack.clock.advance(Duration::from_secs(300));
    let now = it.now();
    for (secret, purpose) in [(ACCESS, Purpose::Access), (REFRESH, Purpose::Refresh)] {
        it.put(secret, &with_new_key(&it.secrets.current(secret).unwrap(), purpose, now)).await;
    }
    let response = it.sign_in(&it.instance()).await;
    it.secrets.refuse(Some(("InternalServiceError", 500)));
    database.fail("GetItem", Fault::Error("InternalServerError", 500), 3);
    assert_eq!(refresh(&refresher, &response.refresh_token()).await.status, 503);
    assert_eq!(user_info(&verifier, &response.access_token()).await, 503);
    it.secrets.refuse(None);
    it.stack.clock.advance(Duration::from_secs(30));
    assert_eq!(refresh(&refresher, &response.refresh_token()).await.status, 200);
    assert_eq!(user_info(&verifier, &response.access_token()).await, 200);
}

#[tokio::test]
async fn a_key_in_the_wrong_secret_is_not_used() {
    let it = SecretsStack::start().await;
    let good = it.secrets.current(ACCESS).unwrap();
    it.secrets.put(ACCESS, &with_new_key(&good, Purpose::Refresh, it.now()));
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.status, 503);
    assert!(it.has_alarm("a key for another purpose"));
    it.secrets.put(ACCESS, &good);
    it.stack.clock.advance(Duration::from_secs(1));
    assert_eq!(it.sign_in(&function).await.status, 200);
}

#[tokio::test]
async fn without_the_key_for_attempts_nobody_signs_in_known_or_not() {
    let it = SecretsStack::start().await;
    it.secrets.put(REFRESH, &new_keys(&[Purpose::Refresh], it.now()));
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.status, 503);
    assert_eq!(EventRequest::sign_in("nobody@example.com", "x").send(&function).await.status, 503);
}

#[tokio::test]
async fn no_key_is_ever_in_the_log() {
    let it = SecretsStack::start().await;
    let (access, refresh_keys) = (it.secrets.current(ACCESS).unwrap(), it.secrets.current(REFRESH).unwrap());
    it.secrets.put(ACCESS, &refresh_keys);
    it.sign_in(&it.instance()).await;
    it.secrets.put(ACCESS, &access.replace("\"alg\"", "\"gla\""));
    it.sign_in(&it.instance()).await;
    let log = it.stack.log();
    for set in [&access, &refresh_keys] {
        let set: Value = serde_json::from_str(set).unwrap();
        for key in set["keys"].as_array().unwrap() {
            for field in ["d", "k", "x"] {
                assert!(key[field].as_str().is_none_or(|text| !log.contains(text)), "{field}");
            }
        }
    }
}
