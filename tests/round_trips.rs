//! What a request costs of the database: how often it waits for it, and the units it uses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_cli::dev::demo;
use relatch_tests::{FaultyDatabase, TestStack, Units, event};
use serde_json::{Value, json};
use signin::SignIn;

/// A function before a database that counts.
struct Counted<H> {
    database: FaultyDatabase,
    function: Function<H>,
}

impl<H: Handler> Counted<H> {
    async fn start(stack: &TestStack) -> Self {
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let function = stack.function(&[("AWS_ENDPOINT_URL_DYNAMODB", database.url())]);
        Self { database, function }
    }

    async fn answer(&self, path: &str, body: &Value) -> Value {
        let answer = self.function.answer(&event(path, body).to_string()).await.unwrap();
        serde_json::to_value(answer).unwrap()
    }

    /// Answers a request that has to make these round trips, of so many calls each, and no call
    /// besides; what it used.
    async fn answer_in(&self, round_trips: &[usize], path: &str, body: &Value) -> (Value, Units) {
        self.database.calls();
        self.database.expect_round_trips(round_trips);
        self.database.count_units();
        let answer = self.answer(path, body).await;
        let calls = self.database.calls();
        assert_eq!(self.database.missing_round_trips(), 0, "{calls:?}");
        // A call that waits in vain for another is made again.
        assert_eq!(calls.len(), round_trips.iter().sum::<usize>(), "{calls:?}");
        (answer, self.database.units())
    }
}

fn refresh_token(answer: &Value) -> Value {
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    body["refresh_token"].clone()
}

#[tokio::test]
async fn a_refresh_is_one_round_trip_of_one_read_unit_and_one_write_unit() {
    let stack = TestStack::start(&[]).await;
    let refresh = Counted::<Refresh>::start(&stack).await;
    let token = json!({"refresh_token": stack.client().sign_in().await.refresh_token()});
    let (answer, units) = refresh.answer_in(&[2], "/refresh", &token).await;
    assert_eq!(units, Units { read: 1.0, written: 1.0 });
    let next = json!({"refresh_token": refresh_token(&answer)});
    // Within the window the session is read, and not written.
    let (answer, units) = refresh.answer_in(&[2], "/refresh", &next).await;
    assert_eq!(refresh_token(&answer), next["refresh_token"]);
    assert_eq!(units, Units { read: 2.0, written: 0.0 });
    // A retry of the first: the write is tried, and refused.
    let (answer, units) = refresh.answer_in(&[2], "/refresh", &token).await;
    assert_eq!(refresh_token(&answer), next["refresh_token"]);
    assert_eq!(units.read, 1.0);
}

#[tokio::test]
async fn a_sign_in_waits_for_the_database_twice_and_once_beside_bcrypt() {
    let stack = TestStack::start(&[]).await;
    let sign_in = Counted::<SignIn>::start(&stack).await;
    let right = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
    // From a new address the other counters are asked as well, before bcrypt, and get their unit
    // back after it.
    let (answer, _) = sign_in.answer_in(&[2, 2, 2, 4], "/signin", &right).await;
    refresh_token(&answer);
    // The pair's counter and the credential; the user and the sessions while bcrypt works; the
    // session and the counter.
    let (answer, units) = sign_in.answer_in(&[2, 2, 2], "/signin", &right).await;
    refresh_token(&answer);
    assert_eq!(units, Units { read: 3.0, written: 3.0 });
}
