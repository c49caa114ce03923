//! Local stacks for tests.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use authorizer::Authorizer;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use relatch::Email;
use relatch::config::{Config, ConfigError, Deadlines, Place};
use relatch::lambda::{Function, Handler};
use relatch::password::{NewPassword, PasswordHash};
use relatch::store::{Added, NewUser};
use relatch::telemetry::Log;
use relatch::time::{Clock, Timestamp};
use relatch::token::{Algorithm, KeySet, generate};
use relatch::user::{UserId, UserStatus};
use relatch_cli::dev::chaos::Chaos;
use relatch_cli::dev::engine::Storage;
use relatch_cli::dev::{Stack, StackOptions, demo};
use rotate_keys::RotateKeys;

use crate::client::{Client, claims};

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows the system's time, as a database would see it too.
    pub fn starting_now() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().millis())))
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves it.
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Moves it.
    pub fn advance_seconds(&self, seconds: i64) {
        self.advance_millis(seconds * 1000);
    }

    /// It as the clock of functions.
    pub fn clock(&self) -> Clock {
        let source = self.clone();
        Clock::from_fn(move || source.now())
    }
}

/// A log that can be read back.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A local stack of one test, with its clock and its log.
#[derive(Debug)]
pub struct TestStack {
    stack: Stack,
    /// The clock of all its functions.
    pub clock: ManualClock,
    log: Captured,
}

impl TestStack {
    /// Starts a stack in memory with these settings.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, str::to_owned).await
    }

    /// Starts one whose template is changed.
    pub async fn start_with(settings: &[(&str, &str)], change: impl Fn(&str) -> String) -> Self {
        let clock = ManualClock::starting_now();
        let log = Captured::default();
        let mut options = options(settings, clock.clock(), Log::to(log.clone()));
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
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
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
        let mut environment = self.stack.environment().clone();
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Config::from_lookup(Place::Local, |name| environment.get(name).cloned())
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

    /// Takes an attribute out of an item behind the functions' back.
    pub async fn unset(&self, key: &ItemKey, name: &str) {
        let mut item = self.item(key).await.expect("the item");
        item.remove(name);
        self.database().put_item().table_name(key.table).set_item(Some(item)).send().await.unwrap();
    }

    /// Adds the user with this id, whose email is `<id>@example.com`.
    pub async fn add_user(&self, id: &str, password: &str, cost: u32) {
        let email = Email::parse(&format!("{id}@example.com")).unwrap();
        let password = NewPassword::parse(password, &email).unwrap();
        let new = NewUser {
            id: UserId::parse(id).unwrap(),
            email,
            password_hash: PasswordHash::create(&password, cost, [7; 16]).unwrap(),
            status: UserStatus::Active,
            now: self.clock.now(),
        };
        assert_eq!(self.stack.store().add_user(&new).await.unwrap(), Added::New);
    }

    /// What all counters of a kind have counted: `PAIR`, `EMAIL`, `ADDRESS` or `NETWORK`.
    pub async fn counted(&self, kind: &str) -> Vec<u32> {
        let of_kind =
            |item: &&HashMap<String, AttributeValue>| item["pk"].as_s().unwrap().starts_with(&format!("{kind}#"));
        let items = self.attempts().await;
        let of_kind = items.iter().filter(of_kind);
        of_kind.map(|item| item["count"].as_n().unwrap().parse().unwrap()).collect()
    }

    /// All counters of attempts, as they are in their table.
    pub async fn attempts(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scan = self.database().scan().table_name("AttemptsTable").consistent_read(true);
        scan.send().await.unwrap().items.unwrap_or_default()
    }

    /// Everything logged so far, line by line.
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Deletes an item behind the functions' back.
    pub async fn delete(&self, key: &ItemKey) {
        let delete = self.database().delete_item().table_name(key.table).set_key(Some(key.attributes()));
        delete.send().await.unwrap();
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
}

/// The key of an item.
#[derive(Clone, Debug)]
pub struct ItemKey {
    table: &'static str,
    pk: String,
    sk: Option<String>,
}

impl ItemKey {
    /// The user that an access token speaks for.
    pub fn user_of(access_token: &str) -> Self {
        let sub = claims(access_token)["sub"].as_str().unwrap().to_owned();
        Self { table: "UsersTable", pk: format!("USER#{sub}"), sk: None }
    }

    /// The user with an id.
    pub fn user(id: &str) -> Self {
        Self { table: "UsersTable", pk: format!("USER#{id}"), sk: None }
    }

    /// The session that an access token belongs to.
    pub fn session_of(access_token: &str) -> Self {
        let claims = claims(access_token);
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        Self { table: "SessionsTable", pk: claim("sub"), sk: Some(claim("sid")) }
    }

    /// The credential of an email.
    pub fn credential_of(email: &str) -> Self {
        Self { table: "UsersTable", pk: format!("EMAIL#{email}"), sk: None }
    }

    fn attributes(&self) -> HashMap<String, AttributeValue> {
        let mut attributes = HashMap::from([("pk".to_owned(), AttributeValue::S(self.pk.clone()))]);
        if let Some(sk) = &self.sk {
            attributes.insert("sk".to_owned(), AttributeValue::S(sk.clone()));
        }
        attributes
    }
}

/// The keys with which all local stacks of a test's process sign.
pub fn keys() -> KeySet {
    KeySet::parse(&std::fs::read_to_string(&*KEYS_FILE).unwrap()).unwrap()
}

/// One key file for all stacks of a test's process: making RSA keys takes a while.
static KEYS_FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("keys.json");
    let yesterday = Clock::system().now().minus_seconds(86_400);
    std::fs::write(&path, generate(Algorithm::RS256, yesterday).unwrap().expose()).unwrap();
    path
});

fn options(settings: &[(&str, &str)], clock: Clock, log: Log) -> StackOptions {
    let mut overrides = BTreeMap::from([("BCRYPT_COST".to_owned(), "4".to_owned())]);
    overrides.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    StackOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        dynamodb: "127.0.0.1:0".parse().unwrap(),
        storage: Storage::Memory,
        keys_file: KEYS_FILE.clone(),
        template: include_str!("../../template.yaml").to_owned(),
        overrides,
        invoke_overrides: BTreeMap::new(),
        chaos: Chaos::default(),
        playground: false,
        demo: true,
        clock,
        log,
    }
}

/// The deployment that `RELATCH_URL`, `RELATCH_EMAIL` and `RELATCH_PASSWORD` name, or one
/// local stack that all tests of this process share.
pub fn deployment() -> Client {
    #[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let email = variable("RELATCH_EMAIL").unwrap_or_else(|| demo::EMAIL.to_owned());
    let password = variable("RELATCH_PASSWORD").unwrap_or_else(|| demo::PASSWORD.to_owned());
    let url = variable("RELATCH_URL").unwrap_or_else(|| shared_stack().to_owned());
    Client::new(&url, &email, &password).patient()
}

/// A client of the one local stack that all tests of this process share.
pub fn local_deployment() -> Client {
    Client::new(shared_stack(), demo::EMAIL, demo::PASSWORD).patient()
}

/// The shared stack lives in a thread of its own, because each test's runtime ends with it.
fn shared_stack() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let stack = Stack::start(options(&[], Clock::system(), Log::to(std::io::sink()))).await.unwrap();
                sender.send(stack.url().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv().unwrap()
    })
}
