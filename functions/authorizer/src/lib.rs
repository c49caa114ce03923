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
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use relatch::access::{AccessTokens, live_session};
use relatch::config::{AuthorizerMode, Config, ConfigError};
use relatch::error::Error;
use relatch::http::Request;
use relatch::lambda::{Context, Instance, RuntimeError, in_time};
use relatch::store::{Store, counting_calls};
use relatch::telemetry::{Entry, Event, Log};
use relatch::time::Clock;
use relatch::token::{AccessClaims, scope_covers};
use serde_json::Value;
use serde_json::value::RawValue;

use event::{Caller, Form, Question};

/// The function's name in the log, and its binary's.
pub const NAME: &str = "authorizer";

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
pub struct Authorizer(Instance<Settings>);

#[derive(Debug)]
struct Settings {
    config: Config,
    tokens: AccessTokens,
    store: Store,
}

impl Authorizer {
    /// Builds the function; with wrong settings it answers with an error.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        Self(Instance::new(NAME, config, clock, log, |context: Context| {
            let store = Store::new(&context.config);
            Settings { tokens: AccessTokens::new(&context, &store), store, config: context.config }
        }))
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(settings) = self.0.built() {
            let _ = tokio::join!(settings.tokens.prepare(self.0.now()), settings.store.connect());
        }
    }

    /// Answers API Gateway's question and writes one line about it.
    ///
    /// # Errors
    /// [`AuthorizerError`].
    pub async fn answer(&self, event: &str) -> Result<Value, AuthorizerError> {
        let started = self.0.now();
        let mut entry = Entry::new(Event::AccessGranted);
        // API Gateway waits for an authorizer as long as for an answer.
        let (answer, calls) = counting_calls(in_time(self.decide(event, &mut entry))).await;
        let answer = answer.unwrap_or_else(Err).inspect_err(|error| {
            entry.fails(error);
        });
        let finished = self.0.now();
        entry.with("function", NAME).with("ms", finished.millis_since(started)).with("store_calls", calls);
        self.0.write(finished, &entry);
        answer.map_err(|error| match error {
            Error::InvalidToken => AuthorizerError::Unauthorized,
            _ => AuthorizerError::Failed,
        })
    }

    async fn decide(&self, event: &str, entry: &mut Entry) -> Result<Value, Error> {
        let Settings { config, tokens, store } = self.0.built()?;
        let no_event = || Error::internal("event", "not what API Gateway asks an authorizer");
        let question: Question = serde_json::from_str(event).map_err(|_| no_event())?;
        let form = question.form().ok_or_else(no_event)?;
        let request = match question.header() {
            Some(header) => Request::of_authorization(header),
            None => Request::from_event(event).map_err(|_| no_event())?,
        };
        entry.with("request_id", request.id()).with("address", request.address(config.trusted_hops).prefix());
        let Ok(unverified) = request.bearer_token() else {
            entry.becomes(Event::AccessRefused).with("why", "missing");
            return Err(Error::InvalidToken);
        };
        let now = self.0.now();
        let token = tokens.verify(&unverified, now, entry).await?;
        if config.authorizer_mode == AuthorizerMode::Checked {
            live_session(&token, store, now, entry).await?;
        }
        let needed = config.authorizer_scope.as_deref();
        if needed.is_some_and(|needed| !scope_covers(token.scope.as_deref(), needed)) {
            entry.becomes(Event::AccessDenied).with("why", "scope");
            return Ok(form.deny(&token.sub));
        }
        Ok(allow(&form, &token))
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

/// Runs the function in Lambda until the platform ends it.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run() -> Result<(), RuntimeError> {
    let log = Log::stdout(Config::metrics_namespace_from_env());
    let function = Authorizer::new(Config::from_env(), Clock::system(), log);
    function.prepare().await;
    let function = Arc::new(function);
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move { function.answer(event.payload.get()).await.map_err(RuntimeError::from) }
    }))
    .await
}
