//! `POST /refresh`: a refresh token for the next pair, by the protocol of
//! [`relatch::session`].

use relatch::error::Error;
use relatch::http::{Refusal, Request, Response, StatusCode, json};
use relatch::lambda::{Context, Handler};
use relatch::random;
use relatch::session::{Decision, Lifetime, Seen, Session, Window, decide};
use relatch::store::{Rotation, Store};
use relatch::telemetry::Level;
use relatch::time::Timestamp;
use relatch::token::{Issuance, KeyRing, MAX_TOKEN_BYTES, Purpose, Subject, TokenPair, verify_refresh};
use relatch::user::User;

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

    async fn handle(&self, request: &Request) -> Result<Response, Refusal> {
        request.expect("POST", "/refresh")?;
        let unverified = request.json()?.text("refresh_token", MAX_TOKEN_BYTES)?;
        let client_key = request.idempotency_key()?;
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_refresh(unverified.expose(), keys, &self.issuance, now);
        let token = self.keys.verify(now, verify).await?.map_err(|_| Error::InvalidGrant)?;
        let subject = Subject::of(&token, client_key.as_ref(), self.window, random::bytes()?);
        let subject = subject.ok_or(Error::InvalidGrant)?;
        let (session, user, now) = self.redeem(&subject, now).await?;
        let keys = self.keys.current(now).await?;
        let pair =
            TokenPair::issue((&session, &subject.secret), &user, &keys, &self.issuance, random::bytes()?, now)?;
        Ok(json(StatusCode::OK, &pair))
    }
}

impl Refresh {
    /// Trades the token for the session's state that the answer is made of.
    async fn redeem(&self, subject: &Subject, mut now: Timestamp) -> Result<(Session, User, Timestamp), Error> {
        for _ in 0..=RACES {
            let (seen, user) = tokio::join!(self.rotate(subject, now), self.store.read_user(&subject.user_id));
            let (seen, user) = (seen?, user?);
            match decide(&subject.presented, seen, user.as_ref(), self.window, now) {
                Decision::Rotated(session) | Decision::Same(session) | Decision::Retry(session) => {
                    return user.map(|user| (session, user, now)).ok_or(Error::InvalidGrant);
                }
                Decision::Gone | Decision::Dead => return Err(Error::InvalidGrant),
                Decision::Reuse => {
                    return Err(self.revoke(subject, Level::Warn, "refresh_token_reuse", now).await);
                }
                Decision::Future => {
                    return Err(self.revoke(subject, Level::Alarm, "refresh_token_from_the_future", now).await);
                }
                Decision::Raced => now = self.context.clock.now(),
            }
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
    async fn revoke(&self, subject: &Subject, level: Level, event: &'static str, now: Timestamp) -> Error {
        if let Err(error) = self.store.revoke_session(&subject.user_id, &subject.session_id).await {
            return match error {
                Error::Internal(cause) | Error::Unavailable(cause) => {
                    self.context.log.failure(now, Level::Alarm, &cause);
                    Error::Unavailable(cause)
                }
                other @ (Error::InvalidCredentials | Error::InvalidGrant | Error::InvalidToken) => other,
            };
        }
        let fields = [
            ("sub", subject.user_id.as_str().into()),
            ("sid", subject.session_id.as_str().into()),
            ("generation", subject.presented.generation.0.into()),
        ];
        self.context.log.write(now, level, event, &fields);
        Error::InvalidGrant
    }
}
