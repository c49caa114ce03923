//! The policy that is checked, and weaker ones that must be found out.

use std::time::Duration;

use relatch::lifetime::RetryWindow;
use relatch::session::{
    self, Decision, IdempotencyKeyDigest, PresentedToken, RotationAttempt, Session, SessionStatus, UpdateOutcome,
};
use relatch::time::Timestamp;
use relatch::user::{User, UserStatus};

use crate::clock::{TICK, WINDOW};
use crate::store::may_rotate;

/// What decides about a refresh token.
#[derive(Clone, Copy)]
pub(crate) struct Policy {
    /// `W` in ticks.
    pub(crate) window: u8,
    /// Whether a token so young that it cannot rotate is only read.
    pub(crate) reads_young: bool,
    /// The condition of the update.
    pub(crate) condition: fn(Option<&Session>, &RotationAttempt<'_>) -> bool,
    /// The decision.
    pub(crate) decide: fn(&PresentedToken, UpdateOutcome, Option<&User>, RetryWindow, Timestamp) -> Decision,
    /// Whether *reuse* and *future* end the session.
    pub(crate) ends_sessions: bool,
}

impl Policy {
    /// `W`.
    pub(crate) fn window(&self) -> RetryWindow {
        RetryWindow::new(u32::from(self.window) * TICK)
    }
}

/// Relatch's.
pub(crate) const RELATCH: Policy = Policy {
    window: WINDOW,
    reads_young: true,
    condition: may_rotate,
    decide: session::decide,
    ends_sessions: true,
};

/// Every token may be used once: RFC 9700 §4.14.2 to the letter.
pub(crate) const STRICT_SINGLE_USE: Policy = Policy { window: 0, ..RELATCH };

/// Every use of the predecessor within the window gets a successor of its own.
pub(crate) const SIBLINGS: Policy = Policy {
    decide: |presented, seen, user, window, now| match session::decide(presented, seen, user, window, now) {
        Decision::Retry(session) => Decision::Retry(Session { rotated_at: Some(now), ..session }),
        other => other,
    },
    ..RELATCH
};

/// The immediate predecessor is accepted at any time.
pub(crate) const PREDECESSOR_FOREVER: Policy = Policy {
    decide: |presented, seen, user, window, now| {
        let item = match &seen {
            UpdateOutcome::Applied(session) => Some(session.clone()),
            UpdateOutcome::Unchanged(session) => session.clone(),
        };
        match (session::decide(presented, seen, user, window, now), item) {
            (Decision::Reuse, Some(session)) if session.generation == presented.generation.next() => {
                Decision::Retry(session)
            }
            (other, _) => other,
        }
    },
    ..RELATCH
};

/// A session may rotate again within the window of its last rotation.
pub(crate) const NO_CAP: Policy = Policy {
    reads_young: false,
    condition: |session, rotation| {
        may_rotate(session, &RotationAttempt { window: RetryWindow::new(Duration::ZERO), ..rotation.clone() })
    },
    ..RELATCH
};

/// Within the window any earlier generation is accepted, not only the predecessor.
pub(crate) const ANY_GENERATION_WITHIN_WINDOW: Policy = Policy {
    decide: |presented, seen, user, window, now| {
        let item = match &seen {
            UpdateOutcome::Unchanged(Some(session)) => Some(session.clone()),
            _ => None,
        };
        match (session::decide(presented, seen, user, window, now), item) {
            (Decision::Reuse, Some(session))
                if session.rotated_at.is_some_and(|at| window.surely_contains(at, now)) =>
            {
                Decision::Retry(session)
            }
            (other, _) => other,
        }
    },
    ..RELATCH
};

/// An old token is refused, and its session lives on.
pub(crate) const REUSE_IS_ONLY_REFUSED: Policy = Policy { ends_sessions: false, ..RELATCH };

/// What was ended is not looked at.
pub(crate) const ENDED_IS_NOT_CHECKED: Policy = Policy {
    decide: |presented, seen, user, window, now| {
        let revive = |session| Session { status: SessionStatus::Active, ..session };
        let seen = match seen {
            UpdateOutcome::Applied(session) => UpdateOutcome::Applied(revive(session)),
            UpdateOutcome::Unchanged(session) => UpdateOutcome::Unchanged(session.map(revive)),
        };
        let user = user.map(|user| User { status: UserStatus::Active, epoch: 0, ..user.clone() });
        session::decide(presented, seen, user.as_ref(), window, now)
    },
    ..RELATCH
};

/// A token that is newer than the table is taken for the current one.
pub(crate) const FUTURE_IS_ACCEPTED: Policy = Policy {
    decide: |presented, seen, user, window, now| {
        let item = match &seen {
            UpdateOutcome::Unchanged(Some(session)) => Some(session.clone()),
            _ => None,
        };
        match (session::decide(presented, seen, user, window, now), item) {
            (Decision::Future, Some(session)) => Decision::Same(session),
            (other, _) => other,
        }
    },
    ..RELATCH
};

/// The SDK's second delivery of a write is not known as the request's own.
pub(crate) const OWN_WRITE_IS_NOT_KNOWN: Policy = Policy {
    decide: |presented, seen, user, window, now| {
        let idempotency_key_digest = IdempotencyKeyDigest::from_stored("unknown".to_owned());
        session::decide(&PresentedToken { idempotency_key_digest, ..presented.clone() }, seen, user, window, now)
    },
    ..STRICT_SINGLE_USE
};

/// The update lacks `attribute_exists`.
pub(crate) const UPDATE_CREATES: Policy =
    Policy { condition: |session, rotation| session.is_none() || may_rotate(session, rotation), ..RELATCH };

/// The update does not ask for the generation it was presented.
pub(crate) const UPDATE_IGNORES_GENERATION: Policy = Policy {
    condition: |session, rotation| {
        session.is_some_and(|session| {
            may_rotate(Some(session), &RotationAttempt { from: session.generation, ..rotation.clone() })
        })
    },
    ..RELATCH
};
