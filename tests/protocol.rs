//! The refresh protocol through HTTP, row by row, with the clock in hand.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use relatch::keys::Purpose;
use relatch::time::Timestamp;
use relatch::token::{RefreshClaims, sign};
use relatch_cli::dev::engine::Storage;
use relatch_cli::dev::{Stack, StackOptions, demo};
use relatch_lambda::telemetry::Log;
use relatch_tests::{Client, ItemKey, ManualClock, Response, TestStack, claims, generation, keys, stack_options};

/// The retry window.
const W: Duration = Duration::from_mins(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const KEY: &str = "a-random-key-of-22-char";

/// A signed-in client whose session was never rotated.
struct SignedInUser {
    stack: TestStack,
    client: Client,
    session: ItemKey,
    user: ItemKey,
    /// The refresh token of generation 0.
    token: String,
}

async fn sign_in() -> SignedInUser {
    sign_in_with(&[]).await
}

async fn sign_in_with(settings: &[(&str, &str)]) -> SignedInUser {
    let stack = TestStack::start(settings).await;
    let client = stack.client();
    let response = client.sign_in().await;
    let (session, user) =
        (ItemKey::session_of(&response.access_token()), ItemKey::user_of(&response.access_token()));
    SignedInUser { stack, client, session, user, token: response.refresh_token() }
}

impl SignedInUser {
    fn wait(&self, duration: Duration) {
        self.stack.clock.advance(duration);
    }

    async fn refresh(&self, token: &str) -> Response {
        self.client.refresh(token).await
    }

    /// Rotates from the token, and waits until the session may rotate again.
    async fn rotate(&self, token: &str) -> String {
        let next = self.refresh(token).await.refresh_token();
        assert_ne!(next, token);
        self.wait(W);
        next
    }

    async fn status(&self) -> Option<AttributeValue> {
        self.stack.item(&self.session).await.unwrap().get("status").cloned()
    }

    #[track_caller]
    fn expect_log_line(&self, event: &str, level: &str) {
        let lines = self.stack.lines_about(event);
        assert!(lines.iter().any(|line| line["level"] == level), "{event} at {level} in {}", self.stack.log());
    }
}

fn revoked_status() -> Option<AttributeValue> {
    Some(AttributeValue::S("revoked".to_owned()))
}

// ------------------------------------------------------------------ rotated

#[tokio::test]
async fn the_first_refresh_rotates_at_once() {
    let it = sign_in().await;
    let next = it.refresh(&it.token).await.refresh_token();
    assert_eq!((generation(&it.token), generation(&next)), (0, 1));
}

#[tokio::test]
async fn the_current_token_rotates_from_the_millisecond_the_window_ends() {
    for pause in [W, W + MILLISECOND, 10 * W] {
        let it = sign_in().await;
        let first = it.refresh(&it.token).await.refresh_token();
        it.wait(pause);
        assert_eq!(generation(&it.refresh(&first).await.refresh_token()), 2, "{pause:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_says_when_its_generation_came_to_be_and_when_it_ends() {
    let it = sign_in_with(&[("REFRESH_TOKEN_TTL", "1000"), ("SESSION_MAX_AGE", "1500")]).await;
    let signed_in = it.stack.clock.now().seconds();
    assert_eq!(claims(&it.token)["exp"], signed_in + 1000);
    it.wait(Duration::from_secs(900));
    let response = it.refresh(&it.token).await;
    let next = claims(&response.refresh_token());
    assert_eq!(next["iat"], signed_in + 900);
    assert_eq!(next["exp"], signed_in + 1500, "never past the absolute expiry");
    assert_eq!(response.json()["refresh_expires_in"], 600);
}

#[tokio::test]
async fn an_access_token_that_expired_is_401_and_a_refresh_mends_it() {
    let it = sign_in().await;
    let first = it.client.sign_in().await;
    let expires_in = Duration::from_secs(first.json()["expires_in"].as_u64().unwrap());
    it.wait(expires_in - Duration::from_secs(1));
    assert_eq!(it.client.user_info(&first.access_token()).await.status, 200);
    it.wait(Duration::from_secs(1));
    it.client.user_info(&first.access_token()).await.expect_error(401, "invalid_token");
    let next = it.refresh(&first.refresh_token()).await;
    assert_eq!(it.client.user_info(&next.access_token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_refresh_at_once_there_is_one_successor() {
    for count in [2, 50, 500] {
        let it = sign_in().await;
        // A client asks again on 503, which is what an engine on a busy machine comes to.
        let refresh_until_available = async || loop {
            let response = it.refresh(&it.token).await;
            if response.status != 503 {
                return response;
            }
        };
        let responses = join_all((0..count).map(|_| refresh_until_available())).await;
        let successors: BTreeSet<String> = responses.iter().map(Response::refresh_token).collect();
        assert_eq!((responses.len(), successors.len()), (count, 1));
        let item = it.stack.item(&it.session).await.unwrap();
        assert_eq!(item["gen"], AttributeValue::N("1".to_owned()));
    }
}

// ------------------------------------------------------------------ same

#[tokio::test]
async fn the_current_token_comes_back_unchanged_within_the_window() {
    // Tokens tell whole seconds, the session milliseconds: both ways of finding out.
    for since_full_second in [0, 500, 999] {
        let it = sign_in().await;
        let next_second = Timestamp::from_seconds(it.stack.clock.now().seconds() + 1);
        let start = next_second + Duration::from_millis(since_full_second);
        it.wait(start.duration_since(it.stack.clock.now()));
        let first = it.refresh(&it.token).await;
        for pause in [Duration::ZERO, W - MILLISECOND] {
            it.wait(pause);
            let again = it.refresh(&first.refresh_token()).await;
            assert_eq!(again.refresh_token(), first.refresh_token());
            assert_ne!(again.access_token(), first.access_token());
            assert_eq!(it.client.user_info(&again.access_token()).await.status, 200);
        }
    }
}

#[tokio::test]
async fn an_answer_within_the_window_writes_nothing() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    let before = it.stack.item(&it.session).await;
    it.wait(W - MILLISECOND);
    assert_eq!(it.refresh(&first).await.status, 200);
    assert_eq!(it.refresh(&it.token).await.status, 200);
    assert_eq!(it.stack.item(&it.session).await, before);
}

// ------------------------------------------------------------------ retry

#[tokio::test]
async fn the_predecessor_gets_the_same_successor_until_the_window_ends() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.wait(W - MILLISECOND);
    let again = it.refresh(&it.token).await;
    assert_eq!(again.refresh_token(), first);
    assert_eq!(it.client.user_info(&again.access_token()).await.status, 200);
}

#[tokio::test]
async fn repeating_does_not_extend_the_window() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.wait(W / 2);
    assert_eq!(it.refresh(&it.token).await.refresh_token(), first);
    it.wait(W / 2);
    it.refresh(&it.token).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_tokens_key_gets_the_same_successor_at_any_time() {
    let it = sign_in().await;
    let first = it.client.refresh_with_key(&it.token, KEY).await.refresh_token();
    for pause in [Duration::ZERO, W - MILLISECOND, MILLISECOND, MILLISECOND, Duration::from_hours(24)] {
        it.wait(pause);
        assert_eq!(it.client.refresh_with_key(&it.token, KEY).await.refresh_token(), first, "{pause:?}");
    }
    assert_eq!(generation(&it.refresh(&first).await.refresh_token()), 2);
    it.client.refresh_with_key(&it.token, KEY).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn another_key_is_no_key() {
    let it = sign_in().await;
    assert_eq!(it.client.refresh_with_key(&it.token, KEY).await.status, 200);
    it.wait(W);
    it.client.refresh_with_key(&it.token, "another-key-of-22-chars").await.expect_error(400, "invalid_grant");
    assert_eq!(it.status().await, revoked_status());
}

#[tokio::test]
async fn a_key_that_came_within_the_window_is_not_the_rotations_key() {
    let it = sign_in().await;
    assert_eq!(it.refresh(&it.token).await.status, 200);
    assert_eq!(it.client.refresh_with_key(&it.token, KEY).await.status, 200);
    it.wait(W);
    it.client.refresh_with_key(&it.token, KEY).await.expect_error(400, "invalid_grant");
}

// ------------------------------------------------------------------ reuse

#[tokio::test]
async fn the_predecessor_is_theft_from_the_millisecond_the_window_ends() {
    for pause in [W, W + MILLISECOND] {
        let it = sign_in().await;
        let first = it.refresh(&it.token).await.refresh_token();
        it.wait(pause);
        it.refresh(&it.token).await.expect_error(400, "invalid_grant");
        it.refresh(&first).await.expect_error(400, "invalid_grant");
        assert_eq!(it.status().await, revoked_status());
        it.expect_log_line("refresh_reuse", "warn");
    }
}

#[tokio::test]
async fn two_generations_back_is_theft_even_within_the_window() {
    let it = sign_in().await;
    let first = it.rotate(&it.token).await;
    let second = it.refresh(&first).await.refresh_token();
    assert_eq!(it.refresh(&first).await.refresh_token(), second);
    it.refresh(&it.token).await.expect_error(400, "invalid_grant");
    it.refresh(&second).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn theft_ends_this_session_only_and_the_user_signs_in_again_at_once() {
    let it = sign_in().await;
    let elsewhere = it.client.sign_in().await.refresh_token();
    it.rotate(&it.token).await;
    it.refresh(&it.token).await.expect_error(400, "invalid_grant");
    assert_eq!(it.refresh(&elsewhere).await.status, 200);
    assert_eq!(it.client.sign_in().await.status, 200);
}

#[tokio::test]
async fn a_thief_who_came_first_is_caught_by_the_owner() {
    let it = sign_in().await;
    let stolen = it.rotate(&it.token).await;
    let thief = it.rotate(&stolen).await;
    it.refresh(&stolen).await.expect_error(400, "invalid_grant");
    it.refresh(&thief).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn two_rotations_in_one_millisecond_are_told_apart() {
    let it = sign_in_with(&[("REFRESH_RETRY_WINDOW", "0")]).await;
    let first = it.refresh(&it.token).await.refresh_token();
    let second = it.refresh(&first).await.refresh_token();
    assert_eq!(generation(&second), 2);
    it.refresh(&first).await.expect_error(400, "invalid_grant");
    it.refresh(&second).await.expect_error(400, "invalid_grant");
}

// ------------------------------------------------------------------ future

#[tokio::test]
async fn a_token_newer_than_the_table_ends_the_session_and_raises_an_alarm() {
    let it = sign_in().await;
    let first = it.rotate(&it.token).await;
    let mut newer = claims(&first);
    newer["gen"] = 2.into();
    let newer: RefreshClaims = serde_json::from_value(newer).unwrap();
    let keys = keys();
    let newer = sign(&newer, keys.signing_key(Purpose::Refresh, it.stack.clock.now()).unwrap()).unwrap();
    it.refresh(&newer).await.expect_error(400, "invalid_grant");
    it.refresh(&first).await.expect_error(400, "invalid_grant");
    assert_eq!(it.status().await, revoked_status());
    it.expect_log_line("refresh_future", "alarm");
}

// ------------------------------------------------------------------ gone and dead

#[tokio::test]
async fn a_session_that_is_gone_is_not_made_again() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.stack.delete(&it.session).await;
    for token in [&it.token, &first] {
        it.refresh(token).await.expect_error(400, "invalid_grant");
    }
    it.wait(W);
    it.refresh(&first).await.expect_error(400, "invalid_grant");
    assert_eq!(it.stack.item(&it.session).await, None);
}

#[tokio::test]
async fn a_session_ends_when_it_lay_idle_for_too_long() {
    let it = sign_in_with(&[("REFRESH_TOKEN_TTL", "1000")]).await;
    let end = Timestamp::from_seconds(claims(&it.token)["exp"].as_i64().unwrap());
    it.wait(end.duration_since(it.stack.clock.now()) - MILLISECOND);
    let first = it.refresh(&it.token).await.refresh_token();
    let end = Timestamp::from_seconds(claims(&first)["exp"].as_i64().unwrap());
    it.wait(end.duration_since(it.stack.clock.now()));
    it.refresh(&first).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_stored_expiry_counts_whatever_the_token_says() {
    for name in ["idle_expires_at", "absolute_expires_at"] {
        for (from_now, status) in [(1, 200), (0, 400)] {
            let it = sign_in().await;
            let end = it.stack.clock.now().seconds() + from_now;
            it.stack.set(&it.session, name, AttributeValue::N(end.to_string())).await;
            assert_eq!(it.refresh(&it.token).await.status, status, "{name} {from_now}");
        }
    }
}

#[tokio::test]
async fn a_session_ends_at_its_age_however_busy_it_is() {
    let it = sign_in_with(&[("REFRESH_TOKEN_TTL", "1000"), ("SESSION_MAX_AGE", "2000")]).await;
    let mut token = it.token.clone();
    for _ in 0..2 {
        it.wait(Duration::from_secs(900));
        token = it.refresh(&token).await.refresh_token();
    }
    it.wait(Duration::from_secs(200));
    it.refresh(&token).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_revoked_session_stays_dead_for_every_generation() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.stack.set(&it.session, "status", AttributeValue::S("revoked".to_owned())).await;
    for _ in 0..2 {
        for token in [&it.token, &first] {
            it.refresh(token).await.expect_error(400, "invalid_grant");
        }
        it.wait(W);
    }
}

#[tokio::test]
async fn a_user_who_is_disabled_or_has_another_epoch_or_is_gone_gets_no_token() {
    for (name, value) in
        [("status", AttributeValue::S("disabled".to_owned())), ("epoch", AttributeValue::N("1".to_owned()))]
    {
        let it = sign_in().await;
        let first = it.refresh(&it.token).await.refresh_token();
        it.stack.set(&it.user, name, value).await;
        for token in [&it.token, &first] {
            it.refresh(token).await.expect_error(400, "invalid_grant");
        }
        it.wait(W);
        it.refresh(&first).await.expect_error(400, "invalid_grant");
    }
    let it = sign_in().await;
    it.stack.delete(&it.user).await;
    it.refresh(&it.token).await.expect_error(400, "invalid_grant");
}

// ------------------------------------------------------------------ strict single use

#[tokio::test]
async fn without_a_window_every_token_is_good_once() {
    for key in [None, Some(KEY)] {
        let it = sign_in_with(&[("REFRESH_RETRY_WINDOW", "0")]).await;
        let refresh = async |token: &str| match key {
            Some(key) => it.client.refresh_with_key(token, key).await,
            None => it.refresh(token).await,
        };
        let first = refresh(&it.token).await.refresh_token();
        refresh(&it.token).await.expect_error(400, "invalid_grant");
        refresh(&first).await.expect_error(400, "invalid_grant");
        assert_eq!(it.status().await, revoked_status());
    }
}

// ------------------------------------------------------------------ clocks and restarts

#[tokio::test]
async fn an_instance_two_seconds_behind_takes_the_token_for_a_young_one() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.stack.clock.turn_back(Duration::from_secs(2));
    assert_eq!(it.refresh(&first).await.refresh_token(), first);
    assert_eq!(it.refresh(&it.token).await.refresh_token(), first);
}

#[tokio::test]
async fn a_token_from_a_clock_far_ahead_is_refused_and_revokes_nothing() {
    let it = sign_in().await;
    let first = it.refresh(&it.token).await.refresh_token();
    it.stack.clock.turn_back(Duration::from_secs(7));
    it.refresh(&first).await.expect_error(400, "invalid_grant");
    it.wait(Duration::from_secs(7));
    assert_eq!(it.refresh(&first).await.status, 200);
}

/// Starts a stack on a folder, as after a deploy or a crash.
async fn start_in_folder(folder: &tempfile::TempDir, clock: &ManualClock) -> (Stack, Client) {
    let settings = [("TOKEN_ISSUER", "https://auth.example.com")];
    let options = StackOptions {
        storage: Storage::Folder(folder.path().to_owned()),
        keys_file: folder.path().join("keys.json"),
        ..stack_options(&settings, clock.clock(), Log::to(std::io::sink()))
    };
    let stack = Stack::start(options).await.unwrap();
    let client = Client::new(stack.url(), demo::EMAIL, demo::PASSWORD);
    (stack, client)
}

/// All state is in the tables: nothing is lost or forgotten between any two steps.
#[tokio::test]
async fn a_restart_between_every_two_steps_changes_nothing() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::starting_now());
    let refresh = async |token: &str, key: Option<&str>| {
        let (stack, client) = start_in_folder(&folder, &clock).await;
        let response = match key {
            Some(key) => client.refresh_with_key(token, key).await,
            None => client.refresh(token).await,
        };
        stack.stop().await;
        response
    };
    let (stack, client) = start_in_folder(&folder, &clock).await;
    let token = client.sign_in().await.refresh_token();
    stack.stop().await;
    let first = refresh(&token, Some(KEY)).await.refresh_token();
    assert_eq!(refresh(&token, None).await.refresh_token(), first, "a retry");
    assert_eq!(refresh(&first, None).await.refresh_token(), first, "the same");
    clock.advance(W);
    assert_eq!(refresh(&token, Some(KEY)).await.refresh_token(), first, "a retry with the key");
    let second = refresh(&first, None).await.refresh_token();
    assert_eq!(generation(&second), 2);
    refresh(&token, Some(KEY)).await.expect_error(400, "invalid_grant");
    refresh(&second, None).await.expect_error(400, "invalid_grant");
}

/// A table that is restored to an earlier time: newer tokens end their sessions, older ones
/// go on from where the table is.
#[tokio::test]
async fn a_restored_session_goes_on_with_the_token_of_its_time() {
    for is_newer_presented in [true, false] {
        let it = sign_in().await;
        let first = it.rotate(&it.token).await;
        let backup = it.stack.item(&it.session).await.unwrap();
        let second = it.rotate(&first).await;
        for (name, value) in backup {
            it.stack.set(&it.session, &name, value).await;
        }
        if is_newer_presented {
            it.refresh(&second).await.expect_error(400, "invalid_grant");
            it.refresh(&first).await.expect_error(400, "invalid_grant");
            it.expect_log_line("refresh_future", "alarm");
        } else {
            assert_eq!(generation(&it.refresh(&first).await.refresh_token()), 2);
        }
    }
}
