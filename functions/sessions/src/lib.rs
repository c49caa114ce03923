//! `GET /sessions`, `DELETE /sessions/{sid}`, `DELETE /sessions`: where a user is signed
//! in, and an end to it.
//!
//! Unlike the owner's routes, these look at the caller's own session: a token whose
//! session was ended, or whose user was disabled, must not be good for ending others.

use relatch::session::{EndedBy, Session, SessionId};
use relatch::time::Timestamp;
use relatch::user::User;
use relatch_lambda::access::{AccessTokens, live_session};
use relatch_lambda::http::{Rejection, Request, StatusCode, empty, json};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::{Context, Handler, Outcome};
use relatch_store::{SessionsTable, Tables, UsersTable};
use serde::Serialize;

/// The function.
#[derive(Debug)]
pub struct Sessions {
    context: Context,
    tokens: AccessTokens,
    users: UsersTable,
    sessions: SessionsTable,
}

/// Whoever calls, with the live session that the access token belongs to.
struct Caller {
    user: User,
    session: Session,
}

#[derive(Serialize)]
struct List {
    sessions: Vec<SessionView>,
}

/// A session as its user sees it.
#[derive(Serialize)]
struct SessionView {
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// RFC 3339, to the second.
    created_at: String,
    /// To the day: a thief who knew when the owner last refreshed could keep in step.
    last_used_on: String,
    is_current: bool,
}

const SESSIONS: &str = "/sessions";

impl Handler for Sessions {
    const NAME: &'static str = "sessions";

    fn new(context: Context) -> Self {
        let Tables { users, sessions, public_keys, .. } = Tables::new(&context.config.aws, &context.config.tables);
        Self { tokens: AccessTokens::new(&context, &public_keys), users, sessions, context }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.tokens.prepare(self.context.clock.now()), self.users.connect());
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let rest = request.path().strip_prefix(SESSIONS).ok_or(Rejection::NotFound)?;
        if rest.is_empty() {
            return match request.method() {
                "GET" => self.list(request, fields).await,
                "DELETE" => self.end_others(request, fields).await,
                _ => Err(Rejection::MethodNotAllowed("GET, DELETE")),
            };
        }
        let id = rest.strip_prefix('/').and_then(SessionId::parse).ok_or(Rejection::NotFound)?;
        match request.method() {
            "DELETE" => self.end(request, &id, fields).await,
            _ => Err(Rejection::MethodNotAllowed("DELETE")),
        }
    }
}

impl Sessions {
    async fn list(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let (caller, now) = self.caller(request, fields).await?;
        let mut sessions = self.sessions.list_active(&caller.user.id).await?;
        sessions.retain(|session| session.is_live(&caller.user, now));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        let sessions = sessions.into_iter().map(|session| view(session, &caller)).collect();
        Ok(Outcome::new(Event::SessionsListed, json(StatusCode::OK, &List { sessions })))
    }

    /// Ends one of the user's own sessions; one that is not there is ended already.
    async fn end(&self, request: &Request, id: &SessionId, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let (caller, now) = self.caller(request, fields).await?;
        self.sessions.revoke(&caller.user.id, id, EndedBy::User).await?;
        self.log(&caller, id, now);
        Ok(Outcome::new(Event::SessionsEnded, empty()))
    }

    /// Ends all of the user's sessions but the caller's own.
    async fn end_others(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let (caller, now) = self.caller(request, fields).await?;
        for session in self.sessions.list_active(&caller.user.id).await? {
            if session.id != caller.session.id {
                self.sessions.revoke(&caller.user.id, &session.id, EndedBy::User).await?;
                self.log(&caller, &session.id, now);
            }
        }
        Ok(Outcome::new(Event::SessionsEnded, empty()))
    }

    async fn caller(&self, request: &Request, fields: &mut LogFields) -> Result<(Caller, Timestamp), Rejection> {
        let unverified = request.bearer_token()?;
        let now = self.context.clock.now();
        let token = self.tokens.verify(&unverified, now, fields).await?;
        let (session, user) = live_session(&token, &self.sessions, &self.users, now).await?;
        Ok((Caller { user, session }, now))
    }

    fn log(&self, caller: &Caller, ended: &SessionId, now: Timestamp) {
        let mut fields = LogFields::default();
        fields
            .add("function", Self::NAME)
            .add("sub", caller.user.id.as_str())
            .add("sid", ended.as_str())
            .add("by", caller.session.id.as_str());
        self.context.log.write(now, Event::SessionEnded, &fields);
    }
}

fn view(session: Session, caller: &Caller) -> SessionView {
    SessionView {
        is_current: session.id == caller.session.id,
        created_at: session.created_at.to_rfc3339(),
        last_used_on: session.issued_at().to_day(),
        sid: session.id.as_str().to_owned(),
        device: session.device,
    }
}
