//! What a request costs of the database: how often it waits for it, and the units it uses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_cli::dev::demo;
use relatch_tests::{FaultyDatabase, TestStack, Units, call};
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

    /// Answers a request that has to make these round trips, of so many calls each, and no call
    /// besides; what it used.
    async fn answer_in(&self, round_trips: &[usize], route: &str, body: &Value) -> (Value, Units) {
        self.database.calls();
        self.database.expect_round_trips(round_trips);
        self.database.count_units();
        let (status, answer) = call(&self.function, route, body, None).await;
        assert_eq!(status, 200, "{answer}");
        let calls = self.database.calls();
        assert_eq!(self.database.missing_round_trips(), 0, "{calls:?}");
        // A call that waits in vain for another is made again.
        assert_eq!(calls.len(), round_trips.iter().sum::<usize>(), "{calls:?}");
        (answer, self.database.units())
    }
}

#[tokio::test]
async fn a_refresh_is_one_round_trip_of_one_read_unit_and_one_write_unit() {
    let stack = TestStack::start(&[]).await;
    let refresh = Counted::<Refresh>::start(&stack).await;
    let token = json!({"refresh_token": stack.client().sign_in().await.refresh_token()});
    let (answer, units) = refresh.answer_in(&[2], "POST /refresh", &token).await;
    assert_eq!(units, Units { read: 1.0, written: 1.0 });
    let next = json!({"refresh_token": answer["refresh_token"]});
    // Within the window the session is read, and not written.
    let (answer, units) = refresh.answer_in(&[2], "POST /refresh", &next).await;
    assert_eq!(answer["refresh_token"], next["refresh_token"]);
    assert_eq!(units, Units { read: 2.0, written: 0.0 });
    // A retry of the first: the write is tried, and refused.
    let (answer, units) = refresh.answer_in(&[2], "POST /refresh", &token).await;
    assert_eq!(answer["refresh_token"], next["refresh_token"]);
    assert_eq!(units.read, 1.0);
}

#[tokio::test]
async fn a_sign_in_waits_for_the_database_twice_and_once_beside_bcrypt() {
    let stack = TestStack::start(&[]).await;
    let sign_in = Counted::<SignIn>::start(&stack).await;
    let right = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
    // From a new address the other counters are asked as well, before bcrypt, and get their unit
    // back after it.
    sign_in.answer_in(&[2, 2, 2, 4], "POST /signin", &right).await;
    // The pair's counter and the credential; the user and the sessions while bcrypt works; the
    // session and the counter.
    let (_, units) = sign_in.answer_in(&[2, 2, 2], "POST /signin", &right).await;
    assert_eq!(units, Units { read: 3.0, written: 3.0 });
}
