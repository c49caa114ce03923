//! A deployment whose keys are in Secrets Manager, and the steps by which they are rotated.

use std::collections::BTreeSet;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use relatch::keys::PrivateKeySet;
use relatch::time::Timestamp;
use relatch_lambda::{Config, Function, Handler};
use relatch_store::SecretsManager;
use relatch_tests::{FaultyDatabase, LocalSecretsManager, TestStack};
use rotate_keys::RotateKeys;
use serde_json::json;

pub(crate) const ACCESS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:access";
pub(crate) const REFRESH: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:refresh";
pub(crate) const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];

/// A deployment whose keys are in Secrets Manager, at first without any.
pub(crate) struct Deployment {
    pub(crate) stack: TestStack,
    pub(crate) secrets: LocalSecretsManager,
    pub(crate) database: FaultyDatabase,
    rotations: u32,
}

impl Deployment {
    pub(crate) async fn start() -> Self {
        let stack = TestStack::start(&[]).await;
        let database = stack.faulty_database().await;
        Self { stack, secrets: LocalSecretsManager::start(&[ACCESS, REFRESH]).await, database, rotations: 0 }
    }

    pub(crate) async fn with_keys() -> Self {
        let mut it = Self::start().await;
        for secret in [ACCESS, REFRESH] {
            it.rotate(secret).await;
        }
        it
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    fn settings(&self) -> [(&str, &str); 9] {
        [
            ("KEYS_FILE", ""),
            ("ACCESS_KEYS_SECRET_ARN", ACCESS),
            ("REFRESH_KEYS_SECRET_ARN", REFRESH),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url()),
            self.database.setting(),
            ("ACCESS_KEY_ALGORITHM", "ES256"),
            // The highest values that can be set: keys must stay for as long.
            ("ACCESS_TOKEN_TTL", "86400"),
            ("REFRESH_TOKEN_TTL", "31536000"),
            ("SESSION_MAX_AGE", "31536000"),
        ]
    }

    pub(crate) fn instance<H: Handler>(&self) -> Function<H> {
        self.stack.function(&self.settings())
    }

    pub(crate) fn config(&self) -> Config {
        self.stack.config(&self.settings()).unwrap()
    }

    pub(crate) fn rotator(&self) -> RotateKeys {
        self.stack.rotate_keys(&self.settings())
    }

    /// A new version's id, as Secrets Manager draws one.
    pub(crate) fn version(&mut self) -> String {
        self.rotations += 1;
        format!("version-of-a-rotation-{:010}", self.rotations)
    }

    pub(crate) async fn step(&self, secret: &str, step: &str, version: &str) -> Result<(), String> {
        let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": version});
        // Each step may meet another instance.
        self.rotator().step(&event).await.map_err(|error| error.to_string())
    }

    pub(crate) async fn rotate(&mut self, secret: &str) {
        assert!(self.secrets.can_begin_rotation(secret), "the one before is under way");
        let version = self.version();
        for step in STEPS {
            self.step(secret, step, &version).await.unwrap();
        }
    }

    pub(crate) fn keys(&self, secret: &str) -> PrivateKeySet {
        PrivateKeySet::parse(&self.secrets.current(secret).unwrap_or_default()).unwrap()
    }

    pub(crate) fn kids(&self, secret: &str) -> BTreeSet<String> {
        self.keys(secret).list(self.now()).into_iter().map(|key| key.kid).collect()
    }

    pub(crate) async fn published_kids(&self) -> BTreeSet<String> {
        let published = self.stack.tables().public_keys.read().await.unwrap();
        published.iter().map(|key| key.key.kid().to_owned()).collect()
    }

    /// Secrets Manager, as a command line reaches it.
    pub(crate) fn secrets_client(&self) -> SecretsManager {
        let settings = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(self.secrets.url())
            .build();
        SecretsManager::new(aws_sdk_secretsmanager::Client::from_conf(settings))
    }

    /// What somebody does on the command line: takes the keys that do not sign away, in place
    /// of the version that was read.
    pub(crate) async fn retire_by_hand(&mut self, secret: &str) {
        let client = self.secrets_client();
        let current = client.current(secret).await.unwrap().unwrap();
        let mut keys = PrivateKeySet::parse(current.text.expose()).unwrap();
        let retired: Vec<_> = keys.list(self.now()).into_iter().filter(|key| !key.signs).collect();
        for key in &retired {
            assert!(keys.remove(key.purpose, &key.kid));
        }
        let version = self.version();
        assert!(client.add(secret, &version, &keys.to_text().unwrap(), "BYHAND").await.unwrap());
        assert!(client.make_current(secret, &version, Some(&current.id)).await.unwrap());
        let kids: Vec<_> = retired.iter().map(|key| key.kid.as_str()).collect();
        self.stack.tables().public_keys.withdraw(&kids).await.unwrap();
    }
}
