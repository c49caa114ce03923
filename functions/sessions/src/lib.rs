//! `GET /sessions`, `DELETE /sessions/{sid}`, `DELETE /sessions`: where a user is signed
//! in, and an end to it.
//!
//! Unlike the owner's routes, these look at the caller's own session: a token whose
//! session was ended, or whose user was disabled, must not be good for ending others.

use relatch::access::{AccessTokens, live_session};
use relatch::http::{Refusal, Request, Response, StatusCode, empty, json};
use relatch::lambda::{Context, Handler};
use relatch::session::{EndedBy, Session, SessionId};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event};
use relatch::time::Timestamp;
use relatch::user::User;
use serde::Serialize;

/// The function.
#[derive(Debug)]
pub struct Sessions {
    context: Context,
    tokens: AccessTokens,
    store: Store,
}

/// Whoever calls, with the live session that the access token belongs to.
struct Caller {
    user: User,
    session: Session,
}

#[derive(Serialize)]
struct List {
    sessions: Vec<Shown>,
}

/// A session as its user sees it.
#[derive(Serialize)]
struct Shown {
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// RFC 3339, to the second.
    created_at: String,
    /// To the day: a thief who knew when the owner last refreshed could keep in step.
    last_used_on: String,
    is_current: bool,
}

const ALL: &str = "/sessions";

impl Handler for Sessions {
    const NAME: &'static str = "sessions";
    const GRANTED: Event = Event::SessionsEnded;

    fn new(context: Context) -> Self {
        let store = Store::new(&context.config);
        Self { tokens: AccessTokens::new(&context, &store), store, context }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.tokens.prepare(self.context.clock.now()), self.store.connect());
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        let rest = request.path().strip_prefix(ALL).ok_or(Refusal::NotFound)?;
        if rest.is_empty() {
            return match request.method() {
                "GET" => self.list(request, entry).await,
                "DELETE" => self.end_others(request, entry).await,
                _ => Err(Refusal::MethodNotAllowed("GET, DELETE")),
            };
        }
        let id = rest.strip_prefix('/').and_then(SessionId::parse).ok_or(Refusal::NotFound)?;
        match request.method() {
            "DELETE" => self.end(request, &id, entry).await,
            _ => Err(Refusal::MethodNotAllowed("DELETE")),
        }
    }
}

impl Sessions {
    async fn list(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        let (caller, now) = self.caller(request, entry).await?;
        entry.becomes(Event::SessionsListed);
        let mut sessions = self.store.active_sessions(&caller.user.id).await?;
        sessions.retain(|session| session.is_live(&caller.user, now));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        let sessions = sessions.into_iter().map(|session| shown(session, &caller)).collect();
        Ok(json(StatusCode::OK, &List { sessions }))
    }

    /// Ends one of the user's own sessions; one that is not there is ended already.
    async fn end(&self, request: &Request, id: &SessionId, entry: &mut Entry) -> Result<Response, Refusal> {
        let (caller, now) = self.caller(request, entry).await?;
        self.store.revoke_session(&caller.user.id, id, EndedBy::User).await?;
        self.log(&caller, id, now);
        Ok(empty())
    }

    /// Ends all of the user's sessions but the caller's own.
    async fn end_others(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        let (caller, now) = self.caller(request, entry).await?;
        for session in self.store.active_sessions(&caller.user.id).await? {
            if session.id != caller.session.id {
                self.store.revoke_session(&caller.user.id, &session.id, EndedBy::User).await?;
                self.log(&caller, &session.id, now);
            }
        }
        Ok(empty())
    }

    async fn caller(&self, request: &Request, entry: &mut Entry) -> Result<(Caller, Timestamp), Refusal> {
        let unverified = request.bearer_token()?;
        let now = self.context.clock.now();
        let token = self.tokens.verify(&unverified, now, entry).await?;
        let (session, user) = live_session(&token, &self.store, now, entry).await?;
        Ok((Caller { user, session }, now))
    }

    fn log(&self, caller: &Caller, ended: &SessionId, now: Timestamp) {
        let mut entry = Entry::new(Event::SessionEnded);
        entry
            .with("function", Self::NAME)
            .with("sub", caller.user.id.as_str())
            .with("sid", ended.as_str())
            .with("by", caller.session.id.as_str());
        self.context.log.write(now, &entry);
    }
}

fn shown(session: Session, caller: &Caller) -> Shown {
    Shown {
        is_current: session.id == caller.session.id,
        created_at: session.created_at.to_rfc3339(),
        last_used_on: session.issued_at().to_day(),
        sid: session.id.as_str().to_owned(),
        device: session.device,
    }
}
