//! Who calls a guarded route: an access token that is verified, and, where a function looks
//! at it, the session that it belongs to. Why a token is refused is told in the log's line.

use std::fmt::Display;

use crate::error::Error;
use crate::lambda::Context;
use crate::secret::Secret;
use crate::session::{Death, Session};
use crate::store::Store;
use crate::telemetry::{Entry, Event};
use crate::time::Timestamp;
use crate::token::{AccessClaims, Issuance, KeyRing, Verified, verify_access};
use crate::user::{User, UserId};

/// What verifies the access tokens that a function is shown.
#[derive(Debug)]
pub struct AccessTokens {
    issuance: Issuance,
    keys: KeyRing,
}

impl AccessTokens {
    /// By the public keys; nothing is loaded yet.
    pub fn new(context: &Context, store: &Store) -> Self {
        Self { issuance: Issuance::new(&context.config), keys: KeyRing::of_public_keys(context, store) }
    }

    /// Loads the keys. What fails here is tried again by the first token.
    pub async fn prepare(&self, now: Timestamp) {
        let _ = self.keys.current(now).await;
    }

    /// The claims of a good token.
    ///
    /// # Errors
    /// [`Error::InvalidToken`]; or [`Error::Unavailable`]: nothing can be said about it.
    pub async fn verify(
        &self,
        unverified: &Secret,
        now: Timestamp,
        entry: &mut Entry,
    ) -> Result<Verified<AccessClaims>, Error> {
        let verify = |keys: &_| verify_access(unverified.expose(), keys, &self.issuance, now);
        let verdict = self.keys.verify(now, verify).await?;
        let token = verdict.map_err(|why| refused(entry, Event::of_access_token(why), why))?;
        entry.with("sub", token.sub.as_str()).with("sid", token.sid.as_str());
        Ok(token)
    }
}

/// The session of a token, if it is live, and its user, by consistent reads: a token whose
/// session was ended, or whose user was disabled, is good for nothing more.
///
/// # Errors
/// [`Error::InvalidToken`]; or [`Error::Unavailable`] and [`Error::Internal`]: nothing can be
/// said about it.
pub async fn live_session(
    token: &AccessClaims,
    store: &Store,
    now: Timestamp,
    entry: &mut Entry,
) -> Result<(Session, User), Error> {
    let (Ok(user_id), Some(session_id)) = (UserId::parse(&token.sub), token.session_id()) else {
        return Err(refused(entry, Event::AccessRefused, "bad_claims"));
    };
    let (session, user) = tokio::join!(store.read_session(&user_id, &session_id), store.read_user(&user_id));
    let (session, user) = (session?, user?);
    let why = session.as_ref().map_or(Some("gone"), |session| session.death(user.as_ref(), now).map(Death::name));
    match (session, user, why) {
        (Some(session), Some(user), None) => Ok((session, user)),
        (_, _, why) => Err(refused(entry, Event::AccessRefused, why.unwrap_or_default())),
    }
}

fn refused(entry: &mut Entry, event: Event, why: impl Display) -> Error {
    entry.becomes(event).with("why", why.to_string());
    Error::InvalidToken
}
