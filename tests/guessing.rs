//! Guessing passwords: how many are compared, who must wait, and what nobody learns by it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use relatch::lambda::Function;
use relatch_tests::{Fault, FaultyDatabase, ItemKey, TestStack, event};
use serde_json::{Value, json};
use signin::SignIn;

const OWNER: (&str, &str) = ("demo@example.com", "correct horse battery staple");
const HOME: &str = "198.51.100.7";
const ATTACKER: &str = "203.0.113.66";

/// An instance of the function, and who calls it.
struct Instance(Function<SignIn>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u64,
    retry_after: Option<String>,
    headers: Value,
    body: String,
}

impl Instance {
    fn of(stack: &TestStack) -> Self {
        Self(stack.function(&[]))
    }

    async fn try_headers(&self, email: &str, password: &str, address: &str, headers: Value) -> Answer {
        let mut event = event("POST /signin", json!({"email": email, "password": password}));
        event["headers"] = headers;
        event["requestContext"]["http"]["sourceIp"] = json!(address);
        let answer = serde_json::to_value(self.0.answer(&event.to_string()).await.unwrap()).unwrap();
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            retry_after: answer["headers"]["retry-after"].as_str().map(str::to_owned),
            headers: answer["headers"].clone(),
            body: answer["body"].as_str().unwrap().to_owned(),
        }
    }

    async fn try_password(&self, email: &str, password: &str, address: &str) -> Answer {
        self.try_headers(email, password, address, json!({"content-type": "application/json"})).await
    }

    async fn guess(&self, email: &str, address: &str) -> u64 {
        self.try_password(email, "a wrong password", address).await.status
    }

    async fn sign_in(&self, address: &str) -> u64 {
        self.try_password(OWNER.0, OWNER.1, address).await.status
    }
}

/// As many events of a name as were logged.
fn logged(stack: &TestStack, name: &str) -> usize {
    stack.events().iter().filter(|event| event["event"] == name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_no_more_than_the_limit_are_compared() {
    let stack = TestStack::start(&[]).await;
    let instances: Vec<_> = (0..10).map(|_| Instance::of(&stack)).collect();
    let guesses = (0..50).map(|number| instances[number % 10].guess(OWNER.0, ATTACKER));
    let statuses = join_all(guesses).await;
    let compared = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!((compared, logged(&stack, "signin_fail")), (5, 5), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 45);
    // What was refused counts nowhere.
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.counted(kind).await, [5], "{kind}");
    }
    assert_eq!(instances[0].sign_in(HOME).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_use_fifty_units() {
    let stack = TestStack::start(&[]).await;
    let instances: Vec<_> = (0..10).map(|_| Instance::of(&stack)).collect();
    let emails: Vec<_> = (0..50).map(|number| format!("user-{number}@example.com")).collect();
    let guesses = emails.iter().zip((0..10).cycle()).map(|(email, place)| instances[place].guess(email, ATTACKER));
    assert!(join_all(guesses).await.iter().all(|status| *status == 401));
    assert_eq!(stack.counted("ADDRESS").await, [50]);
    assert_eq!(stack.counted("EMAIL").await, [1; 50]);
}

#[tokio::test]
async fn each_wrong_password_waits_twice_as_long_as_the_one_before() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_EMAIL", "1000")]).await;
    let instance = Instance::of(&stack);
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401);
    }
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let answer = instance.try_password(OWNER.0, OWNER.1, ATTACKER).await;
        assert_eq!((answer.status, answer.retry_after), (429, Some(wait.to_string())), "also the right one");
        stack.clock.advance_millis(wait * 1000 - 1);
        assert_eq!(Instance::of(&stack).guess(OWNER.0, ATTACKER).await, 429, "{wait} s, on a new instance");
        stack.clock.advance_millis(1);
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401, "{wait} s");
    }
    stack.clock.advance_seconds(900);
    assert_eq!(instance.sign_in(ATTACKER).await, 200, "no count keeps the right password out for good");
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401, "and it is forgiven");
    }
}

#[tokio::test]
async fn a_stranger_does_not_lock_the_owner_out() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::of(&stack);
    for _ in 0..200 {
        instance.guess(OWNER.0, ATTACKER).await;
    }
    assert_eq!(stack.counted("EMAIL").await, [5]);
    assert_eq!(instance.sign_in(HOME).await, 200, "from an address that was never seen");

    // Many strangers use up the email's hour.
    for number in 0..30 {
        instance.guess(OWNER.0, &format!("192.0.2.{number}")).await;
    }
    assert_eq!(instance.guess(OWNER.0, "192.0.2.200").await, 429);
    assert_eq!(Instance::of(&stack).sign_in(HOME).await, 200, "the owner's address is known");
    assert_eq!(instance.sign_in(HOME).await, 200, "also to the instance that remembers the refusal");
    // What the known address gets wrong is bound by its own counter.
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, HOME).await, 401);
    }
    assert_eq!(instance.guess(OWNER.0, HOME).await, 429);

    // Strangers behind the owner's own address use up that one.
    stack.clock.advance_seconds(2);
    for number in 0..120 {
        instance.guess(&format!("user-{number}@example.com"), HOME).await;
    }
    assert_eq!(instance.guess("somebody@example.com", HOME).await, 429);
    assert_eq!(instance.sign_in(HOME).await, 200);
}

#[tokio::test]
async fn an_address_is_known_for_thirty_days() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_EMAIL", "1")]).await;
    let instance = Instance::of(&stack);
    assert_eq!(instance.sign_in(HOME).await, 200);
    for (days, status) in [(29, 200), (30, 429)] {
        stack.clock.advance_seconds(days * 86_400);
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401);
        assert_eq!(instance.sign_in(HOME).await, status, "{days} days after the last sign-in");
    }
}

#[tokio::test]
async fn signing_in_elsewhere_wins_no_guess() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::of(&stack);
    for _ in 0..5 {
        assert_eq!(instance.guess("victim@example.com", ATTACKER).await, 401);
    }
    let (pairs, before) = (stack.counted("PAIR").await, stack.counted("ADDRESS").await);
    // The attacker has an account of his own.
    assert_eq!(instance.sign_in(ATTACKER).await, 200);
    assert_eq!((&pairs, &before), (&vec![5], &vec![5]));
    assert_eq!(stack.counted("ADDRESS").await, [5], "his own unit came back, and no other");
    assert_eq!(Instance::of(&stack).guess("victim@example.com", ATTACKER).await, 429);
}

#[tokio::test]
async fn a_right_password_takes_nothing_from_anybody() {
    let stack =
        TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "3"), ("SIGNIN_ATTEMPTS_PER_EMAIL", "3")]).await;
    let instance = Instance::of(&stack);
    for _ in 0..20 {
        assert_eq!(instance.sign_in(HOME).await, 200);
    }
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.counted(kind).await, [0], "{kind}");
    }
}

#[tokio::test]
async fn an_address_is_refused_for_the_rest_of_its_hour() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::of(&stack);
    let mut number = 0;
    while instance.guess(&format!("user-{number}@example.com"), ATTACKER).await == 401 {
        number += 1;
    }
    assert_eq!(number, 100);
    let answer = instance.try_password("another@example.com", "x", ATTACKER).await;
    let wait: i64 = answer.retry_after.unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait));
    assert_eq!(instance.guess("another@example.com", HOME).await, 401);
    stack.clock.advance_seconds(wait);
    assert_eq!(instance.guess("another@example.com", ATTACKER).await, 401);
}

#[tokio::test]
async fn an_ipv6_network_is_counted_as_a_whole() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "2")]).await;
    let instance = Instance::of(&stack);
    let mut compared = 0;
    for subnet in 0..30 {
        for host in 0..3 {
            let (email, address) =
                (format!("u{subnet}-{host}@example.com"), format!("2001:db8:1:{subnet:x}::{host:x}"));
            compared += usize::from(instance.guess(&email, &address).await == 401);
        }
    }
    assert_eq!(compared, 20, "two for each /64 and ten times as many for the /48");
    assert_eq!(instance.guess("u@example.com", "2001:db8:2::1").await, 401);
}

#[tokio::test]
async fn who_calls_is_not_what_a_header_says() {
    let guesses = async |hops: &str| {
        let stack = TestStack::start(&[("TRUSTED_PROXY_HOPS", hops), ("SIGNIN_ATTEMPTS_PER_EMAIL", "1000")]).await;
        let instance = Instance::of(&stack);
        let mut compared = 0;
        for number in 0..30 {
            // The gateway's peer is one proxy; what stands first, the client made up.
            let headers = json!({
                "content-type": "application/json",
                "x-forwarded-for": format!("192.0.2.{number}, {ATTACKER}, {HOME}"),
            });
            compared += usize::from(instance.try_headers(OWNER.0, "wrong", HOME, headers).await.status == 401);
        }
        let addresses: BTreeSet<_> =
            stack.events().iter().filter_map(|event| event["address"].as_str().map(str::to_owned)).collect();
        (compared, addresses.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(guesses("0").await, (5, vec![HOME.to_owned()]));
    assert_eq!(guesses("1").await, (5, vec![ATTACKER.to_owned()]));
}

#[tokio::test]
async fn one_answer_for_all_causes() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "7")]).await;
    let instance = Instance::of(&stack);
    let mut bodies = BTreeSet::new();
    let mut causes = BTreeSet::new();
    for number in 0..22 {
        instance.guess(OWNER.0, &format!("192.0.2.{number}")).await;
    }
    for number in 0..9 {
        instance.guess("one@example.com", ATTACKER).await;
        instance.guess(&format!("user-{number}@example.com"), HOME).await;
    }
    for number in 0..72 {
        instance.guess(&format!("u{number}@example.com"), &format!("2001:db8:1:{}::1", number % 12)).await;
    }
    for event in stack.events().iter().filter(|event| event["event"] == "signin_throttled") {
        causes.insert(event["why"].as_str().unwrap().to_owned());
    }
    assert_eq!(causes.iter().collect::<Vec<_>>(), ["address", "email", "network", "pair"]);
    for (email, address) in [
        (OWNER.0, "192.0.2.99"),
        ("one@example.com", ATTACKER),
        ("x@example.com", HOME),
        ("y@example.com", "2001:db8:1:77::1"),
    ] {
        let mut answer = instance.try_password(email, "wrong", address).await;
        assert_eq!(answer.status, 429, "{email} {address}");
        assert!(answer.retry_after.is_some());
        answer.headers["retry-after"] = Value::Null;
        bodies.insert((answer.body, answer.headers.to_string()));
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[tokio::test]
async fn an_instance_that_knows_a_refusal_writes_nothing() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::of(&stack);
    let calls = |stack: &TestStack| stack.events().last().unwrap()["store_calls"].as_u64().unwrap();
    for _ in 0..6 {
        instance.guess(OWNER.0, ATTACKER).await;
    }
    assert!(calls(&stack) > 0, "the first refusal");
    instance.guess(OWNER.0, ATTACKER).await;
    assert_eq!(calls(&stack), 0);
    for number in 0..16 {
        instance.guess(OWNER.0, &format!("192.0.2.{number}")).await;
    }
    instance.guess(OWNER.0, "192.0.2.99").await;
    assert_eq!(calls(&stack), 2, "the credential, and whether the pair is known");
}

#[tokio::test]
async fn an_attempt_that_cannot_be_counted_is_not_compared() {
    let stack = TestStack::start(&[]).await;
    let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
    let instance = Instance(stack.function(&[("AWS_ENDPOINT_URL_DYNAMODB", database.url())]));
    for counter in ["PAIR#", "EMAIL#", "ADDRESS#"] {
        for fault in
            [Fault::Error("ProvisionedThroughputExceededException", 400), Fault::Error("InternalServerError", 500)]
        {
            // As often as the SDK tries; the other two are counted.
            database.fail_holding(counter, "UpdateItem", fault, 3);
            let answer = instance.try_password(OWNER.0, OWNER.1, HOME).await;
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.retry_after.as_deref(), Some("2"));
        }
    }
    assert_eq!((logged(&stack, "signin_success"), logged(&stack, "signin_fail")), (0, 0));
    assert_eq!(instance.sign_in(HOME).await, 200, "and nothing stays counted");
    assert_eq!(stack.counted("EMAIL").await, [0]);
}

#[tokio::test]
async fn trouble_after_the_count_gives_it_back() {
    let stack = TestStack::start(&[]).await;
    let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
    let instance = Instance(stack.function(&[("AWS_ENDPOINT_URL_DYNAMODB", database.url())]));
    for _ in 0..8 {
        database.fail_holding("USER#", "GetItem", Fault::Error("InternalServerError", 500), 3);
        assert_eq!(instance.sign_in(HOME).await, 503);
    }
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.counted(kind).await, [0], "{kind}");
    }
    assert_eq!(instance.sign_in(HOME).await, 200);
}

/// What a stranger sees of a failed sign-in, and what it costs us.
#[tokio::test]
async fn nobody_learns_whether_an_email_exists() {
    let stack = TestStack::start(&[("BCRYPT_COST", "6")]).await;
    let users = [("wrong", 6), ("cheap", 4), ("disabled", 6), ("none", 6)];
    for (name, cost) in users {
        stack.add_user(name, "the right password", cost).await;
    }
    stack.set(&ItemKey::user("disabled"), "status", AttributeValue::S("disabled".to_owned())).await;
    stack.unset(&ItemKey::credential_of("none@example.com"), "password_hash").await;

    let instance = Instance::of(&stack);
    let mut seen = Vec::new();
    for attempt in 0..9 {
        // A wait before the last two, which the limits must not tell apart either.
        stack.clock.advance_seconds(if attempt == 7 { 1 } else { 0 });
        let mut alike = BTreeSet::new();
        for name in ["unknown", "wrong", "cheap", "disabled", "none"] {
            let password = if name == "disabled" { "the right password" } else { "another password" };
            let answer = instance.try_password(&format!("{name}@example.com"), password, ATTACKER).await;
            let calls = stack.events().last().unwrap()["store_calls"].clone();
            alike.insert(format!("{} {} {} {calls}", answer.status, answer.headers, answer.body));
        }
        assert_eq!(alike.len(), 1, "attempt {attempt}: {alike:?}");
        seen.extend(alike);
    }
    assert!(seen[0].starts_with("401") && seen[0].ends_with(" 6"), "{}", seen[0]);
    assert!(seen.iter().any(|answer| answer.starts_with("429")));
    let reasons = ["unknown_email", "wrong_password", "user_disabled", "no_password"];
    for why in reasons {
        assert!(stack.events().iter().any(|event| event["why"] == why), "the owner reads why: {why}");
    }
}
