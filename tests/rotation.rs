//! The life of keys: rotations by Secrets Manager's steps over simulated months, with several
//! instances that sign, others that verify, and verifiers elsewhere whose caches lag. No good
//! token is ever refused, and no key that went comes back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, VecDeque};

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use jwks::Jwks;
use refresh::Refresh;
use relatch::config::{Config, Place};
use relatch::lambda::{Function, Handler};
use relatch::time::Timestamp;
use relatch::token::{
    Algorithm, Issuance, KeySet, PublicKeySet, Purpose, StoredKeys, generate, rotated, verify_access,
};
use relatch::{Secret, Secrets};
use relatch_tests::{Fault, FaultyDatabase, SecretsManager, TestStack, log_to};
use rotate_keys::RotateKeys;
use serde_json::{Value, json};
use signin::SignIn;
use userinfo::UserInfo;

const ACCESS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:access";
const REFRESH: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:refresh";
const STEPS: [&str; 4] = ["createSecret", "setSecret", "testSecret", "finishSecret"];
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// A deployment whose keys are in Secrets Manager, at first without any.
struct Deployment {
    stack: TestStack,
    secrets: SecretsManager,
    database: FaultyDatabase,
    rotations: u32,
}

impl Deployment {
    async fn start() -> Self {
        let stack = TestStack::start(&[]).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        Self { stack, secrets: SecretsManager::start(&[ACCESS, REFRESH]).await, database, rotations: 0 }
    }

    async fn with_keys() -> Self {
        let mut it = Self::start().await;
        for secret in [ACCESS, REFRESH] {
            it.rotate(secret).await;
        }
        it
    }

    fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    fn settings(&self) -> [(&'static str, String); 9] {
        [
            ("KEYS_FILE", String::new()),
            ("ACCESS_KEYS_SECRET_ARN", ACCESS.to_owned()),
            ("REFRESH_KEYS_SECRET_ARN", REFRESH.to_owned()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets.url().to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.database.url().to_owned()),
            ("ACCESS_KEY_ALGORITHM", "ES256".to_owned()),
            // As long as can be set: so long a key must stay.
            ("ACCESS_TOKEN_TTL", "86400".to_owned()),
            ("REFRESH_TOKEN_TTL", "31536000".to_owned()),
            ("SESSION_MAX_AGE", "31536000".to_owned()),
        ]
    }

    fn instance<H: Handler>(&self) -> Function<H> {
        let settings = self.settings();
        self.stack.function(&settings.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    fn config(&self) -> Config {
        let mut environment = self.stack.stack().environment().clone();
        environment.extend(self.settings().map(|(name, value)| (name.to_owned(), value)));
        Config::from_lookup(Place::Local, |name| environment.get(name).cloned()).unwrap()
    }

    fn rotator(&self) -> RotateKeys {
        RotateKeys::new(Ok(self.config()), self.stack.clock.clock(), log_to(&self.stack))
    }

    /// A new version's id, as Secrets Manager draws one.
    fn version(&mut self) -> String {
        self.rotations += 1;
        format!("version-of-a-rotation-{:010}", self.rotations)
    }

    async fn step(&self, secret: &str, step: &str, version: &str) -> Result<(), String> {
        let event = json!({"Step": step, "SecretId": secret, "ClientRequestToken": version});
        // Each step may meet another instance.
        self.rotator().step(&event).await.map_err(|error| error.to_string())
    }

    async fn rotate(&mut self, secret: &str) {
        assert!(self.secrets.may_begin_rotation(secret), "the one before is under way");
        let version = self.version();
        for step in STEPS {
            self.step(secret, step, &version).await.unwrap();
        }
    }

    fn keys(&self, secret: &str) -> StoredKeys {
        StoredKeys::parse(&self.secrets.current(secret).unwrap_or_default()).unwrap()
    }

    fn kids(&self, secret: &str) -> BTreeSet<String> {
        self.keys(secret).list(self.now()).into_iter().map(|key| key.kid).collect()
    }

    async fn published(&self) -> BTreeSet<String> {
        let published = self.stack.stack().store().published_keys().await.unwrap();
        published.iter().map(|key| key.key.kid().to_owned()).collect()
    }

    /// Secrets Manager, as a command line reaches it.
    fn by_hand(&self) -> Secrets {
        let settings = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(self.secrets.url())
            .build();
        Secrets::with_client(aws_sdk_secretsmanager::Client::from_conf(settings))
    }

    /// What somebody does on the command line: takes the keys that do not sign away, in place
    /// of the version that was read.
    async fn retire_by_hand(&mut self, secret: &str) {
        let client = self.by_hand();
        let current = client.current(secret).await.unwrap().unwrap();
        let mut keys = StoredKeys::parse(current.text.expose()).unwrap();
        let gone: Vec<_> = keys.list(self.now()).into_iter().filter(|key| !key.signs).collect();
        for key in &gone {
            assert!(keys.remove(key.purpose, &key.kid));
        }
        let version = self.version();
        assert!(client.add(secret, &version, &keys.to_text().unwrap(), "BYHAND").await.unwrap());
        assert!(client.make_current(secret, &version, Some(&current.id)).await.unwrap());
        let kids: Vec<_> = gone.iter().map(|key| key.kid.as_str()).collect();
        self.stack.stack().store().withdraw_keys(&kids).await.unwrap();
    }
}

async fn call<H: Handler>(function: &Function<H>, route: &str, body: &Value, token: Option<&str>) -> (u64, Value) {
    let (method, path) = route.split_once(' ').unwrap();
    let mut headers = json!({"content-type": "application/json"});
    if let Some(token) = token {
        headers["authorization"] = json!(format!("Bearer {token}"));
    }
    let event = json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "headers": headers,
        "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "body": body.to_string(), "isBase64Encoded": false,
    });
    let answer = serde_json::to_value(function.answer(&event.to_string()).await.unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(answer["body"].as_str().unwrap()).unwrap())
}

/// A verifier elsewhere: it keeps a JWK Set for so long and asks for no newer one before,
/// whatever `kid` it meets, as API Gateway's authorizers do.
struct Elsewhere {
    keeps_for: i64,
    loaded: Option<(KeySet, Timestamp)>,
}

impl Elsewhere {
    async fn verify(&mut self, it: &Deployment, jwks: &Function<Jwks>, token: &str) -> bool {
        let now = it.now();
        let is_old = self.loaded.as_ref().is_none_or(|(_, at)| now >= at.plus_seconds(self.keeps_for));
        if is_old {
            let (status, set) = call(jwks, "GET /.well-known/jwks.json", &Value::Null, None).await;
            assert_eq!(status, 200);
            let set: PublicKeySet = serde_json::from_value(set).unwrap();
            self.loaded = Some((KeySet::from_public(set).unwrap(), now));
        }
        let (keys, _) = self.loaded.as_ref().unwrap();
        verify_access(token, keys, &Issuance::new(&it.config()), now).is_ok()
    }
}

/// All that sign and verify, with the tokens that are about.
struct World {
    it: Deployment,
    sign_in: Vec<Function<SignIn>>,
    refresh: Vec<Function<Refresh>>,
    userinfo: Vec<Function<UserInfo>>,
    jwks: Function<Jwks>,
    elsewhere: Vec<Elsewhere>,
    access: Vec<(String, Timestamp)>,
    sessions: VecDeque<String>,
    gone: BTreeSet<String>,
    known: BTreeSet<String>,
    verified: usize,
    looks: u32,
}

impl World {
    async fn start() -> Self {
        let it = Deployment::with_keys().await;
        Self {
            sign_in: (0..2).map(|_| it.instance()).collect(),
            refresh: (0..3).map(|_| it.instance()).collect(),
            userinfo: (0..3).map(|_| it.instance()).collect(),
            jwks: it.instance(),
            // The second has a cache of five minutes in front of it.
            elsewhere: [5 * MINUTE, 2 * HOUR + 5 * MINUTE]
                .map(|keeps_for| Elsewhere { keeps_for, loaded: None })
                .into(),
            access: Vec::new(),
            sessions: VecDeque::new(),
            gone: BTreeSet::new(),
            known: BTreeSet::new(),
            verified: 0,
            looks: 0,
            it,
        }
    }

    async fn advance(&mut self, seconds: i64) {
        self.it.stack.clock.advance_seconds(seconds);
        self.look().await;
    }

    /// Every instance issues, and everyone verifies everything that is good.
    async fn look(&mut self) {
        let now = self.it.now();
        // Another user each time: one has fifty sessions at most.
        self.looks += 1;
        let (user, password) = (format!("user-{}", self.looks), "the right password");
        self.it.stack.add_user(&user, password, 4).await;
        let body = json!({"email": format!("{user}@example.com"), "password": password});
        let mut answers = Vec::new();
        for function in &self.sign_in {
            answers.push(call(function, "POST /signin", &body, None).await);
        }
        for function in &self.refresh {
            function.prepare().await;
            // The oldest token that is about, so that some wait for months.
            if let Some(token) = self.sessions.pop_front() {
                answers.push(call(function, "POST /refresh", &json!({"refresh_token": token}), None).await);
            }
        }
        answers.iter().for_each(|answer| self.keep(answer, now));
        self.access.retain(|(_, until)| now < *until);
        for (token, _) in &self.access {
            for function in &self.userinfo {
                assert_eq!(call(function, "GET /userinfo", &Value::Null, Some(token)).await.0, 200, "{now:?}");
            }
            for verifier in &mut self.elsewhere {
                assert!(verifier.verify(&self.it, &self.jwks, token).await, "{now:?} {}", verifier.keeps_for);
            }
            self.verified += 5;
        }
        // What goes stays away.
        let (published, kept) = (self.it.published().await, self.it.kids(ACCESS));
        let here: BTreeSet<_> = published.union(&kept).cloned().collect();
        assert!(here.is_disjoint(&self.gone), "a key came back");
        self.gone.extend(self.known.difference(&here).cloned());
        self.known = here;
    }

    fn keep(&mut self, answer: &(u64, Value), now: Timestamp) {
        assert_eq!(answer.0, 200, "{now:?} {answer:?}");
        let until = now.plus_seconds(answer.1["expires_in"].as_i64().unwrap());
        self.access.push((answer.1["access_token"].as_str().unwrap().to_owned(), until));
        self.sessions.push_back(refresh_token(answer));
    }
}

fn refresh_token(answer: &(u64, Value)) -> String {
    assert_eq!(answer.0, 200, "{answer:?}");
    answer.1["refresh_token"].as_str().unwrap().to_owned()
}

/// After a rotation: the moments around which something happens, and then days.
const MOMENTS: [i64; 17] = [
    0,
    1,
    5 * MINUTE,
    6 * MINUTE,
    9 * MINUTE + 59,
    10 * MINUTE,
    15 * MINUTE,
    2 * HOUR,
    3 * HOUR - 1,
    3 * HOUR,
    3 * HOUR + 5 * MINUTE,
    5 * HOUR + 10 * MINUTE,
    27 * HOUR,
    2 * DAY + 3 * HOUR,
    5 * DAY,
    15 * DAY,
    29 * DAY,
];

#[tokio::test]
async fn half_a_year_of_rotations_refuses_no_good_token() {
    let mut world = World::start().await;
    world.look().await;
    for month in 0..6 {
        let started = world.it.now();
        // One of them goes wrong half way, by another fault each month, and is run again.
        for (place, secret) in [ACCESS, REFRESH].into_iter().enumerate() {
            let version = world.it.version();
            for (number, step) in STEPS.into_iter().enumerate() {
                if number == usize::try_from(month).unwrap() % STEPS.len() && place == 0 {
                    world.it.secrets.lose_reply("PutSecretValue");
                    world.it.database.fail("UpdateItem", Fault::LostReply, 1);
                    let _ = world.it.step(secret, step, &version).await;
                    world.it.secrets.refuse(Some(("InternalServiceError", 500)));
                    world.it.step(secret, step, &version).await.unwrap_err();
                    world.advance(1).await;
                    world.it.secrets.refuse(None);
                }
                world.it.step(secret, step, &version).await.unwrap();
                world.it.step(secret, step, &version).await.unwrap();
                world.look().await;
            }
        }
        for moment in MOMENTS {
            let passed = world.it.now().millis_since(started) / 1000;
            world.advance((moment - passed).max(1)).await;
        }
        world.advance(DAY).await;
    }
    // Seven were made, and those of the first months have gone.
    assert_eq!(world.it.kids(ACCESS).len(), 2);
    assert_eq!(world.gone.len(), 5, "{:?}", world.gone);
    assert!(world.verified > 1_000, "{}", world.verified);
}

/// Somebody rotates by hand, again and again.
#[tokio::test]
async fn rotations_twice_a_day_refuse_no_good_token() {
    let mut world = World::start().await;
    world.look().await;
    for _ in 0..10 {
        for secret in [ACCESS, REFRESH] {
            world.it.rotate(secret).await;
        }
        for pause in [1, 3 * HOUR, 5 * MINUTE, 8 * HOUR + 50 * MINUTE] {
            world.advance(pause).await;
        }
    }
    assert!(!world.gone.is_empty() && world.it.kids(ACCESS).len() < 8, "{:?}", world.it.kids(ACCESS));
}

#[tokio::test]
async fn the_first_rotation_makes_the_first_keys() {
    let mut it = Deployment::start().await;
    let (sign_in, jwks) = (it.instance::<SignIn>(), it.instance::<Jwks>());
    let client = it.stack.client();
    let body = json!({"email": client.email, "password": client.password});
    assert_eq!(call(&sign_in, "POST /signin", &body, None).await.0, 503, "no keys yet");
    assert_eq!(call(&jwks, "GET /.well-known/jwks.json", &Value::Null, None).await.0, 503);
    for secret in [ACCESS, REFRESH] {
        it.rotate(secret).await;
    }
    it.stack.clock.advance_seconds(1);
    assert_eq!(call(&sign_in, "POST /signin", &body, None).await.0, 200);
    let (status, set) = call(&jwks, "GET /.well-known/jwks.json", &Value::Null, None).await;
    assert_eq!((status, set["keys"].as_array().unwrap().len(), &set["keys"][0]["alg"]), (200, 1, &json!("ES256")));
    let purposes = |secret| it.keys(secret).list(it.now()).into_iter().map(|key| key.purpose).collect::<Vec<_>>();
    assert_eq!(purposes(ACCESS), [Purpose::Access]);
    assert_eq!(purposes(REFRESH), [Purpose::Refresh, Purpose::Attempts]);
}

#[tokio::test]
async fn a_secret_that_holds_an_empty_set_is_rotated_alike() {
    let mut it = Deployment::start().await;
    it.secrets.put(ACCESS, "{\"keys\":[]}");
    it.rotate(ACCESS).await;
    assert_eq!(it.kids(ACCESS), it.published().await);
    assert_eq!(it.kids(ACCESS).len(), 1);
}

/// Between any two steps, somebody changes the keys by hand.
#[tokio::test]
async fn a_rotation_undoes_nobodys_change() {
    for before in 1..STEPS.len() {
        let mut it = Deployment::with_keys().await;
        it.stack.clock.advance_seconds(DAY);
        it.rotate(ACCESS).await;
        it.stack.clock.advance_seconds(DAY);
        let kept = it.kids(ACCESS);
        let version = it.version();
        let mut failed = None;
        for (number, step) in STEPS.into_iter().enumerate() {
            if number == before {
                it.retire_by_hand(ACCESS).await;
            }
            if let Err(error) = it.step(ACCESS, step, &version).await {
                failed.get_or_insert((step, error));
            }
        }
        let (_, error) = failed.unwrap_or_else(|| panic!("step {before}"));
        assert!(error.contains("changed by somebody else"), "{error}");
        let now = it.kids(ACCESS);
        assert!(now.is_subset(&kept) && now.len() == 1, "the change stands: {now:?}");
        assert_eq!(it.published().await, now, "and nothing of the rotation is published");
        // It starts again from there.
        it.rotate(ACCESS).await;
        assert_eq!(it.published().await, it.kids(ACCESS));
        assert_eq!(it.kids(ACCESS).len(), 2);
    }
}

/// Each call of a whole rotation fails in turn, and each answer is lost in turn: the step is
/// refused or done, and the rotation run again ends well.
#[tokio::test]
async fn a_rotation_that_is_cut_off_anywhere_can_be_run_again() {
    for fault in [Fault::Error("InternalServerError", 500), Fault::LostReply] {
        for operation in ["PutItem", "UpdateItem", "GetItem"] {
            for spared in 0..4 {
                let mut it = Deployment::with_keys().await;
                it.stack.clock.advance_seconds(30 * DAY);
                let version = it.version();
                // More often than the SDK tries.
                it.database.fail_after(spared, operation, fault.clone(), 3);
                for step in STEPS {
                    for _ in 0..4 {
                        if it.step(ACCESS, step, &version).await.is_ok() {
                            break;
                        }
                    }
                }
                assert_eq!(it.kids(ACCESS).len(), 2, "{operation} {spared} {fault:?}");
                assert!(it.kids(ACCESS).is_subset(&it.published().await));
            }
        }
    }
    for operation in ["PutSecretValue", "UpdateSecretVersionStage"] {
        let mut it = Deployment::with_keys().await;
        it.stack.clock.advance_seconds(30 * DAY);
        let version = it.version();
        it.secrets.lose_reply(operation);
        for step in STEPS {
            it.step(ACCESS, step, &version).await.unwrap();
        }
        assert_eq!((it.kids(ACCESS).len(), it.published().await.len()), (2, 2), "{operation}");
    }
}

#[tokio::test]
async fn what_an_abandoned_rotation_published_goes_with_the_next() {
    let mut it = Deployment::with_keys().await;
    let version = it.version();
    for step in &STEPS[..2] {
        it.step(ACCESS, step, &version).await.unwrap();
    }
    assert_eq!((it.kids(ACCESS).len(), it.published().await.len()), (1, 2));
    it.stack.clock.advance_seconds(2 * HOUR);
    assert!(!it.secrets.may_begin_rotation(ACCESS));
    it.by_hand().end_rotation(ACCESS, &version).await.unwrap();
    it.rotate(ACCESS).await;
    assert_eq!(it.published().await, it.kids(ACCESS));
}

#[tokio::test]
async fn an_event_that_is_no_step_is_an_error() {
    let mut it = Deployment::with_keys().await;
    let version = it.version();
    let step = json!({"Step": "setSecret", "SecretId": ACCESS, "ClientRequestToken": version});
    let with = |member: &str, value: Value| {
        let mut event = step.clone();
        event[member] = value;
        event
    };
    for event in [
        Value::Null,
        json!({}),
        json!([]),
        with("Step", json!("deleteSecret")),
        with("Step", json!(7)),
        with("SecretId", json!("arn:aws:secretsmanager:us-east-1:000000000000:secret:other")),
        with("SecretId", Value::Null),
        step.clone(),
    ] {
        assert!(it.rotator().step(&event).await.is_err(), "{event}");
    }
    assert_eq!(it.kids(ACCESS).len(), 1);
    assert!(it.stack.log().contains("the step before it was not done"));
}

#[tokio::test]
async fn no_key_is_in_the_log_of_a_rotation() {
    let mut it = Deployment::with_keys().await;
    it.rotate(REFRESH).await;
    it.secrets.put(ACCESS, &it.secrets.current(ACCESS).unwrap().replace("\"alg\"", "\"gla\""));
    let version = it.version();
    it.step(ACCESS, "createSecret", &version).await.unwrap_err();
    let log = it.stack.log();
    assert!(log.contains("rotation_step") && log.contains("finishSecret"));
    for secret in [ACCESS, REFRESH] {
        let set: Value = serde_json::from_str(&it.secrets.current(secret).unwrap()).unwrap();
        for key in set["keys"].as_array().unwrap() {
            for member in ["d", "k"] {
                assert!(key[member].as_str().is_none_or(|text| !log.contains(text)), "{member}");
            }
        }
    }
}

/// A secret holds 64 KiB; the template's shortest interval is two days.
#[test]
fn two_years_of_rotations_fit_into_a_secret() {
    for (purpose, algorithm) in [(Purpose::Refresh, Algorithm::RS256), (Purpose::Access, Algorithm::RS256)] {
        let mut now = Timestamp::from_seconds(1_800_000_000);
        let first: Secret = generate(algorithm, now).unwrap();
        let mut keys = StoredKeys::parse(first.expose()).unwrap();
        let rotations = if purpose == Purpose::Access { 10 } else { 365 };
        for _ in 0..rotations {
            now = now.plus_seconds(2 * DAY);
            keys = rotated(&keys, &[purpose], algorithm, now).unwrap();
        }
        let bytes = keys.to_text().unwrap().expose().len();
        assert!(bytes < 65_536 * 3 / 4, "{bytes} bytes of {purpose:?}");
    }
}

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
    let config = Config::from_lookup(Place::Local, |name| stack.stack().environment().get(name).cloned());
    let rotator = RotateKeys::new(config, stack.clock.clock(), log_to(&stack));
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
