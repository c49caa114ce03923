//! `POST /refresh` and `POST /token`: a refresh token for the next pair, by the protocol of
//! [`relatch::session`]. The second takes a form, as standard clients send it (RFC 6749 §6).
//!
//! Clients have no secret here, so that nobody is asked for one: an `Authorization` header is
//! not looked at. Neither route answers 401, on which clients refresh. A web page's token may be in a
//! cookie at `/refresh`; `/token` reads none.

use relatch::keys::Purpose;
use relatch::lifetime::{RetryWindow, SessionLifetime};
use relatch::random;
use relatch::secret::Secret;
use relatch::session::{Decision, EndedBy, InactiveReason, RotationAttempt, Session, UpdateOutcome, decide};
use relatch::time::Timestamp;
use relatch::token::{ExpectedClaims, MAX_TOKEN_BYTES, Subject, TokenPair, scope_covers, verify_refresh};
use relatch::user::User;
use relatch_lambda::error::{Error, GrantError};
use relatch_lambda::http::{BodyFields, RefreshRequest, Rejection, Request, TokenSource, tokens};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::{Context, Handler, KeyCache, Outcome};
use relatch_store::{Failure, SessionsTable, Tables, UsersTable};

const REFRESH: &str = "/refresh";
/// RFC 6749 §3.2.
const TOKEN: &str = "/token";

/// How often an item that changed between the update and the read is asked again.
const RACES: usize = 2;

/// The function.
#[derive(Debug)]
pub struct Refresh {
    context: Context,
    expected: ExpectedClaims,
    keys: KeyCache,
    users: UsersTable,
    sessions: SessionsTable,
    window: RetryWindow,
    lifetime: SessionLifetime,
}

impl Handler for Refresh {
    const NAME: &'static str = "refresh";

    fn new(context: Context) -> Self {
        let config = &context.config;
        let Tables { users, sessions, .. } = Tables::new(&config.aws, &config.tables);
        Self {
            expected: config.token_issuer.refresh_tokens(),
            keys: KeyCache::new(&context, &[Purpose::Access, Purpose::Refresh]),
            users,
            sessions,
            window: config.retry_window,
            lifetime: config.session_lifetime,
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.users.connect());
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let presented = self.read_request(request)?;
        // The cookie expired, or another tab signed out: as final as a token that is not good.
        let presented = presented.ok_or(Error::InvalidGrant(GrantError::NoCookie))?;
        match self.refresh(&presented, fields).await {
            Ok((event, pair)) => Ok(Outcome::new(event, tokens(&pair, presented.source)?)),
            Err(Error::InvalidGrant(error)) if presented.source == TokenSource::Cookie => {
                Err(Rejection::InvalidGrantClearCookie(error))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Refresh {
    /// Reads the request of either route; `None` for a page in cookie mode without a cookie.
    fn read_request(&self, request: &Request) -> Result<Option<RefreshRequest>, Rejection> {
        if request.path() == TOKEN {
            request.expect("POST", TOKEN)?;
            let token = self.read_grant(request.form()?)?;
            return RefreshRequest::from_body(request, token).map(Some);
        }
        request.expect("POST", REFRESH)?;
        RefreshRequest::read(request, &mut request.json()?, &self.context.config.allowed_origins)
    }

    /// The refresh token of a request to the token endpoint. What it may say besides must
    /// agree with this deployment, which has one client and one scope.
    fn read_grant(&self, mut fields: BodyFields) -> Result<Secret, Rejection> {
        let issuer = &self.context.config.token_issuer;
        let grant_type = fields.text("grant_type", MAX_TOKEN_BYTES)?;
        if grant_type.expose() != "refresh_token" {
            return Err(Rejection::UnsupportedGrantType);
        }
        let client_id = fields.optional_text("client_id", MAX_TOKEN_BYTES)?;
        if client_id.is_some_and(|client_id| client_id.expose() != issuer.client_id) {
            return Err(Rejection::InvalidClient);
        }
        let scope = fields.optional_text("scope", MAX_TOKEN_BYTES)?;
        if scope.is_some_and(|scope| !scope_covers(issuer.scope.as_deref(), scope.expose())) {
            return Err(Rejection::InvalidScope);
        }
        fields.text("refresh_token", MAX_TOKEN_BYTES)
    }

    /// Trades a refresh token for the next pair.
    async fn refresh(
        &self,
        request: &RefreshRequest,
        fields: &mut LogFields,
    ) -> Result<(Event, TokenPair), Error> {
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_refresh(request.token.expose(), keys, &self.expected, now);
        let token = self.keys.verify(now, verify).await?;
        let token = token.map_err(|error| Error::InvalidGrant(GrantError::Token(error)))?;
        let subject =
            Subject::from_claims(&token, request.idempotency_key.as_ref(), self.window, random::bytes()?);
        let subject = subject.ok_or(Error::InvalidGrant(GrantError::BadClaims))?;
        fields
            .add("sub", subject.user_id.as_str())
            .add("sid", subject.session_id.as_str())
            .add("generation", subject.presented.generation.0);
        let Redeemed { event, session, user, now } = self.redeem(&subject, now, fields).await?;
        let keys = self.keys.current(now).await?;
        let issuer = &self.context.config.token_issuer;
        let pair = TokenPair::issue((&session, &subject.secret), &user, &keys, issuer, random::bytes()?, now)?;
        Ok((event, pair))
    }

    /// Trades the token for the session's state that the response is made of.
    async fn redeem(
        &self,
        subject: &Subject,
        mut now: Timestamp,
        fields: &mut LogFields,
    ) -> Result<Redeemed, Error> {
        for _ in 0..=RACES {
            let (seen, user) = tokio::join!(self.rotate(subject, now), self.users.read(&subject.user_id));
            let (seen, user) = (seen?, user?);
            let (event, session) = match decide(&subject.presented, seen, user.as_ref(), self.window, now) {
                Decision::Rotated(session) => (Event::RefreshRotated, session),
                Decision::Same(session) => (Event::RefreshSame, session),
                Decision::Retry(session) => (Event::RefreshRetry, session),
                Decision::Gone => return Err(Error::InvalidGrant(GrantError::Gone)),
                Decision::Inactive(reason) => return Err(Error::InvalidGrant(GrantError::Inactive(reason))),
                Decision::Reuse => {
                    return Err(self.revoke(subject, EndedBy::Reuse, GrantError::Reuse, fields).await);
                }
                Decision::Future => {
                    return Err(self.revoke(subject, EndedBy::Future, GrantError::Future, fields).await);
                }
                Decision::Conflict => {
                    now = self.context.clock.now();
                    continue;
                }
            };
            let user = user.ok_or(Error::InvalidGrant(GrantError::Inactive(InactiveReason::UserGone)))?;
            return Ok(Redeemed { event, session, user, now });
        }
        Err(Failure::unavailable("sessions.rotate", "the session kept changing").into())
    }

    /// One round trip: a conditional write, or a read when the token is so young that
    /// its session cannot rotate yet.
    async fn rotate(&self, subject: &Subject, now: Timestamp) -> Result<UpdateOutcome, Failure> {
        let generation = subject.presented.generation;
        let is_young = self.window.surely_contains(subject.issued_at, now);
        if generation.0 >= 1 && is_young {
            return self.sessions.read(&subject.user_id, &subject.session_id).await.map(UpdateOutcome::Unchanged);
        }
        let rotation = RotationAttempt {
            from: generation,
            idempotency_key_digest: &subject.presented.idempotency_key_digest,
            window: self.window,
            lifetime: self.lifetime,
            now,
        };
        self.sessions.rotate(&subject.user_id, &subject.session_id, rotation).await
    }

    /// Ends the session whose old token came back. The client learns of it only once
    /// it is true: a response before would leave the thief's branch alive.
    async fn revoke(&self, subject: &Subject, by: EndedBy, why: GrantError, fields: &mut LogFields) -> Error {
        let why = Error::InvalidGrant(why);
        match self.sessions.revoke(&subject.user_id, &subject.session_id, by).await {
            Ok(()) => why,
            Err(Failure::Internal(cause) | Failure::Unavailable(cause)) => {
                // The theft is logged now, since the request ends as one that failed.
                let now = self.context.clock.now();
                self.context.log.write(now, why.event(), fields.add("reason", "not_revoked_yet"));
                Failure::Unavailable(cause).into()
            }
        }
    }
}

/// What a refresh token was traded for.
struct Redeemed {
    event: Event,
    session: Session,
    user: User,
    /// The time of the decision.
    now: Timestamp,
}
