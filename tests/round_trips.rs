//! What a request costs of the database: how often it waits for it, and the units it uses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use refresh::Refresh;
use relatch_cli::dev::demo;
use relatch_lambda::{Function, Handler};
use relatch_tests::{EventRequest, FaultyDatabase, Response, TestStack, Units};
use serde_json::json;
use signin::SignIn;

/// A function before a database that counts.
struct CountedFunction<H> {
    database: FaultyDatabase,
    function: Function<H>,
}

impl<H: Handler> CountedFunction<H> {
    async fn start(stack: &TestStack) -> Self {
        let database = stack.faulty_database().await;
        let function = stack.function(&[database.setting()]);
        Self { database, function }
    }

    /// Sends a request that has to make round trips of these numbers of calls, and no other call;
    /// returns the units it used as well.
    async fn expect_round_trips(&self, sizes: &[usize], request: &EventRequest) -> (Response, Units) {
        self.database.take_calls();
        self.database.expect_round_trips(sizes);
        self.database.count_units();
        let response = request.send(&self.function).await;
        assert_eq!(response.status, 200, "{response:?}");
        let calls = self.database.take_calls();
        assert_eq!(self.database.take_missing_round_trips(), 0, "{calls:?}");
        // A call that waits in vain for another is made again.
        assert_eq!(calls.len(), sizes.iter().sum::<usize>(), "{calls:?}");
        (response, self.database.take_units())
    }
}

#[tokio::test]
async fn a_refresh_is_one_round_trip_of_one_read_unit_and_one_write_unit() {
    let stack = TestStack::start(&[]).await;
    let refresh = CountedFunction::<Refresh>::start(&stack).await;
    let request = |token: &str| EventRequest::post("/refresh", &json!({"refresh_token": token}));
    let first = stack.client().sign_in().await.refresh_token();
    let (response, units) = refresh.expect_round_trips(&[2], &request(&first)).await;
    assert_eq!(units, Units { read: 1.0, written: 1.0 });
    let next = response.refresh_token();
    // Within the window the session is read, and not written.
    let (response, units) = refresh.expect_round_trips(&[2], &request(&next)).await;
    assert_eq!(response.refresh_token(), next);
    assert_eq!(units, Units { read: 2.0, written: 0.0 });
    // A retry of the first: the write is tried, and refused.
    let (response, units) = refresh.expect_round_trips(&[2], &request(&first)).await;
    assert_eq!(response.refresh_token(), next);
    assert_eq!(units.read, 1.0);
}

#[tokio::test]
async fn a_sign_in_waits_for_the_database_twice_and_once_beside_bcrypt() {
    let stack = TestStack::start(&[]).await;
    let sign_in = CountedFunction::<SignIn>::start(&stack).await;
    let request = EventRequest::post("/signin", &json!({"email": demo::EMAIL, "password": demo::PASSWORD}));
    // From a new address the other counters are asked as well, before bcrypt, and get their unit
    // back after it.
    sign_in.expect_round_trips(&[2, 2, 2, 4], &request).await;
    // The pair's counter and the credential; the user and the sessions while bcrypt works; the
    // session and the counter.
    let (_, units) = sign_in.expect_round_trips(&[2, 2, 2], &request).await;
    assert_eq!(units, Units { read: 3.0, written: 3.0 });
}
