//! `POST /refresh` and `POST /token`: a refresh token for the next pair, by the protocol of
//! [`relatch::session`]. The second takes a form, as standard clients send it (RFC 6749 §6).
//!
//! Clients have no secret here, so that nobody is asked for one: an `Authorization` header is
//! not looked at. Neither route answers 401, on which clients refresh. A web page's token may be in a
//! cookie at `/refresh`; `/token` reads none.

use relatch::error::Error;
use relatch::http::{Members, Presented, Refusal, Request, Response, StatusCode, json, with_cookie};
use relatch::lambda::{Context, Handler};
use relatch::session::{Death, Decision, EndedBy, Lifetime, Seen, Session, Window, decide};
use relatch::store::{Rotation, Store};
use relatch::telemetry::{Entry, Event};
use relatch::time::Timestamp;
use relatch::token::{
    Issuance, KeyRing, MAX_TOKEN_BYTES, Purpose, Subject, TokenPair, scope_covers, verify_refresh,
};
use relatch::user::User;
use relatch::{Secret, random};

const REFRESH: &str = "/refresh";
/// RFC 6749 §3.2.
const TOKEN: &str = "/token";

/// How often an item that changed between the update and the read is asked again.
const RACES: usize = 2;

/// The function.
#[derive(Debug)]
pub struct Refresh {
    context: Context,
    issuance: Issuance,
    keys: KeyRing,
    store: Store,
    window: Window,
    lifetime: Lifetime,
}

impl Handler for Refresh {
    const NAME: &'static str = "refresh";
    const GRANTED: Event = Event::RefreshRotated;

    fn new(context: Context) -> Self {
        let config = &context.config;
        Self {
            issuance: Issuance::new(config),
            keys: KeyRing::new(&context, &[Purpose::Access, Purpose::Refresh]),
            store: Store::new(config),
            window: Window::from_seconds(config.retry_window),
            lifetime: Lifetime { idle: config.refresh_token_ttl, absolute: config.session_max_age },
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.store.connect());
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        if request.path() == TOKEN {
            request.expect("POST", TOKEN)?;
            let unverified = self.read_grant(request.form()?)?;
            return Ok(json(StatusCode::OK, &self.trade(request, &unverified, entry).await?));
        }
        request.expect("POST", REFRESH)?;
        match request.refresh_token(&mut request.json()?, &self.context.config.allowed_origins)? {
            Presented::InBody(unverified) => {
                Ok(json(StatusCode::OK, &self.trade(request, &unverified, entry).await?))
            }
            Presented::InCookie(Some(unverified)) => match self.trade(request, &unverified, entry).await {
                Ok(pair) => Ok(with_cookie(pair)?),
                Err(Refusal::Error(Error::InvalidGrant)) => Err(Refusal::CookieIsOver),
                Err(refusal) => Err(refusal),
            },
            // It expired, or another tab signed out: as final as a token that is not good.
            Presented::InCookie(None) => Err(refused(entry, Event::RefreshRevoked, "no_cookie").into()),
        }
    }
}

impl Refresh {
    /// Trades a refresh token for the next pair.
    async fn trade(
        &self,
        request: &Request,
        unverified: &Secret,
        entry: &mut Entry,
    ) -> Result<TokenPair, Refusal> {
        let client_key = request.idempotency_key()?;
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_refresh(unverified.expose(), keys, &self.issuance, now);
        let token = self.keys.verify(now, verify).await?.map_err(|why| {
            entry.becomes(Event::of_refresh_token(why)).with("why", why.to_string());
            Error::InvalidGrant
        })?;
        let subject = Subject::of(&token, client_key.as_ref(), self.window, random::bytes()?);
        let Some(subject) = subject else {
            entry.becomes(Event::RefreshInvalid).with("why", "bad_claims");
            return Err(Error::InvalidGrant.into());
        };
        entry
            .with("sub", subject.user_id.as_str())
            .with("sid", subject.session_id.as_str())
            .with("generation", subject.presented.generation.0);
        let (session, user, now) = self.redeem(&subject, now, entry).await?;
        let keys = self.keys.current(now).await?;
        let random = random::bytes()?;
        Ok(TokenPair::issue((&session, &subject.secret), &user, &keys, &self.issuance, random, now)?)
    }

    /// The refresh token of a request to the token endpoint. What it may say besides must
    /// agree with this deployment, which has one client and one scope.
    fn read_grant(&self, mut members: Members) -> Result<Secret, Refusal> {
        let config = &self.context.config;
        let grant_type = members.text("grant_type", MAX_TOKEN_BYTES)?;
        if grant_type.expose() != "refresh_token" {
            return Err(Refusal::UnsupportedGrantType);
        }
        let client_id = members.optional_text("client_id", MAX_TOKEN_BYTES)?;
        if client_id.is_some_and(|client_id| client_id.expose() != config.client_id) {
            return Err(Refusal::InvalidClient);
        }
        let scope = members.optional_text("scope", MAX_TOKEN_BYTES)?;
        if scope.is_some_and(|scope| !scope_covers(config.scope.as_deref(), scope.expose())) {
            return Err(Refusal::InvalidScope);
        }
        members.text("refresh_token", MAX_TOKEN_BYTES)
    }

    /// Trades the token for the session's state that the answer is made of.
    async fn redeem(
        &self,
        subject: &Subject,
        mut now: Timestamp,
        entry: &mut Entry,
    ) -> Result<(Session, User, Timestamp), Error> {
        for _ in 0..=RACES {
            let (seen, user) = tokio::join!(self.rotate(subject, now), self.store.read_user(&subject.user_id));
            let (seen, user) = (seen?, user?);
            let (event, session) = match decide(&subject.presented, seen, user.as_ref(), self.window, now) {
                Decision::Rotated(session) => (Event::RefreshRotated, session),
                Decision::Same(session) => (Event::RefreshSame, session),
                Decision::Retry(session) => (Event::RefreshRetry, session),
                Decision::Gone => return Err(refused(entry, Event::RefreshRevoked, "gone")),
                Decision::Dead(death @ Death::Expired) => {
                    return Err(refused(entry, Event::RefreshExpired, death.name()));
                }
                Decision::Dead(death) => return Err(refused(entry, Event::RefreshRevoked, death.name())),
                Decision::Reuse => {
                    return Err(self.revoke(subject, EndedBy::Reuse, entry.becomes(Event::RefreshReuse)).await);
                }
                Decision::Future => {
                    return Err(self.revoke(subject, EndedBy::Future, entry.becomes(Event::RefreshFuture)).await);
                }
                Decision::Raced => {
                    now = self.context.clock.now();
                    continue;
                }
            };
            entry.becomes(event);
            return user.map(|user| (session, user, now)).ok_or(Error::InvalidGrant);
        }
        Err(Error::unavailable("sessions.rotate", "the session kept changing"))
    }

    /// One round trip: a conditional write, or a read when the token is so young that
    /// its session cannot rotate yet.
    async fn rotate(&self, subject: &Subject, now: Timestamp) -> Result<Seen, Error> {
        let generation = subject.presented.generation;
        let is_young = self.window.surely_contains(subject.issued_at, now);
        if generation.0 >= 1 && is_young {
            return self.store.read_session(&subject.user_id, &subject.session_id).await.map(Seen::Unchanged);
        }
        let rotation = Rotation {
            from: generation,
            retry_key_digest: &subject.presented.retry_key_digest,
            window: self.window,
            lifetime: self.lifetime,
            now,
        };
        self.store.rotate_session(&subject.user_id, &subject.session_id, rotation).await
    }

    /// Ends the session whose old token came back. The client hears that only once
    /// it is true: an answer before would leave the thief's branch alive.
    async fn revoke(&self, subject: &Subject, by: EndedBy, entry: &mut Entry) -> Error {
        match self.store.revoke_session(&subject.user_id, &subject.session_id, by).await {
            Ok(()) => Error::InvalidGrant,
            Err(Error::Internal(cause) | Error::Unavailable(cause)) => {
                // The theft is told now, since the request ends as one that failed.
                self.context.log.write(self.context.clock.now(), entry.with("why", "not_revoked_yet"));
                Error::Unavailable(cause)
            }
            Err(
                other @ (Error::InvalidCredentials
                | Error::TooManyAttempts { .. }
                | Error::InvalidGrant
                | Error::InvalidToken),
            ) => other,
        }
    }
}

fn refused(entry: &mut Entry, event: Event, why: &str) -> Error {
    entry.becomes(event).with("why", why);
    Error::InvalidGrant
}
