use super::*;
use proptest::prelude::*;

const W: i64 = 60;
const ROTATED_AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn key(text: &str) -> RetryKeyDigest {
    SessionSecret([1; 16]).retry_key_digest(text.as_bytes())
}

/// A session at generation 5, rotated at `ROTATED_AT` with the key "its own".
fn session() -> Session {
    Session {
        user_id: UserId::parse("ada").unwrap(),
        id: SessionSecret([1; 16]).session_id(),
        generation: Generation(5),
        rotated_at: Some(ROTATED_AT),
        retry_key_digest: Some(key("its own")),
        status: SessionStatus::Active,
        epoch: 3,
        created_at: ROTATED_AT.minus_seconds(1000),
        idle_expires_at: ROTATED_AT.plus_seconds(2_000_000),
        absolute_expires_at: ROTATED_AT.plus_seconds(3_000_000),
        device: None,
    }
}

struct Case {
    generation: u64,
    key: &'static str,
    window: i64,
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
        let presented = Presented { generation: Generation(self.generation), retry_key_digest: key(self.key) };
        let now = Timestamp::from_millis(ROTATED_AT.millis() + self.age_ms);
        decide(
            &presented,
            Seen::Unchanged(self.session),
            self.user.as_ref(),
            Window::from_seconds(self.window),
            now,
        )
    }
}

const INSIDE: i64 = W * 1000 - 1;
const EDGE: i64 = W * 1000;
const OUTSIDE: i64 = W * 1000 + 1;
const MUCH_LATER: i64 = 86_400_000;

#[test]
fn gone_without_an_item() {
    assert_eq!(Case { session: None, ..Case::of(5, INSIDE) }.decide(), Decision::Gone);
    assert_eq!(Case { session: None, user: None, ..Case::of(5, INSIDE) }.decide(), Decision::Gone);
}

#[test]
fn dead_when_revoked() {
    for generation in [3, 4, 5, 6] {
        let revoked = Session { status: SessionStatus::Revoked, ..session() };
        assert_eq!(
            Case { session: Some(revoked), ..Case::of(generation, INSIDE) }.decide(),
            Decision::Dead(Death::Revoked)
        );
    }
}

#[test]
fn dead_from_the_millisecond_of_the_idle_expiry() {
    let idle = 2_000_000_000;
    assert_eq!(Case::of(5, idle - 1).decide(), Decision::Raced);
    assert_eq!(Case::of(5, idle).decide(), Decision::Dead(Death::Expired));
    assert_eq!(Case::of(4, idle + 1).decide(), Decision::Dead(Death::Expired));
}

#[test]
fn dead_from_the_millisecond_of_the_absolute_expiry() {
    let long_idle = Session { idle_expires_at: ROTATED_AT.plus_seconds(9_000_000), ..session() };
    let absolute = 3_000_000_000;
    assert_eq!(Case { session: Some(long_idle.clone()), ..Case::of(5, absolute - 1) }.decide(), Decision::Raced);
    assert_eq!(
        Case { session: Some(long_idle), ..Case::of(5, absolute) }.decide(),
        Decision::Dead(Death::Expired)
    );
}

#[test]
fn dead_without_an_active_user_of_the_same_epoch() {
    assert_eq!(Case { user: None, ..Case::of(5, INSIDE) }.decide(), Decision::Dead(Death::UserGone));
    let disabled = User { status: UserStatus::Disabled, ..User::ada(Timestamp::from_millis(0)) };
    assert_eq!(Case { user: Some(disabled), ..Case::of(5, INSIDE) }.decide(), Decision::Dead(Death::UserDisabled));
    for epoch in [2, 4] {
        let other = User { epoch, ..User::ada(Timestamp::from_millis(0)) };
        assert_eq!(Case { user: Some(other), ..Case::of(5, INSIDE) }.decide(), Decision::Dead(Death::EpochRaised));
    }
}

#[test]
fn dead_even_when_the_update_was_applied() {
    let presented = Presented { generation: Generation(4), retry_key_digest: key("its own") };
    let window = Window::from_seconds(W);
    let disabled = User { status: UserStatus::Disabled, ..User::ada(Timestamp::from_millis(0)) };
    let decision = decide(&presented, Seen::Applied(session()), Some(&disabled), window, ROTATED_AT);
    assert_eq!(decision, Decision::Dead(Death::UserDisabled));
}

#[test]
fn rotated_when_the_update_was_applied() {
    let presented = Presented { generation: Generation(4), retry_key_digest: key("its own") };
    for window in [0, W] {
        let window = Window::from_seconds(window);
        let decision = decide(
            &presented,
            Seen::Applied(session()),
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
fn raced_when_the_current_token_could_have_rotated() {
    for age in [EDGE, OUTSIDE, MUCH_LATER] {
        assert_eq!(Case::of(5, age).decide(), Decision::Raced);
    }
    let never_rotated = Session { rotated_at: None, ..session() };
    assert_eq!(Case { session: Some(never_rotated), ..Case::of(5, 0) }.decide(), Decision::Raced);
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
        assert_eq!(Case { window: 0, ..Case::of(5, age_ms) }.decide(), Decision::Raced);
    }
}

#[test]
fn only_a_window_of_zero_is_strict() {
    assert!(Window::from_seconds(0).is_strict() && Window::from_seconds(-1).is_strict());
    assert!(!Window::from_seconds(1).is_strict());
    assert_eq!(Window::from_seconds(0).latest_rotation_before(ROTATED_AT), None);
    assert_eq!(Window::from_seconds(W).latest_rotation_before(ROTATED_AT), Some(ROTATED_AT.minus_seconds(W)));
}

#[test]
fn the_session_id_is_the_cut_digest_of_the_secret() {
    // printf 'AAAAAAAAAAAAAAAA' | openssl dgst -sha256 -binary | basenc --base64url | cut -c1-22
    assert_eq!(SessionSecret([b'A'; 16]).session_id().as_str(), "mRIE-6K2IW1HYoLTdauI0g");
}

#[test]
fn a_retry_key_is_stored_as_the_digest_of_secret_and_key() {
    // printf 'AAAAAAAAAAAAAAAAkey' | openssl dgst -sha256 -binary | basenc --base64url | tr -d =
    let stored = SessionSecret([b'A'; 16]).retry_key_digest(b"key");
    assert_eq!(stored.as_str(), "L-zZni8LoGiL8zG7-BlJ8JSrPme9xpJO0AHPf5ZuJlU");
    assert_eq!(RetryKeyDigest::from_stored(stored.as_str().to_owned()), stored);
}

#[test]
fn the_form_of_a_session_id() {
    for good in ["A".repeat(22), "az09-_AZ-_az09-_AZ-_az".to_owned()] {
        assert_eq!(SessionId::parse(&good).map(|id| id.as_str().to_owned()), Some(good));
    }
    for bad in [String::new(), "A".repeat(21), "A".repeat(23), format!("{}+", "A".repeat(21)), "é".repeat(11)] {
        assert_eq!(SessionId::parse(&bad), None, "{bad:?}");
    }
}

#[test]
fn a_secret_has_one_text() {
    let secret = SessionSecret::from_random([9; 16]);
    assert_eq!(SessionSecret::parse(&secret.expose()), Some(secret.clone()));
    for text in ["", "AAAA", &format!("{}=", secret.expose()), &format!("{}A", secret.expose()), &"!".repeat(22)] {
        assert_eq!(SessionSecret::parse(text), None, "{text:?}");
    }
    assert_eq!(format!("{secret:?}"), "SessionSecret(…)");
}

#[test]
fn the_form_of_an_idempotency_key() {
    for good in ["A".repeat(22), "a-_0".repeat(16), "550e8400-e29b-41d4-a716-446655440000".to_owned()] {
        let key = IdempotencyKey::parse(&good).unwrap();
        assert_eq!(key.as_bytes(), good.as_bytes());
        assert_eq!(format!("{key:?}"), "IdempotencyKey(…)");
    }
    for bad in [String::new(), "A".repeat(21), "A".repeat(65), format!("{} ", "A".repeat(22)), "ä".repeat(22)] {
        assert!(IdempotencyKey::parse(&bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_token_that_surely_cannot_rotate_yet() {
    let window = Window::from_seconds(W);
    let issued_at = Timestamp::from_seconds(ROTATED_AT.seconds());
    assert!(window.surely_contains(issued_at, issued_at.plus_seconds(W - 1)));
    assert!(!window.surely_contains(issued_at, issued_at.plus_seconds(W)));
    for behind in [0, 2] {
        assert!(!Window::from_seconds(0).surely_contains(issued_at, issued_at.minus_seconds(behind)));
    }
}

#[test]
fn of_a_users_live_sessions_the_oldest_are_too_many() {
    let number = |n: i64| Session { created_at: ROTATED_AT.minus_seconds(n), ..session() };
    let ended = |n| Session { status: SessionStatus::Revoked, ..number(n) };
    let most = i64::try_from(Session::MOST_LIVE).unwrap();
    let of = |live: i64| (0..live).map(number).chain((0..9).map(ended)).collect();
    assert_eq!(surplus(of(most - 1), &User::ada(Timestamp::from_millis(0)), ROTATED_AT), [], "one more fits");
    assert_eq!(
        surplus(of(most + 1), &User::ada(Timestamp::from_millis(0)), ROTATED_AT),
        [number(most), number(most - 1)]
    );
}

proptest! {
    /// Whatever is presented when, at most two generations of a session are worth a
    /// token, both lead to the current generation, and only an old one revokes.
    #[test]
    fn at_most_two_generations_are_redeemable(
        generation in 0u64..10,
        age_ms in -10_000i64..200_000,
        window in 0i64..120,
        own_key: bool,
    ) {
        let key = if own_key { "its own" } else { "another" };
        match (Case { key, window, ..Case::of(generation, age_ms) }).decide() {
            Decision::Same(seen) => prop_assert!(generation == 5 && seen.generation.0 == 5),
            Decision::Retry(seen) => prop_assert!(generation == 4 && seen.generation.0 == 5),
            Decision::Raced => prop_assert_eq!(generation, 5),
            Decision::Reuse => prop_assert!(generation < 5),
            Decision::Future => prop_assert!(generation > 5),
            other @ (Decision::Gone | Decision::Dead(_) | Decision::Rotated(_)) => prop_assert!(false, "{:?}", other),
        }
    }

    /// The condition of the update and the decision agree on when a window ends.
    #[test]
    fn the_condition_and_the_decision_agree(age_ms in -5_000i64..130_000, window in 1i64..120) {
        let window = Window::from_seconds(window);
        let now = Timestamp::from_millis(ROTATED_AT.millis() + age_ms);
        let may_rotate = window.latest_rotation_before(now).is_some_and(|latest| ROTATED_AT <= latest);
        prop_assert_eq!(may_rotate, !session().is_within(window, now));
    }
}
