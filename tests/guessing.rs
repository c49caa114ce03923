//! Guessing passwords: how many are compared, who must wait, and what nobody learns by it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use relatch_lambda::Function;
use relatch_tests::{EventRequest, Fault, ItemKey, Response, TestStack};
use signin::SignIn;

const OWNER: (&str, &str) = ("demo@example.com", "correct horse battery staple");
const HOME: &str = "198.51.100.7";
const ATTACKER: &str = "203.0.113.66";

/// An instance of the function.
struct Instance(Function<SignIn>);

impl Instance {
    fn new(stack: &TestStack) -> Self {
        Self(stack.function(&[]))
    }

    async fn try_password(&self, email: &str, password: &str, address: &str) -> Response {
        EventRequest::sign_in(email, password).with_source_ip(address).send(&self.0).await
    }

    async fn guess(&self, email: &str, address: &str) -> u16 {
        self.try_password(email, "a wrong password", address).await.status
    }

    async fn sign_in(&self, address: &str) -> u16 {
        self.try_password(OWNER.0, OWNER.1, address).await.status
    }
}

/// All that a client sees of a response but the wait that it asks for.
fn appearance(response: &Response) -> String {
    let headers: BTreeMap<_, _> =
        response.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let constant = headers.iter().filter(|(name, _)| **name != "retry-after");
    format!("{} {:?} {}", response.status, constant.collect::<Vec<_>>(), response.text)
}

/// How many events of this name the log has.
fn count_events(stack: &TestStack, name: &str) -> usize {
    stack.lines_about(name).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_no_more_than_the_limit_are_compared() {
    let stack = TestStack::start(&[]).await;
    let instances: Vec<_> = (0..10).map(|_| Instance::new(&stack)).collect();
    let guesses = (0..50).map(|number| instances[number % 10].guess(OWNER.0, ATTACKER));
    let statuses = join_all(guesses).await;
    let compared = statuses.iter().filter(|status| **status == 401).count();
    assert_eq!((compared, count_events(&stack, "signin_fail")), (5, 5), "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 45);
    // What was refused counts nowhere.
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.attempt_counts(kind).await, [5], "{kind}");
    }
    assert_eq!(instances[0].sign_in(HOME).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_use_fifty_units() {
    let stack = TestStack::start(&[]).await;
    let instances: Vec<_> = (0..10).map(|_| Instance::new(&stack)).collect();
    let emails: Vec<_> = (0..50).map(|number| format!("user-{number}@example.com")).collect();
    let guesses = emails.iter().zip((0..10).cycle()).map(|(email, place)| instances[place].guess(email, ATTACKER));
    assert!(join_all(guesses).await.iter().all(|status| *status == 401));
    assert_eq!(stack.attempt_counts("ADDRESS").await, [50]);
    assert_eq!(stack.attempt_counts("EMAIL").await, [1; 50]);
}

#[tokio::test]
async fn each_wrong_password_waits_twice_as_long_as_the_one_before() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_EMAIL", "1000")]).await;
    let instance = Instance::new(&stack);
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401);
    }
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
        let response = instance.try_password(OWNER.0, OWNER.1, ATTACKER).await;
        let retry_after = response.header("retry-after");
        assert_eq!((response.status, retry_after), (429, wait.to_string().as_str()), "also the right one");
        stack.clock.advance(Duration::from_secs(wait) - Duration::from_millis(1));
        assert_eq!(Instance::new(&stack).guess(OWNER.0, ATTACKER).await, 429, "{wait} s, on a new instance");
        stack.clock.advance(Duration::from_millis(1));
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401, "{wait} s");
    }
    stack.clock.advance(Duration::from_secs(900));
    assert_eq!(instance.sign_in(ATTACKER).await, 200, "no count keeps the right password out for good");
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401, "and it is forgiven");
    }
}

#[tokio::test]
async fn a_stranger_does_not_lock_the_owner_out() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::new(&stack);
    for _ in 0..200 {
        instance.guess(OWNER.0, ATTACKER).await;
    }
    assert_eq!(stack.attempt_counts("EMAIL").await, [5]);
    assert_eq!(instance.sign_in(HOME).await, 200, "from an address that was never seen");

    // Many strangers use up the email's hour.
    for number in 0..30 {
        instance.guess(OWNER.0, &format!("192.0.2.{number}")).await;
    }
    assert_eq!(instance.guess(OWNER.0, "192.0.2.200").await, 429);
    assert_eq!(Instance::new(&stack).sign_in(HOME).await, 200, "the owner's address is known");
    assert_eq!(instance.sign_in(HOME).await, 200, "also to the instance that remembers the refusal");
    // What the known address gets wrong is bound by its own counter.
    for _ in 0..5 {
        assert_eq!(instance.guess(OWNER.0, HOME).await, 401);
    }
    assert_eq!(instance.guess(OWNER.0, HOME).await, 429);

    // Strangers behind the owner's own address use up that one.
    stack.clock.advance(Duration::from_secs(2));
    for number in 0..120 {
        instance.guess(&format!("user-{number}@example.com"), HOME).await;
    }
    assert_eq!(instance.guess("somebody@example.com", HOME).await, 429);
    assert_eq!(instance.sign_in(HOME).await, 200);
}

#[tokio::test]
async fn an_address_is_known_for_thirty_days() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_EMAIL", "1")]).await;
    let instance = Instance::new(&stack);
    assert_eq!(instance.sign_in(HOME).await, 200);
    for (days, status) in [(29, 200), (30, 429)] {
        stack.clock.advance(days * Duration::from_hours(24));
        assert_eq!(instance.guess(OWNER.0, ATTACKER).await, 401);
        assert_eq!(instance.sign_in(HOME).await, status, "{days} days after the last sign-in");
    }
}

#[tokio::test]
async fn signing_in_elsewhere_wins_no_guess() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::new(&stack);
    for _ in 0..5 {
        assert_eq!(instance.guess("victim@example.com", ATTACKER).await, 401);
    }
    let (pairs, before) = (stack.attempt_counts("PAIR").await, stack.attempt_counts("ADDRESS").await);
    // The attacker has an account of his own.
    assert_eq!(instance.sign_in(ATTACKER).await, 200);
    assert_eq!((&pairs, &before), (&vec![5], &vec![5]));
    assert_eq!(stack.attempt_counts("ADDRESS").await, [5], "his own unit came back, and no other");
    assert_eq!(Instance::new(&stack).guess("victim@example.com", ATTACKER).await, 429);
}

#[tokio::test]
async fn a_right_password_takes_nothing_from_anybody() {
    let stack =
        TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "3"), ("SIGNIN_ATTEMPTS_PER_EMAIL", "3")]).await;
    let instance = Instance::new(&stack);
    for _ in 0..20 {
        assert_eq!(instance.sign_in(HOME).await, 200);
    }
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.attempt_counts(kind).await, [0], "{kind}");
    }
}

#[tokio::test]
async fn an_address_is_refused_for_the_rest_of_its_hour() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::new(&stack);
    let mut number = 0;
    while instance.guess(&format!("user-{number}@example.com"), ATTACKER).await == 401 {
        number += 1;
    }
    assert_eq!(number, 100);
    let response = instance.try_password("another@example.com", "x", ATTACKER).await;
    let wait: u64 = response.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait));
    assert_eq!(instance.guess("another@example.com", HOME).await, 401);
    stack.clock.advance(Duration::from_secs(wait));
    assert_eq!(instance.guess("another@example.com", ATTACKER).await, 401);
}

#[tokio::test]
async fn an_ipv6_network_is_counted_as_a_whole() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "2")]).await;
    let instance = Instance::new(&stack);
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
        let instance = Instance::new(&stack);
        let mut compared = 0;
        for number in 0..30 {
            // The gateway's peer is one proxy; what stands first, the client made up.
            let addresses = format!("192.0.2.{number}, {ATTACKER}, {HOME}");
            let request = EventRequest::sign_in(OWNER.0, "wrong").with_source_ip(HOME);
            let response = request.with_header("x-forwarded-for", &addresses).send(&instance.0).await;
            compared += usize::from(response.status == 401);
        }
        let addresses: BTreeSet<_> =
            stack.log_lines().iter().filter_map(|line| line["address"].as_str().map(str::to_owned)).collect();
        (compared, addresses.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(guesses("0").await, (5, vec![HOME.to_owned()]));
    assert_eq!(guesses("1").await, (5, vec![ATTACKER.to_owned()]));
}

#[tokio::test]
async fn one_answer_for_all_causes() {
    let stack = TestStack::start(&[("SIGNIN_ATTEMPTS_PER_ADDRESS", "7")]).await;
    let instance = Instance::new(&stack);
    let mut appearances = BTreeSet::new();
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
    for line in stack.lines_about("signin_throttled") {
        causes.insert(line["reason"].as_str().unwrap().to_owned());
    }
    assert_eq!(causes.iter().collect::<Vec<_>>(), ["address", "email", "network", "pair"]);
    for (email, address) in [
        (OWNER.0, "192.0.2.99"),
        ("one@example.com", ATTACKER),
        ("x@example.com", HOME),
        ("y@example.com", "2001:db8:1:77::1"),
    ] {
        let response = instance.try_password(email, "wrong", address).await;
        assert_eq!(response.status, 429, "{email} {address}");
        assert!(response.headers.contains_key("retry-after"));
        appearances.insert(appearance(&response));
    }
    assert_eq!(appearances.len(), 1, "{appearances:?}");
}

#[tokio::test]
async fn an_instance_that_knows_a_refusal_writes_nothing() {
    let stack = TestStack::start(&[]).await;
    let instance = Instance::new(&stack);
    let calls = |stack: &TestStack| stack.log_lines().last().unwrap()["store_calls"].as_u64().unwrap();
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
    let database = stack.faulty_database().await;
    let instance = Instance(stack.function(&[database.setting()]));
    for counter in ["PAIR#", "EMAIL#", "ADDRESS#"] {
        for fault in
            [Fault::Error("ProvisionedThroughputExceededException", 400), Fault::Error("InternalServerError", 500)]
        {
            // As often as the SDK tries; the other two are counted.
            database.fail_containing(counter, "UpdateItem", fault, 3);
            let response = instance.try_password(OWNER.0, OWNER.1, HOME).await;
            assert_eq!(response.status, 503, "{response:?}");
            assert_eq!(response.header("retry-after"), "2");
        }
    }
    assert_eq!((count_events(&stack, "signin_success"), count_events(&stack, "signin_fail")), (0, 0));
    assert_eq!(instance.sign_in(HOME).await, 200, "and nothing stays counted");
    assert_eq!(stack.attempt_counts("EMAIL").await, [0]);
}

#[tokio::test]
async fn trouble_after_the_count_gives_it_back() {
    let stack = TestStack::start(&[]).await;
    let database = stack.faulty_database().await;
    let instance = Instance(stack.function(&[database.setting()]));
    for _ in 0..8 {
        database.fail_containing("USER#", "GetItem", Fault::Error("InternalServerError", 500), 3);
        assert_eq!(instance.sign_in(HOME).await, 503);
    }
    for kind in ["PAIR", "EMAIL", "ADDRESS"] {
        assert_eq!(stack.attempt_counts(kind).await, [0], "{kind}");
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

    let instance = Instance::new(&stack);
    let mut seen = Vec::new();
    for attempt in 0..9 {
        // A wait before the last two, which the limits must not tell apart either.
        stack.clock.advance(Duration::from_secs(if attempt == 7 { 1 } else { 0 }));
        let mut distinct = BTreeSet::new();
        for name in ["unknown", "wrong", "cheap", "disabled", "none"] {
            let password = if name == "disabled" { "the right password" } else { "another password" };
            let response = instance.try_password(&format!("{name}@example.com"), password, ATTACKER).await;
            let calls = stack.log_lines().last().unwrap()["store_calls"].clone();
            let wait = response.header("retry-after");
            distinct.insert(format!("{} {wait} {calls}", appearance(&response)));
        }
        assert_eq!(distinct.len(), 1, "attempt {attempt}: {distinct:?}");
        seen.extend(distinct);
    }
    assert!(seen[0].starts_with("401") && seen[0].ends_with(" 6"), "{}", seen[0]);
    assert!(seen.iter().any(|response| response.starts_with("429")));
    let reasons = ["unknown_email", "wrong_password", "user_disabled", "no_password"];
    for why in reasons {
        assert!(stack.log_lines().iter().any(|line| line["reason"] == why), "the owner reads why: {why}");
    }
}
