//! A session, and the decision what a presented refresh token is worth.
//!
//! # The policy
//!
//! A session item holds a generation counter; a refresh token names (session,
//! generation). Trading the current generation's token rotates the session: the
//! counter goes up by one, and the successor token is *derived* from the item, not
//! stored, so that whoever repeats the request gets the very same one. A token of
//! an earlier generation is theft, with two exceptions that honest clients need:
//! a retry within the *window* `W` of the rotation (a lost answer, a second tab),
//! and, at any later time, a retry that carries the idempotency key with which the
//! rotation was made, which a thief who has only the token does not know.
//!
//! The window is anchored at the rotation, so repeating does not extend it. There
//! is at most one rotation per window: within it the current token itself is
//! answered with the same token again. Otherwise two tabs that take turns would
//! outrun each other and look like theft. Only the immediate predecessor is
//! inside the window: two generations back is theft even then.
//!
//! ```text
//!  presented generation g,           the update  g → g+1  is applied if the session is
//!  seen item at generation G         active, at g, and its last rotation is W ago or more
//!
//!        no item ──────────────────────────────────────────────► Gone      invalid_grant
//!        revoked · expired · user not active · epoch differs ──► Dead      invalid_grant
//!        update applied ───────────────────────────────────────► Rotated   token g+1
//!        G = g     and within W of the rotation ───────────────► Same      token g
//!        G = g + 1 and (within W, or the rotation's own key) ──► Retry     token g+1
//!        G > g     otherwise ──────────────────────────────────► Reuse     revoke
//!        G < g     (a restored table) ─────────────────────────► Future    revoke, alarm
//!        G = g     otherwise (it changed in between) ──────────► Raced     ask again
//! ```
//!
//! "Within `W`" is `now − rotated_at < W`, a negative age (clocks of two instances)
//! counting as 0. With `W` = 0, strict single use, the time clauses are absent.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroize;

use crate::encoding;
use crate::time::Timestamp;
use crate::user::{User, UserId, UserStatus};

/// The 128 random bits that travel only inside a session's refresh tokens.
///
/// The session's id is derived from it, so neither a dump of the table, nor an
/// access token, nor the key that signs refresh tokens is enough to forge one.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret([u8; 16]);

impl SessionSecret {
    /// The secret made of random bytes.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// Reads the secret from its form in a refresh token.
    pub fn parse(text: &str) -> Option<Self> {
        encoding::decode(text)?.try_into().ok().map(Self)
    }

    /// Its form in a refresh token, 22 characters of base64url.
    pub fn expose(&self) -> String {
        encoding::encode(self.0)
    }

    /// The id of the session that this secret opens.
    pub fn session_id(&self) -> SessionId {
        let mut id = encoding::encode(digest(&SHA256, &self.0));
        id.truncate(SessionId::LENGTH);
        SessionId(id)
    }

    /// The digest under which a retry key is stored: SHA-256(secret ‖ key). The
    /// secret has a fixed length, so no two pairs share an input.
    pub fn retry_key_digest(&self, key: &[u8]) -> RetryKeyDigest {
        let mut input = self.0.to_vec();
        input.extend_from_slice(key);
        let key_digest = encoding::encode(digest(&SHA256, &input));
        input.zeroize();
        RetryKeyDigest(key_digest)
    }
}

impl Drop for SessionSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// The `sid` of a session: `base64url(SHA-256(secret))` cut to 22 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// 22 characters of base64url: 132 bits.
    const LENGTH: usize = 22;

    /// Reads an id; `None` when it has not the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == Self::LENGTH && text.bytes().all(is_base64url)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How often a session was rotated: 0 at sign-in, one more with every rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation that a rotation leads to.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// SHA-256 of the session's secret and the key of the request that rotated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryKeyDigest(String);

impl RetryKeyDigest {
    /// The digest as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a digest as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// The `Idempotency-Key` of a refresh: a random value that belongs to the token it
/// is sent with, so that a lost answer can be asked for again at any time.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key: 22 to 64 of `A–Z a–z 0–9 - _`, which holds 128 random bits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        ((22..=64).contains(&text.len()) && text.bytes().all(is_allowed)).then(|| Self(text.to_owned()))
    }

    /// The bytes that are hashed with the session's secret.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(…)")
    }
}

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
    Surplus,
}

/// Why a session may not be refreshed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
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

impl Death {
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
    pub retry_key_digest: Option<RetryKeyDigest>,
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
    pub const MOST_LIVE: usize = 50;

    /// Opens a session at generation 0 for a user who just signed in.
    pub fn open(user: &User, id: SessionId, lifetime: Lifetime, device: Option<String>, now: Timestamp) -> Self {
        Self {
            user_id: user.id.clone(),
            id,
            generation: Generation(0),
            rotated_at: None,
            retry_key_digest: None,
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
        self.death(Some(user), now).is_none()
    }

    /// Why it may not be used, if it may not.
    pub fn death(&self, user: Option<&User>, now: Timestamp) -> Option<Death> {
        let Some(user) = user else { return Some(Death::UserGone) };
        if self.status != SessionStatus::Active {
            Some(Death::Revoked)
        } else if now >= self.expires_at() {
            Some(Death::Expired)
        } else if user.status != UserStatus::Active {
            Some(Death::UserDisabled)
        } else if user.epoch != self.epoch {
            Some(Death::EpochRaised)
        } else {
            None
        }
    }

    fn is_within(&self, window: Window, now: Timestamp) -> bool {
        self.rotated_at.is_some_and(|rotated_at| now.millis_since(rotated_at).max(0) < window.millis())
    }
}

/// The sessions that must end before another one begins, so that a user has at most
/// [`Session::MOST_LIVE`]: the oldest of the live ones.
pub fn surplus(mut sessions: Vec<Session>, user: &User, now: Timestamp) -> Vec<Session> {
    sessions.retain(|session| session.is_live(user, now));
    sessions.sort_by_key(|session| session.created_at);
    let surplus = (sessions.len() + 1).saturating_sub(Session::MOST_LIVE);
    sessions.truncate(surplus);
    sessions
}

/// How long sessions last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// Seconds without a rotation.
    pub idle: i64,
    /// Seconds in all.
    pub absolute: i64,
}

impl Lifetime {
    /// When a session that is opened or rotated `now` expires if nothing more
    /// happens; in whole seconds, as the token that carries it.
    pub fn idle_expiry(self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()).plus_seconds(self.idle)
    }

    fn absolute_expiry(self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()).plus_seconds(self.absolute)
    }
}

/// The retry window `W`, in seconds; 0 is strict single use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    seconds: i64,
}

impl Window {
    /// A window of so many seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds: seconds.max(0) }
    }

    /// Whether every token may be used once only.
    pub fn is_strict(self) -> bool {
        self.seconds == 0
    }

    /// The latest rotation that allows another one `now`; `None` when there is no window.
    pub fn latest_rotation_before(self, now: Timestamp) -> Option<Timestamp> {
        (!self.is_strict()).then(|| now.minus_seconds(self.seconds))
    }

    /// Whether a token issued at `issued_at` (whole seconds, so never later than the
    /// rotation that made it) surely belongs to a rotation within the window. Never so
    /// without a window, also where a slow clock makes the token one of the future.
    pub fn surely_contains(self, issued_at: Timestamp, now: Timestamp) -> bool {
        !self.is_strict() && now < issued_at.plus_seconds(self.seconds)
    }

    fn millis(self) -> i64 {
        self.seconds.saturating_mul(1000)
    }
}

/// A refresh request as the decision sees it.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The generation that the token names.
    pub generation: Generation,
    /// The digest of this request's key: of its `Idempotency-Key`, or of a random
    /// value of its own, by which the SDK's second delivery is known.
    pub retry_key_digest: RetryKeyDigest,
}

/// What the store answered to the attempt to rotate.
#[derive(Clone, Debug)]
pub enum Seen {
    /// The conditional update was applied; this is the item after it.
    Applied(Session),
    /// It was refused, or not tried; this is the item as it is.
    Unchanged(Option<Session>),
}

/// What a presented refresh token is worth: the rows of the table above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is no such session.
    Gone,
    /// The session, or its user, may not be refreshed any more.
    Dead(Death),
    /// The session was rotated by this request.
    Rotated(Session),
    /// The token is current and the window still open: the same token again.
    Same(Session),
    /// The token's own rotation is repeated: the same successor again.
    Retry(Session),
    /// A token that was rotated away: the session is to be revoked.
    Reuse,
    /// A token newer than the table: the session is to be revoked, and an alarm raised.
    Future,
    /// The item changed between the update and the read: to be asked again.
    Raced,
}

/// Decides, by the policy above, what the presented token is worth.
pub fn decide(presented: &Presented, seen: Seen, user: Option<&User>, window: Window, now: Timestamp) -> Decision {
    let (applied, session) = match seen {
        Seen::Applied(session) => (true, session),
        Seen::Unchanged(Some(session)) => (false, session),
        Seen::Unchanged(None) => return Decision::Gone,
    };
    if let Some(death) = session.death(user, now) {
        return Decision::Dead(death);
    }
    if applied {
        return Decision::Rotated(session);
    }
    let within = session.is_within(window, now);
    if session.generation == presented.generation {
        return if within { Decision::Same(session) } else { Decision::Raced };
    }
    if session.generation < presented.generation {
        return Decision::Future;
    }
    let is_predecessor = session.generation == presented.generation.next();
    let has_its_key = session.retry_key_digest.as_ref() == Some(&presented.retry_key_digest);
    if is_predecessor && (within || has_its_key) {
        return Decision::Retry(session);
    }
    Decision::Reuse
}

#[cfg(test)]
mod tests;
