//! An authorizer for the owner's own routes: API Gateway asks it before it calls the owner's
//! function. For HTTP APIs (payload 2.0) and REST APIs (requests and tokens).
//!
//! | the access token | answer | what the client gets |
//! |---|---|---|
//! | is good | allowed, with who calls | the owner's answer |
//! | is missing, wrong or expired, or its session has ended | the error `Unauthorized` | 401, on which it refreshes |
//! | is good, and has not the scope | not allowed | 403 |
//! | cannot be judged: keys or the database are out of reach | another error | 500 |
//!
//! `Unauthorized`, to the letter, is what API Gateway turns into a 401: a token that has
//! expired must not look like one that is not allowed, or clients would not refresh.

mod event;

use std::fmt;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use relatch::config::{AuthorizerMode, Config, ConfigError};
use relatch::error::{Cause, Error};
use relatch::http::Request;
use relatch::session::Death;
use relatch::store::{Store, counting_calls};
use relatch::telemetry::{Entry, Event, Log};
use relatch::time::Clock;
use relatch::token::{AccessClaims, Issuance, KeyRing, Verified, verify_access};
use relatch::user::UserId;
use relatch::{Secret, lambda};
use serde_json::Value;
use serde_json::value::RawValue;

use event::{Caller, Form, Question};

/// What ends the function's process.
pub type RuntimeError = lambda_runtime::Error;

/// The function's name in the log, and its binary's.
pub const NAME: &str = "authorizer";

/// API Gateway waits for an authorizer no longer than ten seconds.
const DEADLINE: Duration = Duration::from_secs(9);

/// Why there is no answer. Its text is what API Gateway sees.
#[derive(Debug)]
pub enum AuthorizerError {
    /// 401: the client should refresh.
    Unauthorized,
    /// 500: nothing can be said about the token.
    Failed,
}

impl fmt::Display for AuthorizerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthorized => "Unauthorized",
            Self::Failed => "The access token cannot be judged at the moment",
        })
    }
}

impl std::error::Error for AuthorizerError {}

/// The function.
#[derive(Debug)]
pub struct Authorizer {
    settings: Result<Settings, ConfigError>,
    clock: Clock,
    log: Log,
}

#[derive(Debug)]
struct Settings {
    config: Config,
    issuance: Issuance,
    keys: KeyRing,
    store: Store,
}

/// What comes of a token.
enum Verdict {
    Allowed(Verified<AccessClaims>),
    Denied(Verified<AccessClaims>),
    Unauthorized,
}

impl Authorizer {
    /// Builds the function; with wrong settings it answers with an error.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        if let Err(error) = &config {
            let mut entry = Entry::new(Event::ConfigInvalid);
            entry.with("function", NAME).with("findings", error.findings());
            log.write(clock.now(), &entry);
        }
        let settings = config.map(|config| {
            let context = lambda::Context { config, clock: clock.clone(), log: log.clone() };
            let store = Store::new(&context.config);
            Settings {
                issuance: Issuance::new(&context.config),
                keys: KeyRing::of_public_keys(&context, &store),
                store,
                config: context.config,
            }
        });
        Self { settings, clock, log }
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(settings) = &self.settings {
            let _ = tokio::join!(settings.keys.current(self.clock.now()), settings.store.connect());
        }
    }

    /// Answers API Gateway's question and writes one line about it.
    ///
    /// # Errors
    /// [`AuthorizerError`].
    pub async fn answer(&self, event: &str) -> Result<Value, AuthorizerError> {
        let started = self.clock.now();
        let mut entry = Entry::new(Event::AccessGranted);
        let work = Box::pin(self.decide(event, &mut entry));
        let (answer, calls) = counting_calls(tokio::time::timeout(DEADLINE, work)).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::unavailable("the answer", "took too long")));
        match &answer {
            Err(Error::Unavailable(cause)) => failed(&mut entry, Event::Unavailable, cause),
            Err(Error::Internal(cause)) => failed(&mut entry, Event::Failed, cause),
            Err(_) | Ok(_) => {}
        }
        let finished = self.clock.now();
        entry.with("function", NAME).with("ms", finished.millis_since(started)).with("store_calls", calls);
        self.log.write(finished, &entry);
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(AuthorizerError::Unauthorized),
            Err(_) => Err(AuthorizerError::Failed),
        }
    }

    /// The answer; `None` is 401.
    async fn decide(&self, event: &str, entry: &mut Entry) -> Result<Option<Value>, Error> {
        let settings = self.settings.as_ref();
        let settings =
            settings.map_err(|_| Error::unavailable("config", "invalid; see the line config_invalid"))?;
        let no_event = || Error::internal("event", "not what API Gateway asks an authorizer");
        let question: Question = serde_json::from_str(event).map_err(|_| no_event())?;
        let form = question.form().ok_or_else(no_event)?;
        let request = match question.header() {
            Some(header) => Request::of_authorization(header),
            None => Request::from_event(event).map_err(|_| no_event())?,
        };
        entry
            .with("request_id", request.id())
            .with("address", request.address(settings.config.trusted_hops).prefix());
        let Ok(unverified) = request.bearer_token() else {
            entry.becomes(Event::AccessRefused).with("why", "missing");
            return Ok(None);
        };
        match settings.judge(&unverified, &self.clock, entry).await? {
            Verdict::Unauthorized => Ok(None),
            Verdict::Denied(token) => Ok(Some(form.deny(&token.sub))),
            Verdict::Allowed(token) => Ok(Some(allow(&form, &token))),
        }
    }
}

impl Settings {
    async fn judge(&self, unverified: &Secret, clock: &Clock, entry: &mut Entry) -> Result<Verdict, Error> {
        let now = clock.now();
        let verify = |keys: &_| verify_access(unverified.expose(), keys, &self.issuance, now);
        let token = match self.keys.verify(now, verify).await? {
            Ok(token) => token,
            Err(why) => return Ok(refused(entry, Event::of_access_token(why), &why.to_string())),
        };
        entry.with("sub", token.sub.as_str()).with("sid", token.sid.as_str());
        if self.config.authorizer_mode == AuthorizerMode::Checked {
            let (Ok(user_id), Some(session_id)) = (UserId::parse(&token.sub), token.session_id()) else {
                return Ok(refused(entry, Event::AccessRefused, "bad_claims"));
            };
            let (session, user) =
                tokio::join!(self.store.read_session(&user_id, &session_id), self.store.read_user(&user_id));
            let (session, user) = (session?, user?);
            let why = session.map_or(Some("gone"), |session| session.death(user.as_ref(), now).map(Death::name));
            if let Some(why) = why {
                return Ok(refused(entry, Event::AccessRefused, why));
            }
        }
        let granted: Vec<&str> = token.scope.iter().flat_map(|scope| scope.split(' ')).collect();
        let mut needed = self.config.authorizer_scope.iter().flat_map(|scope| scope.split(' '));
        if needed.any(|word| !granted.contains(&word)) {
            entry.becomes(Event::AccessDenied).with("why", "scope");
            return Ok(Verdict::Denied(token));
        }
        Ok(Verdict::Allowed(token))
    }
}

fn allow(form: &Form, token: &AccessClaims) -> Value {
    form.allow(&Caller {
        sub: token.sub.clone(),
        sid: token.sid.clone(),
        scope: token.scope.clone().unwrap_or_default(),
        user_email: token.user_email.clone(),
    })
}

fn refused(entry: &mut Entry, event: Event, why: &str) -> Verdict {
    entry.becomes(event).with("why", why);
    Verdict::Unauthorized
}

fn failed(entry: &mut Entry, event: Event, cause: &Cause) {
    entry.becomes(event).with_cause(cause);
}

/// Runs the function in Lambda until the platform ends it.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run() -> Result<(), RuntimeError> {
    let log = Log::stdout(Config::metrics_namespace_from_env());
    let function = Authorizer::new(Config::from_env(), Clock::system(), log);
    function.prepare().await;
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        function.answer(event.payload.get()).await.map_err(RuntimeError::from)
    }))
    .await
}
