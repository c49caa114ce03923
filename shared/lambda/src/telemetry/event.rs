//! The events: the closed list of what can happen.
//!
//! The names are in the style of OWASP's logging vocabulary: what it is about, then what
//! became of it.

use relatch_store::Failure;

/// How much an event asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the record.
    Info,
    /// Someone may be doing something they should not, or something passing is wrong.
    Warn,
    /// Something is broken, or looks like a break-in: raises an alarm.
    Alarm,
}

impl Level {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Alarm => "alarm",
        }
    }
}

/// Whether CloudWatch counts an event. Each that it does is a metric, which costs money.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Metric {
    Counted,
    Uncounted,
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $level:ident, $metric:ident;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Event {
            $($(#[$doc])* $variant,)*
        }

        impl Event {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            fn row(self) -> (&'static str, Level, Metric) {
                match self {
                    $(Self::$variant => ($name, Level::$level, Metric::$metric),)*
                }
            }
        }
    };
}

events! {
    /// A user signed in.
    SigninSuccess = "signin_success", Info, Counted;
    /// The email and the password do not belong together, for whichever reason.
    SigninFail = "signin_fail", Info, Counted;
    /// Too many passwords were tried; this one was not compared.
    SigninThrottled = "signin_throttled", Warn, Counted;
    /// A costlier hash of the same password was stored.
    PasswordRehashed = "password_rehashed", Info, Uncounted;
    /// A stored hash is not run.
    PasswordHashUnusable = "password_hash_unusable", Alarm, Counted;
    /// A session was rotated.
    RefreshRotated = "refresh_rotated", Info, Counted;
    /// The current token came again within the window.
    RefreshSame = "refresh_same", Info, Uncounted;
    /// A rotation was repeated.
    RefreshRetry = "refresh_retry", Info, Uncounted;
    /// A token that had been rotated away came back, and the session was ended.
    RefreshReuse = "refresh_reuse", Warn, Counted;
    /// A token was newer than the table, and the session was ended.
    RefreshFuture = "refresh_future", Alarm, Counted;
    /// The session, or the token, had expired.
    RefreshExpired = "refresh_expired", Info, Uncounted;
    /// The session was ended before, or its user may not refresh.
    RefreshRevoked = "refresh_revoked", Info, Uncounted;
    /// The token is none of ours.
    RefreshInvalid = "refresh_invalid", Info, Counted;
    /// A session was ended by its user.
    SignoutSession = "signout_session", Info, Uncounted;
    /// All sessions of a user were.
    SignoutEverywhere = "signout_everywhere", Info, Uncounted;
    /// The token said nothing; nothing was ended.
    SignoutNothing = "signout_nothing", Info, Uncounted;
    /// A session was ended from another one.
    SessionEnded = "session_ended", Info, Uncounted;
    /// A session was one too many.
    SessionEvicted = "session_evicted", Info, Uncounted;
    /// A user read their list of sessions.
    SessionsListed = "sessions_listed", Info, Uncounted;
    /// A user ended one or all other sessions.
    SessionsEnded = "sessions_ended", Info, Uncounted;
    /// A guarded route was called with a good access token.
    AccessGranted = "access_granted", Info, Uncounted;
    /// It was called with one that was good until it expired: every client's daily life.
    AccessExpired = "access_expired", Info, Uncounted;
    /// It was called without a good one.
    AccessRefused = "access_refused", Info, Counted;
    /// A good access token had not the scope.
    AccessDenied = "access_denied", Info, Uncounted;
    /// The public keys or the metadata were read.
    MetadataServed = "metadata_served", Info, Uncounted;
    /// The form of a request was wrong.
    InputRefused = "input_refused", Info, Uncounted;
    /// Keys were loaded that are not those in hand.
    KeysLoaded = "keys_loaded", Info, Uncounted;
    /// A step of a rotation was done.
    RotationStep = "rotation_step", Info, Uncounted;
    /// Keys cannot be loaded again; those in hand serve for a day.
    KeysStale = "keys_stale", Alarm, Counted;
    /// There are no keys.
    KeysMissing = "keys_missing", Alarm, Counted;
    /// A call to the store failed on which the answer does not depend.
    StoreTrouble = "store_trouble", Warn, Uncounted;
    /// Something did not answer in time: 503.
    Unavailable = "unavailable", Warn, Counted;
    /// Something is wrong that no retry mends: 500.
    Failed = "failed", Alarm, Counted;
    /// Settings are missing or wrong.
    ConfigInvalid = "config_invalid", Alarm, Counted;
}

impl Event {
    /// A request that ends because something failed.
    pub fn from_failure(failure: &Failure) -> Self {
        match failure {
            Failure::Unavailable(_) => Self::Unavailable,
            Failure::Internal(_) => Self::Failed,
        }
    }

    /// Its name in the log.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// How much it asks for.
    pub fn level(self) -> Level {
        self.row().1
    }

    /// Whether CloudWatch counts it.
    pub fn is_counted(self) -> bool {
        self.row().2 == Metric::Counted
    }

    /// Whether strangers can make it happen as often as they like.
    pub fn can_flood(self) -> bool {
        match self {
            Self::SigninFail
            | Self::SigninThrottled
            | Self::RefreshExpired
            | Self::RefreshRevoked
            | Self::RefreshInvalid
            | Self::SignoutNothing
            | Self::AccessExpired
            | Self::AccessRefused
            | Self::AccessDenied
            | Self::MetadataServed
            | Self::InputRefused
            | Self::StoreTrouble
            | Self::Unavailable => true,
            Self::SigninSuccess
            | Self::PasswordRehashed
            | Self::PasswordHashUnusable
            | Self::RefreshRotated
            | Self::RefreshSame
            | Self::RefreshRetry
            | Self::RefreshReuse
            | Self::RefreshFuture
            | Self::SignoutSession
            | Self::SignoutEverywhere
            | Self::SessionEnded
            | Self::SessionEvicted
            | Self::SessionsListed
            | Self::SessionsEnded
            | Self::AccessGranted
            | Self::KeysLoaded
            | Self::RotationStep
            | Self::KeysStale
            | Self::KeysMissing
            | Self::Failed
            | Self::ConfigInvalid => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alarm_is_counted_and_no_name_is_used_twice() {
        let mut names: Vec<_> = Event::ALL.iter().map(|event| event.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Event::ALL.len());
        for event in Event::ALL.iter().filter(|event| event.level() == Level::Alarm) {
            assert!(event.is_counted() && !event.can_flood(), "{event:?}");
        }
    }
}
