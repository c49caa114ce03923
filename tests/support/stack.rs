//! A local stack of one test.

use std::collections::{BTreeMap, HashMap};

use authorizer::Authorizer;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use relatch::Email;
use relatch::password::{NewPassword, PasswordHash};
use relatch::user::{UserId, UserStatus};
use relatch_cli::dev::{Stack, demo};
use relatch_lambda::config::{Config, ConfigError, Environment};
use relatch_lambda::telemetry::Log;
use relatch_lambda::{Function, Handler};
use relatch_store::admin::{Added, NewUser};
use relatch_store::{Deadlines, Tables};
use rotate_keys::RotateKeys;
use serde_json::Value;

use crate::client::Client;
use crate::clock::ManualClock;
use crate::faults::FaultyDatabase;
use crate::item_key::ItemKey;
use crate::log_buffer::LogBuffer;
use crate::stack_options::stack_options;

/// A local stack of one test, with its clock and its log.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    /// The clock of all its functions.
    pub clock: ManualClock,
    log: LogBuffer,
}

impl TestStack {
    /// Starts a stack in memory with these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, str::to_owned).await
    }

    /// Starts one whose template is changed.
    pub async fn start_with(settings: &[(&str, &str)], change: impl Fn(&str) -> String) -> Self {
        let clock = ManualClock::starting_now();
        let log = LogBuffer::default();
        let mut options = stack_options(settings, clock.clock(), Log::to(log.clone()));
        options.template = change(&options.template);
        Self { stack: Stack::start(options).await.unwrap(), clock, log }
    }

    /// The stack itself.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// A client of the demo user.
    pub fn client(&self) -> Client {
        Client::new(self.stack.url(), demo::EMAIL, demo::PASSWORD)
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Everything logged so far, line by line.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines about one event.
    pub fn lines_about(&self, event: &str) -> Vec<Value> {
        self.log_lines().into_iter().filter(|line| line["event"] == event).collect()
    }

    /// One of its functions, as Lambda would run it, with some variables of its own.
    pub fn function<H: Handler>(&self, settings: &[(&str, &str)]) -> Function<H> {
        self.function_with(settings, Deadlines::default())
    }

    /// The same, with other deadlines of its calls to AWS.
    pub fn function_with<H: Handler>(&self, settings: &[(&str, &str)], deadlines: Deadlines) -> Function<H> {
        let config = self.config(settings).map(|mut config| {
            config.aws.deadlines = deadlines;
            config
        });
        Function::new(config, self.clock.clock(), Log::to(self.log.clone()))
    }

    /// The authorizer, as Lambda would run it, with some variables of its own.
    pub fn authorizer(&self, settings: &[(&str, &str)]) -> Authorizer {
        Authorizer::new(self.config(settings), self.clock.clock(), Log::to(self.log.clone()))
    }

    /// The function that rotates keys, as Lambda would run it, with some variables of its own.
    pub fn rotate_keys(&self, settings: &[(&str, &str)]) -> RotateKeys {
        RotateKeys::new(self.config(settings), self.clock.clock(), Log::to(self.log.clone()))
    }

    /// The settings of its functions, with some variables of one's own.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn config(&self, settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut environment = self.environment().clone();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Config::from_lookup(Environment::Local, |name| environment.get(name).cloned())
    }

    /// The environment of its functions.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        self.stack.environment()
    }

    /// Its tables, as the owner's tools and the functions use them.
    pub fn tables(&self) -> &Tables {
        self.stack.tables()
    }

    /// A database in front of its own that fails on demand.
    pub async fn faulty_database(&self) -> FaultyDatabase {
        FaultyDatabase::start(self.stack.dynamodb_url()).await
    }

    /// A client of its database.
    pub fn database(&self) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(self.stack.dynamodb_url())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// An item as it is in its table.
    pub async fn item(&self, key: &ItemKey) -> Option<HashMap<String, AttributeValue>> {
        let get = self.database().get_item().table_name(key.table).set_key(Some(key.attributes()));
        get.consistent_read(true).send().await.unwrap().item
    }

    /// Sets an attribute of an item behind the functions' back.
    pub async fn set(&self, key: &ItemKey, name: &str, value: AttributeValue) {
        let mut item = self.item(key).await.expect("the item");
        item.insert(name.to_owned(), value);
        self.database().put_item().table_name(key.table).set_item(Some(item)).send().await.unwrap();
    }

    /// Removes an attribute of an item behind the functions' back.
    pub async fn unset(&self, key: &ItemKey, name: &str) {
        let mut item = self.item(key).await.expect("the item");
        item.remove(name);
        self.database().put_item().table_name(key.table).set_item(Some(item)).send().await.unwrap();
    }

    /// Deletes an item behind the functions' back.
    pub async fn delete(&self, key: &ItemKey) {
        let delete = self.database().delete_item().table_name(key.table).set_key(Some(key.attributes()));
        delete.send().await.unwrap();
    }

    /// Adds the user with this id, whose email is `<id>@example.com`.
    pub async fn add_user(&self, id: &str, password: &str, cost: u32) {
        let email = Email::parse(&format!("{id}@example.com")).unwrap();
        let password = NewPassword::parse(password, &email).unwrap();
        let hash = PasswordHash::create(&password, cost, [7; 16]).unwrap();
        self.add_user_with_hash(id, hash).await;
    }

    /// The same, with the hash of a password.
    pub async fn add_user_with_hash(&self, id: &str, password_hash: PasswordHash) {
        let new = NewUser {
            id: UserId::parse(id).unwrap(),
            email: Email::parse(&format!("{id}@example.com")).unwrap(),
            password_hash,
            status: UserStatus::Active,
            now: self.clock.now(),
        };
        assert_eq!(self.tables().users.add(&new).await.unwrap(), Added::New);
    }

    /// All counters of attempts, as they are in their table.
    pub async fn attempts(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.database().scan().table_name("AttemptsTable").consistent_read(true);
        scan.send().await.unwrap().items.unwrap_or_default()
    }

    /// The counts of all counters of a kind: `PAIR`, `EMAIL`, `ADDRESS` or `NETWORK`.
    pub async fn attempt_counts(&self, kind: &str) -> Vec<u32> {
        let prefix = format!("{kind}#");
        let counters = self.attempts().await;
        let of_kind = counters.iter().filter(|counter| counter["pk"].as_s().unwrap().starts_with(&prefix));
        of_kind.map(|counter| counter["count"].as_n().unwrap().parse().unwrap()).collect()
    }
}
