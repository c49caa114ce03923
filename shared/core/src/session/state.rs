//! A session as the table holds it.

use crate::lifetime::{RetryWindow, SessionLifetime};
use crate::session::ids::{Generation, IdempotencyKeyDigest, SessionId};
use crate::time::Timestamp;
use crate::user::{User, UserId, UserStatus};

/// Whether a session may still be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStatus {
    /// It may, until it expires.
    Active,
    /// It was ended. Sessions are only ever marked: a late second delivery of the
    /// write that opened one cannot bring it back.
    Revoked,
}

/// Who or what ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The user: signed out, or ended it from another session.
    User,
    /// A token of it that had been rotated away came back.
    Reuse,
    /// A token of it was newer than the table.
    Future,
    /// The user's own later sign-ins: it was one too many.
    Evicted,
}

/// Why a session may not be refreshed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    /// It was ended.
    Revoked,
    /// It lay idle for too long, or reached its greatest age.
    Expired,
    /// Its user is not there any more.
    UserGone,
    /// Its user is disabled.
    UserDisabled,
    /// All of its user's sessions were ended: signed out everywhere, or a new password.
    EpochRaised,
}

impl InactiveReason {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UserGone => "user_gone",
            Self::UserDisabled => "user_disabled",
            Self::EpochRaised => "epoch_raised",
        }
    }
}

/// A session as the table holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose session it is.
    pub user_id: UserId,
    /// Its id.
    pub id: SessionId,
    /// The generation whose token is current.
    pub generation: Generation,
    /// When it was last rotated; `None` until the first time.
    pub rotated_at: Option<Timestamp>,
    /// The key of the request that rotated it last.
    pub idempotency_key_digest: Option<IdempotencyKeyDigest>,
    /// Whether it was ended.
    pub status: SessionStatus,
    /// The user's epoch when it was opened.
    pub epoch: u64,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When it ends if it is not rotated before.
    pub idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    pub absolute_expires_at: Timestamp,
    /// The `User-Agent` of the sign-in, shortened, for the user's list of sessions.
    pub device: Option<String>,
}

impl Session {
    /// The longest `device`, in bytes.
    pub const MAX_DEVICE_BYTES: usize = 128;

    /// How many live sessions a user may have.
    pub const MAX_LIVE: usize = 50;

    /// Opens a session at generation 0 for a user who just signed in.
    pub fn open(
        user: &User,
        id: SessionId,
        lifetime: SessionLifetime,
        device: Option<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            user_id: user.id.clone(),
            id,
            generation: Generation(0),
            rotated_at: None,
            idempotency_key_digest: None,
            status: SessionStatus::Active,
            epoch: user.epoch,
            created_at: now,
            idle_expires_at: lifetime.idle_expiry(now),
            absolute_expires_at: lifetime.absolute_expiry(now),
            device,
        }
    }

    /// When the current generation came to be: the `iat` of its token.
    pub fn issued_at(&self) -> Timestamp {
        self.rotated_at.unwrap_or(self.created_at)
    }

    /// When the current generation's token expires: its `exp`.
    pub fn expires_at(&self) -> Timestamp {
        self.idle_expires_at.min(self.absolute_expires_at)
    }

    /// Whether it may be used by its user: active, not expired, of the user's epoch.
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.inactive_reason(Some(user), now).is_none()
    }

    /// Why it may not be used, if it may not.
    pub fn inactive_reason(&self, user: Option<&User>, now: Timestamp) -> Option<InactiveReason> {
        let Some(user) = user else { return Some(InactiveReason::UserGone) };
        if self.status != SessionStatus::Active {
            Some(InactiveReason::Revoked)
        } else if now >= self.expires_at() {
            Some(InactiveReason::Expired)
        } else if user.status != UserStatus::Active {
            Some(InactiveReason::UserDisabled)
        } else if user.epoch != self.epoch {
            Some(InactiveReason::EpochRaised)
        } else {
            None
        }
    }

    /// Whether its last rotation is within the retry window.
    pub(super) fn is_within(&self, window: RetryWindow, now: Timestamp) -> bool {
        self.rotated_at.is_some_and(|rotated_at| window.contains(rotated_at, now))
    }
}

/// The sessions that must end before another one begins, so that a user has at most
/// [`Session::MAX_LIVE`]: the oldest of the live ones.
pub fn sessions_to_evict(mut sessions: Vec<Session>, user: &User, now: Timestamp) -> Vec<Session> {
    sessions.retain(|session| session.is_live(user, now));
    sessions.sort_by_key(|session| session.created_at);
    let excess = (sessions.len() + 1).saturating_sub(Session::MAX_LIVE);
    sessions.truncate(excess);
    sessions
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::ids::SessionSecret;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    /// A session that was opened so many seconds ago.
    fn session(seconds_ago: u64) -> Session {
        let hour = Duration::from_hours(1);
        let lifetime = SessionLifetime { idle: hour, absolute: hour };
        let opened_at = NOW - Duration::from_secs(seconds_ago);
        Session::open(&User::ada(NOW), SessionSecret::from_random([1; 16]).session_id(), lifetime, None, opened_at)
    }

    #[test]
    fn each_reason_has_its_name_in_the_log() {
        use InactiveReason::{EpochRaised, Expired, Revoked, UserDisabled, UserGone};
        let names = [Revoked, Expired, UserGone, UserDisabled, EpochRaised].map(InactiveReason::name);
        assert_eq!(names, ["revoked", "expired", "user_gone", "user_disabled", "epoch_raised"]);
    }

    #[test]
    fn the_oldest_live_sessions_are_evicted() {
        let ended = |seconds_ago| Session { status: SessionStatus::Revoked, ..session(seconds_ago) };
        let sessions = |live: u64| (0..live).map(session).chain((0..9).map(ended)).collect();
        let max = u64::try_from(Session::MAX_LIVE).unwrap();
        assert_eq!(sessions_to_evict(sessions(max - 1), &User::ada(NOW), NOW), [], "one more fits");
        assert_eq!(
            sessions_to_evict(sessions(max + 1), &User::ada(NOW), NOW),
            [session(max), session(max - 1)],
            "the oldest first"
        );
    }
}
