//! Time: one type for instants, one place where the clock is read.
//!
//! Every decision takes `now` as an argument, so that it is tested without a
//! clock. A handler reads its [`Clock`] once for a request and hands the
//! [`Timestamp`] down.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};

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

    /// The instant `seconds` later.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// The instant `seconds` earlier.
    pub const fn minus_seconds(self, seconds: i64) -> Self {
        self.plus_seconds(seconds.saturating_neg())
    }

    /// The second as text, such as `2026-03-10T09:24:15Z` (RFC 3339).
    pub fn to_rfc3339(self) -> String {
        let text = DateTime::from_secs(self.seconds()).fmt(DateTimeFormat::DateTime);
        text.unwrap_or_else(|_| self.seconds().to_string())
    }

    /// The day in UTC as text, such as `2026-03-10`.
    pub fn to_day(self) -> String {
        let text = self.to_rfc3339();
        text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
    }

    /// Milliseconds from `earlier` to this instant; negative if `earlier` is later.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
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
        assert_eq!(Timestamp::from_millis(i64::MAX).plus_seconds(1).millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(i64::MIN).minus_seconds(i64::MIN).millis(), -1);
        assert_eq!(Timestamp::from_millis(i64::MAX).millis_since(Timestamp::from_millis(i64::MIN)), i64::MAX);
    }
}
