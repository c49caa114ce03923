//! Keys from Secrets Manager: loaded, renewed, used although they are stale, and never
//! a reason for a client to throw its tokens away.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch::time::Timestamp;
use relatch::token::{Algorithm, Purpose, StoredKeys};
use relatch_tests::{Fault, FaultyDatabase, SecretsManager, TestStack, call};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;
use userinfo::UserInfo;

const ACCESS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:access";
const REFRESH: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:refresh";

/// A stack whose functions have their keys in two secrets.
struct WithSecrets {
    stack: TestStack,
    secrets: SecretsManager,
}

impl WithSecrets {
    async fn without_values() -> Self {
        Self { stack: TestStack::start(&[]).await, secrets: SecretsManager::start(&[ACCESS, REFRESH]).await }
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
        let public = StoredKeys::parse(set).unwrap().public();
        self.stack.stack().store().publish_keys(&public, self.now()).await.unwrap();
        self.secrets.put(secret, set);
    }

    /// A new instance of a function.
    fn instance<H: Handler>(&self) -> Function<H> {
        self.instance_on(self.stack.stack().dynamodb_url())
    }

    /// One that reaches the database at another address.
    fn instance_on<H: Handler>(&self, database: &str) -> Function<H> {
        self.stack.function(&[
            ("AWS_ENDPOINT_URL_DYNAMODB", database),
            ("KEYS_FILE", ""),
            ("ACCESS_KEYS_SECRET_ARN", ACCESS),
            ("REFRESH_KEYS_SECRET_ARN", REFRESH),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url()),
        ])
    }

    async fn sign_in(&self, function: &Function<SignIn>) -> (u64, Value) {
        let client = self.stack.client();
        call(function, "POST /signin", &json!({"email": client.email, "password": client.password}), None).await
    }

    fn has_alarm(&self, detail: &str) -> bool {
        self.stack.log().lines().any(|line| line.contains("\"level\":\"alarm\"") && line.contains(detail))
    }
}

fn new_keys(purposes: &[Purpose], from: Timestamp) -> String {
    let mut keys = StoredKeys::default();
    for purpose in purposes {
        let algorithm = if *purpose == Purpose::Access { Algorithm::ES256 } else { Algorithm::HS256 };
        keys.add(*purpose, algorithm, from).unwrap();
    }
    keys.to_text().unwrap().expose().to_owned()
}

/// The keys of a set with a new one beside them.
fn with_another(set: &str, purpose: Purpose, from: Timestamp) -> String {
    let mut keys = StoredKeys::parse(set).unwrap();
    let algorithm = if purpose == Purpose::Access { Algorithm::ES256 } else { Algorithm::HS256 };
    keys.add(purpose, algorithm, from).unwrap();
    keys.to_text().unwrap().expose().to_owned()
}

async fn refresh(function: &Function<Refresh>, token: &str) -> (u64, Value) {
    call(function, "POST /refresh", &json!({"refresh_token": token}), None).await
}

async fn user_info(function: &Function<UserInfo>, token: &str) -> u64 {
    call(function, "GET /userinfo", &Value::Null, Some(token)).await.0
}

fn token(answer: &(u64, Value), member: &str) -> String {
    assert_eq!(answer.0, 200, "{answer:?}");
    answer.1[member].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_function_reads_only_the_secrets_it_needs_and_reads_them_once() {
    let it = WithSecrets::start().await;
    let (sign_in, refreshing, verifying) = (it.instance(), it.instance(), it.instance::<UserInfo>());
    let answer = it.sign_in(&sign_in).await;
    assert_eq!(it.secrets.calls(), 2);
    let answer = refresh(&refreshing, &token(&answer, "refresh_token")).await;
    assert_eq!(it.secrets.calls(), 2);
    for _ in 0..10 {
        assert_eq!(user_info(&verifying, &token(&answer, "access_token")).await, 200);
    }
    assert_eq!(it.secrets.calls(), 0, "what only verifies reaches no secret");
}

#[tokio::test]
async fn a_secret_without_a_value_is_503_asked_again_at_most_once_a_second() {
    let it = WithSecrets::without_values().await;
    let function = it.instance();
    function.prepare().await;
    for _ in 0..5 {
        assert_eq!(it.sign_in(&function).await.0, 503);
    }
    assert_eq!(it.secrets.calls(), 2, "both, once");
    it.put_keys().await;
    it.stack.clock.advance_seconds(1);
    assert_eq!(it.sign_in(&function).await.0, 200);
}

#[tokio::test]
async fn an_unreachable_service_at_start_is_503_and_mends_itself() {
    for fault in [("InternalServiceError", 500), ("AccessDeniedException", 400), ("DecryptionFailure", 400)] {
        let it = WithSecrets::start().await;
        it.secrets.refuse(Some(fault));
        let function = it.instance();
        function.prepare().await;
        assert_eq!(it.sign_in(&function).await.0, 503);
        assert!(it.has_alarm(fault.0), "{fault:?}");
        it.secrets.refuse(None);
        it.stack.clock.advance_seconds(1);
        assert_eq!(it.sign_in(&function).await.0, 200);
    }
}

#[tokio::test]
async fn keys_in_hand_serve_for_a_day_although_newer_ones_cannot_be_had() {
    let it = WithSecrets::start().await;
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.0, 200);
    it.secrets.refuse(Some(("InternalServiceError", 500)));
    it.stack.clock.advance_seconds(299);
    it.secrets.calls();
    assert_eq!(it.sign_in(&function).await.0, 200);
    assert_eq!(it.secrets.calls(), 0, "fresh keys are not asked for");
    it.stack.clock.advance_seconds(1);
    assert_eq!(it.sign_in(&function).await.0, 200);
    assert!(it.has_alarm("keys.secret"), "said at once, not when they are gone");
    it.stack.clock.advance_seconds(86_400 - 301);
    assert_eq!(it.sign_in(&function).await.0, 200);
    it.stack.clock.advance_seconds(30);
    assert_eq!(it.sign_in(&function).await.0, 503);
    it.secrets.refuse(None);
    it.stack.clock.advance_seconds(30);
    assert_eq!(it.sign_in(&function).await.0, 200);
}

#[tokio::test]
async fn stale_keys_are_asked_for_at_most_every_thirty_seconds() {
    let it = WithSecrets::start().await;
    let function = it.instance::<SignOut>();
    function.prepare().await;
    it.secrets.refuse(Some(("ThrottlingException", 400)));
    it.stack.clock.advance_seconds(300);
    it.secrets.calls();
    for _ in 0..30 {
        call(&function, "POST /signout", &json!({"refresh_token": "x.y.z"}), None).await;
        it.stack.clock.advance_seconds(1);
    }
    assert_eq!(it.secrets.calls(), 3, "one load, of three attempts");
}

#[tokio::test]
async fn a_key_unknown_to_fresh_keys_is_a_forgery() {
    let it = WithSecrets::start().await;
    let other = WithSecrets::start().await;
    let foreign = other.sign_in(&other.instance()).await;
    let (refreshing, verifying) = (it.instance(), it.instance());
    refreshing.prepare().await;
    verifying.prepare().await;
    it.stack.clock.advance_seconds(299);
    it.secrets.calls();
    for _ in 0..1000 {
        assert_eq!(user_info(&verifying, &token(&foreign, "access_token")).await, 401);
    }
    let refused = refresh(&refreshing, &token(&foreign, "refresh_token")).await;
    assert_eq!((refused.0, &refused.1["error"]), (400, &json!("invalid_grant")));
    assert_eq!(it.secrets.calls(), 0);
}

#[tokio::test]
async fn a_key_unknown_to_older_keys_is_asked_for_and_503_when_it_cannot_be() {
    let it = WithSecrets::start().await;
    let database = FaultyDatabase::start(it.stack.stack().dynamodb_url()).await;
    let (refreshing, verifying) = (it.instance(), it.instance_on(database.url()));
    refreshing.prepare().await;
    verifying.prepare().await;
    it.stack.clock.advance_seconds(300);
    let now = it.now();
    for (secret, purpose) in [(ACCESS, Purpose::Access), (REFRESH, Purpose::Refresh)] {
        it.put(secret, &with_another(&it.secrets.current(secret).unwrap(), purpose, now)).await;
    }
    let answer = it.sign_in(&it.instance()).await;
    it.secrets.refuse(Some(("InternalServiceError", 500)));
    database.fail("GetItem", Fault::Error("InternalServerError", 500), 3);
    assert_eq!(refresh(&refreshing, &token(&answer, "refresh_token")).await.0, 503);
    assert_eq!(user_info(&verifying, &token(&answer, "access_token")).await, 503);
    it.secrets.refuse(None);
    it.stack.clock.advance_seconds(30);
    assert_eq!(refresh(&refreshing, &token(&answer, "refresh_token")).await.0, 200);
    assert_eq!(user_info(&verifying, &token(&answer, "access_token")).await, 200);
}

#[tokio::test]
async fn a_key_in_the_wrong_secret_is_not_used() {
    let it = WithSecrets::start().await;
    let good = it.secrets.current(ACCESS).unwrap();
    it.secrets.put(ACCESS, &with_another(&good, Purpose::Refresh, it.now()));
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.0, 503);
    assert!(it.has_alarm("a key for another purpose"));
    it.secrets.put(ACCESS, &good);
    it.stack.clock.advance_seconds(1);
    assert_eq!(it.sign_in(&function).await.0, 200);
}

#[tokio::test]
async fn without_the_key_for_attempts_nobody_signs_in_known_or_not() {
    let it = WithSecrets::start().await;
    it.secrets.put(REFRESH, &new_keys(&[Purpose::Refresh], it.now()));
    let function = it.instance();
    assert_eq!(it.sign_in(&function).await.0, 503);
    let unknown = json!({"email": "nobody@example.com", "password": "x"});
    assert_eq!(call(&function, "POST /signin", &unknown, None).await.0, 503);
}

#[tokio::test]
async fn no_key_is_ever_in_the_log() {
    let it = WithSecrets::start().await;
    let (access, refresh_keys) = (it.secrets.current(ACCESS).unwrap(), it.secrets.current(REFRESH).unwrap());
    it.secrets.put(ACCESS, &refresh_keys);
    it.sign_in(&it.instance()).await;
    it.secrets.put(ACCESS, &access.replace("\"alg\"", "\"gla\""));
    it.sign_in(&it.instance()).await;
    let log = it.stack.log();
    for set in [&access, &refresh_keys] {
        let set: Value = serde_json::from_str(set).unwrap();
        for key in set["keys"].as_array().unwrap() {
            for member in ["d", "k", "x"] {
                assert!(key[member].as_str().is_none_or(|text| !log.contains(text)), "{member}");
            }
        }
    }
}
