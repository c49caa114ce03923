//! `POST /signout` and `POST /revoke`: a refresh token ends its session.
//!
//! Any refresh token of the session does, also one that was rotated away or has expired:
//! whoever has it may at least stop others from using it. A token that says nothing
//! (unknown, forged, of a session that is gone) is answered alike, because what was asked
//! for is true: it is good for nothing (RFC 7009 §2.2). `/signout` also takes it from a web page's
//! cookie, which goes when the session is ended; `/revoke` reads none.

use relatch::keys::Purpose;
use relatch::lifetime::RetryWindow;
use relatch::random;
use relatch::session::{Decision, EndedBy, UpdateOutcome, decide};
use relatch::time::Timestamp;
use relatch::token::{ExpectedClaims, MAX_TOKEN_BYTES, Subject, verify_refresh_to_end};
use relatch_lambda::http::{
    RefreshRequest, Rejection, Request, StatusCode, TokenSource, clear_refresh_cookie, empty, json,
};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::{Context, Handler, KeyCache, Outcome};
use relatch_store::{Failure, SessionsTable, Tables, UsersTable};

/// The function.
#[derive(Debug)]
pub struct SignOut {
    context: Context,
    expected: ExpectedClaims,
    keys: KeyCache,
    users: UsersTable,
    sessions: SessionsTable,
    window: RetryWindow,
}

const SIGN_OUT: &str = "/signout";
/// RFC 7009 §2.
const REVOKE: &str = "/revoke";

impl Handler for SignOut {
    const NAME: &'static str = "signout";

    fn new(context: Context) -> Self {
        let config = &context.config;
        let Tables { users, sessions, .. } = Tables::new(&config.aws, &config.tables);
        Self {
            expected: config.token_issuer.refresh_tokens(),
            keys: KeyCache::new(&context, &[Purpose::Refresh]),
            users,
            sessions,
            window: config.retry_window,
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.users.connect());
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        if request.path() == REVOKE {
            request.expect("POST", REVOKE)?;
            let token = request.form()?.text("token", MAX_TOKEN_BYTES)?;
            let event = self.end(RefreshRequest::from_body(request, token)?, false, fields).await?;
            return Ok(Outcome::new(event, json(StatusCode::OK, &EMPTY_OBJECT)));
        }
        request.expect("POST", SIGN_OUT)?;
        let mut body = request.json()?;
        let presented = RefreshRequest::read(request, &mut body, &self.context.config.allowed_origins)?;
        let is_everywhere = body.flag("everywhere")?;
        let Some(presented) = presented else {
            fields.add("reason", "no_cookie");
            return Ok(Outcome::new(Event::SignoutNothing, clear_refresh_cookie(empty())));
        };
        let source = presented.source;
        let event = self.end(presented, is_everywhere, fields).await?;
        Ok(Outcome::new(
            event,
            match source {
                TokenSource::Body => empty(),
                TokenSource::Cookie => clear_refresh_cookie(empty()),
            },
        ))
    }
}

/// The body of a response that says nothing.
const EMPTY_OBJECT: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();

impl SignOut {
    /// Ends the session, or all sessions of its user, and returns what was ended.
    async fn end(
        &self,
        request: RefreshRequest,
        is_everywhere: bool,
        fields: &mut LogFields,
    ) -> Result<Event, Rejection> {
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_refresh_to_end(request.token.expose(), keys, &self.expected, now);
        let token = match self.keys.verify(now, verify).await? {
            Ok(token) => token,
            Err(error) => {
                fields.add("reason", error.to_string());
                return Ok(Event::SignoutNothing);
            }
        };
        let subject =
            Subject::from_claims(&token, request.idempotency_key.as_ref(), self.window, random::bytes()?);
        let Some(subject) = subject else { return Ok(Event::SignoutNothing) };
        fields.add("sub", subject.user_id.as_str()).add("sid", subject.session_id.as_str());
        if is_everywhere && self.end_all(&subject, now).await? {
            return Ok(Event::SignoutEverywhere);
        }
        self.sessions.revoke(&subject.user_id, &subject.session_id, EndedBy::User).await?;
        Ok(Event::SignoutSession)
    }

    /// Ends all sessions of the user, if a refresh would accept the token now. A token that
    /// was stolen and rotated away must not be enough to sign the owner out everywhere.
    async fn end_all(&self, subject: &Subject, now: Timestamp) -> Result<bool, Failure> {
        let (session, user) = tokio::join!(
            self.sessions.read(&subject.user_id, &subject.session_id),
            self.users.read(&subject.user_id)
        );
        let (session, user) = (session?, user?);
        let decision =
            decide(&subject.presented, UpdateOutcome::Unchanged(session), user.as_ref(), self.window, now);
        let is_accepted = match decision {
            // Nothing was tried here, so the current token that may rotate is `Conflict`.
            Decision::Rotated(_) | Decision::Same(_) | Decision::Retry(_) | Decision::Conflict => true,
            Decision::Gone | Decision::Inactive(_) | Decision::Reuse | Decision::Future => false,
        };
        match user.filter(|_| is_accepted) {
            Some(user) => self.users.end_all_sessions(&user).await.map(|()| true),
            None => Ok(false),
        }
    }
}
