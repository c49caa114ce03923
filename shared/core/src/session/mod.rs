//! Sessions: what names one, its state, and the decision what a presented refresh token is
//! worth ([`decide`], with the policy above it in `decision.rs`).

mod decision;
mod ids;
mod state;

pub use decision::{Decision, PresentedToken, RotationAttempt, UpdateOutcome, decide};
pub use ids::{Generation, IdempotencyKey, IdempotencyKeyDigest, SessionId, SessionSecret};
pub use state::{EndedBy, InactiveReason, Session, SessionStatus, sessions_to_evict};
