use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::session::ids::SessionSecret;
use crate::session::state::SessionStatus;
use crate::user::{UserId, UserStatus};

const W: u64 = 60;
const ROTATED_AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn key(text: &str) -> IdempotencyKeyDigest {
    SessionSecret::from_random([1; 16]).idempotency_key_digest(text.as_bytes())
}

/// A session at generation 5, rotated at `ROTATED_AT` with the key "its own".
fn session() -> Session {
    Session {
        user_id: UserId::parse("ada").unwrap(),
        id: SessionSecret::from_random([1; 16]).session_id(),
        generation: Generation(5),
        rotated_at: Some(ROTATED_AT),
        idempotency_key_digest: Some(key("its own")),
        status: SessionStatus::Active,
        epoch: 3,
        created_at: (ROTATED_AT - Duration::from_secs(1000)),
        idle_expires_at: (ROTATED_AT + Duration::from_secs(2_000_000)),
        absolute_expires_at: (ROTATED_AT + Duration::from_secs(3_000_000)),
        device: None,
    }
}

fn window_of(seconds: u64) -> RetryWindow {
    RetryWindow::new(Duration::from_secs(seconds))
}

struct Case {
    generation: u64,
    key: &'static str,
    window: u64,
    session: Option<Session>,
    user: Option<User>,
    age_ms: i64,
}

impl Case {
    /// `generation` presented `age_ms` after the rotation to generation 5, by a client without a key.
    fn of(generation: u64, age_ms: i64) -> Self {
        Self {
            generation,
            key: "another",
            window: W,
            session: Some(session()),
            user: Some(User::ada(Timestamp::from_millis(0))),
            age_ms,
        }
    }

    fn decide(self) -> Decision {
        let presented =
            PresentedToken { generation: Generation(self.generation), idempotency_key_digest: key(self.key) };
        let now = Timestamp::from_millis(ROTATED_AT.millis() + self.age_ms);
        decide(&presented, UpdateOutcome::Unchanged(self.session), self.user.as_ref(), window_of(self.window), now)
    }
}

const INSIDE: i64 = EDGE - 1;
const EDGE: i64 = 60_000;
const OUTSIDE: i64 = EDGE + 1;
const MUCH_LATER: i64 = 86_400_000;

#[test]
fn gone_without_an_item() {
    assert_eq!(Case { session: None, ..Case::of(5, INSIDE) }.decide(), Decision::Gone);
    assert_eq!(Case { session: None, user: None, ..Case::of(5, INSIDE) }.decide(), Decision::Gone);
}

#[test]
fn inactive_when_revoked() {
    for generation in [3, 4, 5, 6] {
        let revoked = Session { status: SessionStatus::Revoked, ..session() };
        assert_eq!(
            Case { session: Some(revoked), ..Case::of(generation, INSIDE) }.decide(),
            Decision::Inactive(InactiveReason::Revoked)
        );
    }
}

#[test]
fn inactive_from_the_millisecond_of_the_idle_expiry() {
    let idle = 2_000_000_000;
    assert_eq!(Case::of(5, idle - 1).decide(), Decision::Conflict);
    assert_eq!(Case::of(5, idle).decide(), Decision::Inactive(InactiveReason::Expired));
    assert_eq!(Case::of(4, idle + 1).decide(), Decision::Inactive(InactiveReason::Expired));
}

#[test]
fn inactive_from_the_millisecond_of_the_absolute_expiry() {
    let long_idle = Session { idle_expires_at: (ROTATED_AT + Duration::from_secs(9_000_000)), ..session() };
    let absolute = 3_000_000_000;
    assert_eq!(
        Case { session: Some(long_idle.clone()), ..Case::of(5, absolute - 1) }.decide(),
        Decision::Conflict
    );
    assert_eq!(
        Case { session: Some(long_idle), ..Case::of(5, absolute) }.decide(),
        Decision::Inactive(InactiveReason::Expired)
    );
}

#[test]
fn inactive_without_an_active_user_of_the_same_epoch() {
    assert_eq!(Case { user: None, ..Case::of(5, INSIDE) }.decide(), Decision::Inactive(InactiveReason::UserGone));
    let disabled = User { status: UserStatus::Disabled, ..User::ada(Timestamp::from_millis(0)) };
    assert_eq!(
        Case { user: Some(disabled), ..Case::of(5, INSIDE) }.decide(),
        Decision::Inactive(InactiveReason::UserDisabled)
    );
    for epoch in [2, 4] {
        let other = User { epoch, ..User::ada(Timestamp::from_millis(0)) };
        assert_eq!(
            Case { user: Some(other), ..Case::of(5, INSIDE) }.decide(),
            Decision::Inactive(InactiveReason::EpochRaised)
        );
    }
}

#[test]
fn inactive_even_when_the_update_was_applied() {
    let presented = PresentedToken { generation: Generation(4), idempotency_key_digest: key("its own") };
    let window = window_of(W);
    let disabled = User { status: UserStatus::Disabled, ..User::ada(Timestamp::from_millis(0)) };
    let decision = decide(&presented, UpdateOutcome::Applied(session()), Some(&disabled), window, ROTATED_AT);
    assert_eq!(decision, Decision::Inactive(InactiveReason::UserDisabled));
}

#[test]
fn rotated_when_the_update_was_applied() {
    let presented = PresentedToken { generation: Generation(4), idempotency_key_digest: key("its own") };
    for window in [0, W] {
        let window = window_of(window);
        let decision = decide(
            &presented,
            UpdateOutcome::Applied(session()),
            Some(&User::ada(Timestamp::from_millis(0))),
            window,
            ROTATED_AT,
        );
        assert_eq!(decision, Decision::Rotated(session()));
    }
}

#[test]
fn same_within_the_window_of_the_rotation() {
    assert_eq!(Case::of(5, 0).decide(), Decision::Same(session()));
    assert_eq!(Case::of(5, INSIDE).decide(), Decision::Same(session()));
}

#[test]
fn conflict_when_the_current_token_could_have_rotated() {
    for age in [EDGE, OUTSIDE, MUCH_LATER] {
        assert_eq!(Case::of(5, age).decide(), Decision::Conflict);
    }
    let never_rotated = Session { rotated_at: None, ..session() };
    assert_eq!(Case { session: Some(never_rotated), ..Case::of(5, 0) }.decide(), Decision::Conflict);
}

#[test]
fn retry_of_the_predecessor_within_the_window() {
    assert_eq!(Case::of(4, 0).decide(), Decision::Retry(session()));
    assert_eq!(Case::of(4, INSIDE).decide(), Decision::Retry(session()));
}

#[test]
fn retry_of_the_predecessor_at_any_time_with_the_key_that_rotated_it() {
    for age_ms in [0, INSIDE, EDGE, OUTSIDE, MUCH_LATER] {
        assert_eq!(Case { key: "its own", ..Case::of(4, age_ms) }.decide(), Decision::Retry(session()));
    }
}

#[test]
fn reuse_of_the_predecessor_after_the_window() {
    for age_ms in [EDGE, OUTSIDE, MUCH_LATER] {
        assert_eq!(Case::of(4, age_ms).decide(), Decision::Reuse);
    }
}

#[test]
fn reuse_two_generations_back_even_within_the_window_and_with_the_key() {
    for age_ms in [0, INSIDE, EDGE, OUTSIDE] {
        assert_eq!(Case::of(3, age_ms).decide(), Decision::Reuse);
        assert_eq!(Case { key: "its own", ..Case::of(3, age_ms) }.decide(), Decision::Reuse);
        assert_eq!(Case::of(0, age_ms).decide(), Decision::Reuse);
    }
}

#[test]
fn future_when_the_token_is_newer_than_the_table() {
    for age_ms in [0, INSIDE, EDGE, OUTSIDE] {
        assert_eq!(Case::of(6, age_ms).decide(), Decision::Future);
        assert_eq!(Case::of(u64::MAX, age_ms).decide(), Decision::Future);
    }
}

#[test]
fn clocks_two_seconds_apart_count_as_age_zero() {
    for age_ms in [-1, -2000] {
        assert_eq!(Case::of(5, age_ms).decide(), Decision::Same(session()));
        assert_eq!(Case::of(4, age_ms).decide(), Decision::Retry(session()));
        assert_eq!(Case::of(3, age_ms).decide(), Decision::Reuse);
    }
}

#[test]
fn without_a_window_only_the_requests_own_key_is_a_retry() {
    for age_ms in [-2000, 0, 1, MUCH_LATER] {
        assert_eq!(Case { window: 0, ..Case::of(4, age_ms) }.decide(), Decision::Reuse);
        assert_eq!(Case { window: 0, key: "its own", ..Case::of(4, age_ms) }.decide(), Decision::Retry(session()));
        assert_eq!(Case { window: 0, ..Case::of(5, age_ms) }.decide(), Decision::Conflict);
    }
}

proptest! {
    /// Whatever is presented when, at most two generations of a session are worth a
    /// token, both lead to the current generation, and only an old one revokes.
    #[test]
    fn at_most_two_generations_are_redeemable(
        generation in 0u64..10,
        age_ms in -10_000i64..200_000,
        window in 0u64..120,
        own_key: bool,
    ) {
        let key = if own_key { "its own" } else { "another" };
        match (Case { key, window, ..Case::of(generation, age_ms) }).decide() {
            Decision::Same(seen) => prop_assert!(generation == 5 && seen.generation.0 == 5),
            Decision::Retry(seen) => prop_assert!(generation == 4 && seen.generation.0 == 5),
            Decision::Conflict => prop_assert_eq!(generation, 5),
            Decision::Reuse => prop_assert!(generation < 5),
            Decision::Future => prop_assert!(generation > 5),
            other @ (Decision::Gone | Decision::Inactive(_) | Decision::Rotated(_)) => prop_assert!(false, "{:?}", other),
        }
    }

    /// The condition of the update and the decision agree on when a window ends.
    #[test]
    fn the_condition_and_the_decision_agree(age_ms in -5_000i64..130_000, window in 1u64..120) {
        let window = window_of(window);
        let now = Timestamp::from_millis(ROTATED_AT.millis() + age_ms);
        let may_rotate = window.latest_rotation_before(now).is_some_and(|latest| ROTATED_AT <= latest);
        prop_assert_eq!(may_rotate, !session().is_within(window, now));
    }
}
