//! Who calls a guarded route: an access token that is verified, and, where a function looks
//! at it, the session that it belongs to.

use relatch::secret::Secret;
use relatch::session::Session;
use relatch::time::Timestamp;
use relatch::token::{AccessClaims, ExpectedClaims, Verified, verify_access};
use relatch::user::{User, UserId};
use relatch_store::{PublicKeysTable, SessionsTable, UsersTable};

use crate::context::Context;
use crate::error::{AccessError, Error};
use crate::key_cache::KeyCache;
use crate::telemetry::LogFields;

/// What verifies the access tokens that a function is shown.
#[derive(Debug)]
pub struct AccessTokens {
    expected: ExpectedClaims,
    keys: KeyCache,
}

impl AccessTokens {
    /// By the public keys; nothing is loaded yet.
    pub fn new(context: &Context, table: &PublicKeysTable) -> Self {
        let expected = context.config.token_issuer.access_tokens();
        Self { expected, keys: KeyCache::for_public_keys(context, table) }
    }

    /// Loads the keys. What fails here is tried again by the first token.
    pub async fn prepare(&self, now: Timestamp) {
        let _ = self.keys.current(now).await;
    }

    /// The claims of a good token, whose user and session go into the log line.
    ///
    /// # Errors
    /// [`Error::InvalidToken`]; or [`Error::Failure`]: nothing can be said about it.
    pub async fn verify(
        &self,
        unverified: &Secret,
        now: Timestamp,
        fields: &mut LogFields,
    ) -> Result<Verified<AccessClaims>, Error> {
        let verify = |keys: &_| verify_access(unverified.expose(), keys, &self.expected, now);
        let token = self.keys.verify(now, verify).await?;
        let token = token.map_err(|error| Error::InvalidToken(AccessError::Token(error)))?;
        fields.add("sub", token.sub.as_str()).add("sid", token.sid.as_str());
        Ok(token)
    }
}

/// The session of a token, if it is live, and its user, by consistent reads: a token whose
/// session was ended, or whose user was disabled, is good for nothing more.
///
/// # Errors
/// [`Error::InvalidToken`]; or [`Error::Failure`]: nothing can be said about it.
pub async fn live_session(
    token: &AccessClaims,
    sessions: &SessionsTable,
    users: &UsersTable,
    now: Timestamp,
) -> Result<(Session, User), Error> {
    let (Ok(user_id), Some(session_id)) = (UserId::parse(&token.sub), token.session_id()) else {
        return Err(Error::InvalidToken(AccessError::BadClaims));
    };
    let (session, user) = tokio::join!(sessions.read(&user_id, &session_id), users.read(&user_id));
    let (Some(session), user) = (session?, user?) else {
        return Err(Error::InvalidToken(AccessError::Gone));
    };
    match (session.inactive_reason(user.as_ref(), now), user) {
        (None, Some(user)) => Ok((session, user)),
        (reason, _) => Err(Error::InvalidToken(reason.map_or(AccessError::Gone, AccessError::Inactive))),
    }
}
