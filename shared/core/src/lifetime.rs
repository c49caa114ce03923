//! How long tokens and sessions last.

use std::time::Duration;

use crate::time::Timestamp;

/// The longest life of an access token that any setting allows. A key is kept for as long as a
/// token that it signed may live, so a higher value would let keys go too early.
pub const MAX_ACCESS_TOKEN_TTL: Duration = Duration::from_hours(24);

/// The longest life of a session, and so of a refresh token, that any setting allows. Keys of
/// refresh tokens are kept by it.
pub const MAX_SESSION_AGE: Duration = Duration::from_hours(365 * 24);

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetime {
    /// Without a rotation.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
}

impl SessionLifetime {
    /// When a session that is opened or rotated `now` expires if nothing more
    /// happens; in whole seconds, as the token that carries it.
    pub fn idle_expiry(self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()) + self.idle
    }

    /// When a session that is opened `now` ends at the latest; in whole seconds.
    pub fn absolute_expiry(self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()) + self.absolute
    }
}

/// The retry window `W`; zero is strict single use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryWindow(Duration);

impl RetryWindow {
    /// The window when none is set: the conformance suite of FAPI 2.0 retries a lost response
    /// after 30 s.
    pub const DEFAULT: Self = Self(Duration::from_secs(60));

    /// A window of this length.
    pub const fn new(length: Duration) -> Self {
        Self(length)
    }

    /// Its length.
    pub const fn length(self) -> Duration {
        self.0
    }

    /// Whether every token may be used once only.
    pub fn is_strict(self) -> bool {
        self.0.is_zero()
    }

    /// The latest rotation that allows another one `now`; `None` when there is no window.
    pub fn latest_rotation_before(self, now: Timestamp) -> Option<Timestamp> {
        (!self.is_strict()).then(|| now - self.0)
    }

    /// Whether a rotation is within the window. A rotation of the future, by the clock of
    /// another instance, counts as one of this moment.
    pub fn contains(self, rotated_at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(rotated_at) < self.0
    }

    /// Whether a token issued at `issued_at` (whole seconds, so never later than the
    /// rotation that made it) surely belongs to a rotation within the window. Never so
    /// without a window, also where a slow clock makes the token one of the future.
    pub fn surely_contains(self, issued_at: Timestamp, now: Timestamp) -> bool {
        !self.is_strict() && now < issued_at + self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINUTE: Duration = Duration::from_secs(60);
    const STRICT: RetryWindow = RetryWindow::new(Duration::ZERO);

    #[test]
    fn only_a_window_of_zero_is_strict() {
        assert!(STRICT.is_strict());
        assert!(!RetryWindow::new(Duration::from_millis(1)).is_strict());
        assert_eq!(STRICT.latest_rotation_before(NOW), None);
        assert_eq!(RetryWindow::new(MINUTE).latest_rotation_before(NOW), Some(NOW - MINUTE));
        assert_eq!(RetryWindow::DEFAULT.length(), MINUTE);
    }

    #[test]
    fn a_window_ends_at_the_millisecond() {
        let window = RetryWindow::new(MINUTE);
        assert!(window.contains(NOW, NOW - MINUTE), "a clock that is behind");
        assert!(window.contains(NOW, NOW + MINUTE - Duration::from_millis(1)));
        assert!(!window.contains(NOW, NOW + MINUTE));
        assert!(!STRICT.contains(NOW, NOW) && !STRICT.contains(NOW, NOW - MINUTE));
    }

    #[test]
    fn a_token_that_surely_cannot_rotate_yet() {
        let window = RetryWindow::new(MINUTE);
        assert!(window.surely_contains(NOW, NOW + Duration::from_secs(59)));
        assert!(!window.surely_contains(NOW, NOW + MINUTE));
        for behind in [0, 2] {
            assert!(!STRICT.surely_contains(NOW, NOW - Duration::from_secs(behind)));
        }
    }

    #[test]
    fn the_longest_lives_are_a_day_and_a_year() {
        assert_eq!(MAX_ACCESS_TOKEN_TTL, Duration::from_secs(86_400));
        assert_eq!(MAX_SESSION_AGE, Duration::from_secs(31_536_000));
    }

    #[test]
    fn sessions_expire_at_whole_seconds() {
        let lifetime = SessionLifetime { idle: MINUTE, absolute: 2 * MINUTE };
        let now = Timestamp::from_millis(NOW.millis() + 999);
        assert_eq!(lifetime.idle_expiry(now), NOW + MINUTE);
        assert_eq!(lifetime.absolute_expiry(now), NOW + 2 * MINUTE);
    }
}
