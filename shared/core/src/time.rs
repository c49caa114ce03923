//! Time: one type for instants, one place where the clock is read.
//!
//! Every decision takes `now` as an argument, so that it is tested without a
//! clock. A handler reads its [`Clock`] once for a request and passes the
//! [`Timestamp`] down.

use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates: an absurd value from outside moves to the end of the
/// scale and is then refused by a comparison, instead of wrapping around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `milliseconds` after the epoch.
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// The instant `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The second as text, such as `2026-03-10T09:24:15Z` (RFC 3339).
    pub fn to_rfc3339(self) -> String {
        let instant = OffsetDateTime::from_unix_timestamp(self.seconds());
        instant
            .ok()
            .and_then(|instant| instant.format(&Rfc3339).ok())
            .unwrap_or_else(|| self.seconds().to_string())
    }

    /// The day in UTC as text, such as `2026-03-10`.
    pub fn to_day(self) -> String {
        let text = self.to_rfc3339();
        text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
    }

    /// How long after `earlier` this instant is; zero if `earlier` is later, as the clocks of
    /// two instances can have it.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Where a handler reads the time: the system's clock, or any other source.
///
/// A function or a test that owns the source decides what time it is; nothing
/// else in the crate asks the operating system.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The operating system's wall clock.
    pub fn system() -> Self {
        Self::from_fn(|| {
            #[expect(clippy::disallowed_methods, reason = "the one home of the system's clock")]
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// A clock that asks `source` each time.
    pub fn from_fn(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(source))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_down_also_before_the_epoch() {
        assert_eq!(Timestamp::from_millis(1999).seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    }

    #[test]
    fn an_instant_as_text() {
        let leap_day = Timestamp::from_millis(951_782_399_999);
        assert_eq!(
            (leap_day.to_rfc3339().as_str(), leap_day.to_day().as_str()),
            ("2000-02-28T23:59:59Z", "2000-02-28")
        );
        assert_eq!(Timestamp::from_seconds(951_782_400).to_day(), "2000-02-29");
        assert!(!Timestamp::from_millis(i64::MAX).to_day().is_empty());
        assert!(!Timestamp::from_millis(i64::MIN).to_day().is_empty());
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::from_seconds(i64::MAX).millis(), i64::MAX);
        let (first, last) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        assert_eq!(last + Duration::from_secs(1), last);
        assert_eq!(first - Duration::from_secs(1), first);
        assert_eq!(first + Duration::MAX, Timestamp::from_millis(-1));
        assert_eq!(last.duration_since(first), Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn a_duration_since_a_later_instant_is_zero() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let later = now + Duration::from_millis(1500);
        assert_eq!(later.duration_since(now), Duration::from_millis(1500));
        assert_eq!(now.duration_since(later), Duration::ZERO);
        assert_eq!(later - Duration::from_millis(1500), now);
    }
}
