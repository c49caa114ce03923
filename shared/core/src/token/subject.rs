//! What a refresh token speaks of: a session at a generation, presented with a key.

use crate::lifetime::RetryWindow;
use crate::session::{IdempotencyKey, PresentedToken, SessionId, SessionSecret};
use crate::time::Timestamp;
use crate::token::claims::RefreshClaims;
use crate::user::UserId;

/// A refresh token's claims, read as what they identify.
#[derive(Debug)]
pub struct Subject {
    /// Whose session it is.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The secret from which the session's id follows.
    pub secret: SessionSecret,
    /// When the token's generation came to be.
    pub issued_at: Timestamp,
    /// The generation, with the key of this request.
    pub presented: PresentedToken,
}

impl Subject {
    /// Reads claims; `None` when they have not the form of ours.
    ///
    /// Without a key of the client's, and where strict single use ignores it, `random` is
    /// the request's own, by which a second delivery of its own write is known.
    pub fn from_claims(
        claims: &RefreshClaims,
        idempotency_key: Option<&IdempotencyKey>,
        window: RetryWindow,
        random: [u8; 16],
    ) -> Option<Self> {
        let user_id = UserId::parse(&claims.sub).ok()?;
        let secret = claims.session_secret()?;
        let idempotency_key_digest = match idempotency_key.filter(|_| !window.is_strict()) {
            Some(key) => secret.idempotency_key_digest(key.as_bytes()),
            None => secret.idempotency_key_digest(&random),
        };
        let presented = PresentedToken { generation: claims.generation(), idempotency_key_digest };
        let issued_at = claims.iat.timestamp();
        Some(Self { user_id, session_id: secret.session_id(), secret, issued_at, presented })
    }
}
