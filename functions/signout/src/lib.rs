//! `POST /signout` and `POST /revoke`: a refresh token ends its session.
//!
//! Any refresh token of the session does, also one that was rotated away or has expired:
//! whoever has it may at least stop others from using it. A token that says nothing
//! (unknown, forged, of a session that is gone) is answered alike, because what was asked
//! for is true: it is good for nothing (RFC 7009 §2.2). `/signout` also takes it from a web page's
//! cookie, which goes when the session is ended; `/revoke` reads none.

use relatch::error::Error;
use relatch::http::{Presented, Refusal, Request, Response, StatusCode, empty, json, without_cookie};
use relatch::lambda::{Context, Handler};
use relatch::session::{Decision, EndedBy, Seen, Window, decide};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event};
use relatch::time::Timestamp;
use relatch::token::{Issuance, KeyRing, MAX_TOKEN_BYTES, Purpose, Subject, verify_refresh_to_end};
use relatch::{Secret, random};

/// The function.
#[derive(Debug)]
pub struct SignOut {
    context: Context,
    issuance: Issuance,
    keys: KeyRing,
    store: Store,
    window: Window,
}

const SIGN_OUT: &str = "/signout";
/// RFC 7009 §2.
const REVOKE: &str = "/revoke";

impl Handler for SignOut {
    const NAME: &'static str = "signout";
    const GRANTED: Event = Event::SignoutNothing;

    fn new(context: Context) -> Self {
        Self {
            issuance: Issuance::new(&context.config),
            keys: KeyRing::new(&context, &[Purpose::Refresh]),
            store: Store::new(&context.config),
            window: Window::from_seconds(context.config.retry_window),
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.store.connect());
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        if request.path() == REVOKE {
            request.expect("POST", REVOKE)?;
            let token = request.form()?.text("token", MAX_TOKEN_BYTES)?;
            self.end(request, &token, false, entry).await?;
            return Ok(json(StatusCode::OK, &NOTHING));
        }
        request.expect("POST", SIGN_OUT)?;
        let mut members = request.json()?;
        let presented = request.refresh_token(&mut members, &self.context.config.allowed_origins)?;
        let is_everywhere = members.flag("everywhere")?;
        match presented {
            Presented::InBody(token) => {
                self.end(request, &token, is_everywhere, entry).await?;
                Ok(empty())
            }
            Presented::InCookie(token) => {
                match token {
                    Some(token) => self.end(request, &token, is_everywhere, entry).await?,
                    None => {
                        entry.with("why", "no_cookie");
                    }
                }
                Ok(without_cookie(empty()))
            }
        }
    }
}

/// The body of an answer that says nothing.
const NOTHING: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();

impl SignOut {
    async fn end(
        &self,
        request: &Request,
        unverified: &Secret,
        is_everywhere: bool,
        entry: &mut Entry,
    ) -> Result<(), Refusal> {
        let client_key = request.idempotency_key()?;
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_refresh_to_end(unverified.expose(), keys, &self.issuance, now);
        let token = match self.keys.verify(now, verify).await? {
            Ok(token) => token,
            Err(why) => {
                entry.with("why", why.to_string());
                return Ok(());
            }
        };
        let subject = Subject::of(&token, client_key.as_ref(), self.window, random::bytes()?);
        let Some(subject) = subject else { return Ok(()) };
        entry.with("sub", subject.user_id.as_str()).with("sid", subject.session_id.as_str());
        if is_everywhere && self.end_all(&subject, now).await? {
            entry.becomes(Event::SignoutEverywhere);
            return Ok(());
        }
        self.store.revoke_session(&subject.user_id, &subject.session_id, EndedBy::User).await?;
        entry.becomes(Event::SignoutSession);
        Ok(())
    }

    /// Ends all sessions of the user, if a refresh would accept the token now. A token that
    /// was stolen and rotated away must not be enough to sign the owner out everywhere.
    async fn end_all(&self, subject: &Subject, now: Timestamp) -> Result<bool, Error> {
        let (session, user) = tokio::join!(
            self.store.read_session(&subject.user_id, &subject.session_id),
            self.store.read_user(&subject.user_id)
        );
        let (session, user) = (session?, user?);
        let decision = decide(&subject.presented, Seen::Unchanged(session), user.as_ref(), self.window, now);
        let is_accepted = match decision {
            // Nothing was tried here, so the current token that may rotate is `Raced`.
            Decision::Rotated(_) | Decision::Same(_) | Decision::Retry(_) | Decision::Raced => true,
            Decision::Gone | Decision::Dead(_) | Decision::Reuse | Decision::Future => false,
        };
        match user.filter(|_| is_accepted) {
            Some(user) => self.store.end_all_sessions(&user).await.map(|()| true),
            None => Ok(false),
        }
    }
}
