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
//!        G = g     otherwise (it changed in between) ──────────► Conflict     ask again
//! ```
//!
//! "Within `W`" is `now − rotated_at < W`, a negative age (clocks of two instances)
//! counting as 0. With `W` = 0, strict single use, the time clauses are absent.

use crate::lifetime::{RetryWindow, SessionLifetime};
use crate::session::ids::{Generation, IdempotencyKeyDigest};
use crate::session::state::{InactiveReason, Session};
use crate::time::Timestamp;
use crate::user::User;

/// A refresh request as the decision sees it.
#[derive(Clone, Debug)]
pub struct PresentedToken {
    /// The generation that the token names.
    pub generation: Generation,
    /// The digest of this request's key: of its `Idempotency-Key`, or of a random
    /// value of its own, by which the SDK's second delivery is known.
    pub idempotency_key_digest: IdempotencyKeyDigest,
}

/// An attempt to rotate a session.
#[derive(Clone, Debug)]
pub struct RotationAttempt<'a> {
    /// The generation that is presented.
    pub from: Generation,
    /// The key of the request.
    pub idempotency_key_digest: &'a IdempotencyKeyDigest,
    /// The retry window.
    pub window: RetryWindow,
    /// How long the rotated session lasts.
    pub lifetime: SessionLifetime,
    /// The time of the request.
    pub now: Timestamp,
}

/// What the store answered to the attempt to rotate.
#[derive(Clone, Debug)]
pub enum UpdateOutcome {
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
    Inactive(InactiveReason),
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
    Conflict,
}

/// Decides, by the policy above, what the presented token is worth.
pub fn decide(
    presented: &PresentedToken,
    seen: UpdateOutcome,
    user: Option<&User>,
    window: RetryWindow,
    now: Timestamp,
) -> Decision {
    let (applied, session) = match seen {
        UpdateOutcome::Applied(session) => (true, session),
        UpdateOutcome::Unchanged(Some(session)) => (false, session),
        UpdateOutcome::Unchanged(None) => return Decision::Gone,
    };
    if let Some(reason) = session.inactive_reason(user, now) {
        return Decision::Inactive(reason);
    }
    if applied {
        return Decision::Rotated(session);
    }
    let within = session.is_within(window, now);
    if session.generation == presented.generation {
        return if within { Decision::Same(session) } else { Decision::Conflict };
    }
    if session.generation < presented.generation {
        return Decision::Future;
    }
    let is_predecessor = session.generation == presented.generation.next();
    let has_its_key = session.idempotency_key_digest.as_ref() == Some(&presented.idempotency_key_digest);
    if is_predecessor && (within || has_its_key) {
        return Decision::Retry(session);
    }
    Decision::Reuse
}

#[cfg(test)]
mod tests;
