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

use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use relatch::time::Clock;
use relatch::token::{AccessClaims, scope_covers};
use relatch_lambda::access::{AccessTokens, live_session};
use relatch_lambda::config::{AuthorizerMode, Config, ConfigError};
use relatch_lambda::error::{AccessError, Error};
use relatch_lambda::http::Request;
use relatch_lambda::telemetry::{Event, Log, LogFields};
use relatch_lambda::{Context, Instance, RuntimeError, millis, with_deadline};
use relatch_store::{Failure, SessionsTable, Tables, UsersTable, counting_calls};
use serde_json::Value;
use serde_json::value::RawValue;

use event::{AuthorizerEvent, Caller, Form};

/// The function's name in the log, and its binary's.
pub const NAME: &str = "authorizer";

/// Why there is no response. Its text is what API Gateway sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizerError {
    /// 401: the client should refresh.
    #[error("Unauthorized")]
    Unauthorized,
    /// 500: nothing can be said about the token.
    #[error("The access token cannot be judged at the moment")]
    Failed,
}

/// The function.
#[derive(Debug)]
pub struct Authorizer(Instance<Parts>);

#[derive(Debug)]
struct Parts {
    config: Config,
    tokens: AccessTokens,
    users: UsersTable,
    sessions: SessionsTable,
}

impl Authorizer {
    /// Builds the function; with wrong settings it responds with an error.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        Self(Instance::new(NAME, config, clock, log, |context: Context| {
            let Tables { users, sessions, public_keys, .. } =
                Tables::new(&context.config.aws, &context.config.tables);
            let tokens = AccessTokens::new(&context, &public_keys);
            Parts { tokens, users, sessions, config: context.config }
        }))
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(parts) = self.0.get() {
            let _ = tokio::join!(parts.tokens.prepare(self.0.now()), parts.users.connect());
        }
    }

    /// Responds to API Gateway and writes one line about it.
    ///
    /// # Errors
    /// [`AuthorizerError`].
    pub async fn respond(&self, event: &str) -> Result<Value, AuthorizerError> {
        let started = self.0.now();
        let mut fields = LogFields::default();
        // API Gateway waits for an authorizer as long as for a response.
        let (result, calls) = counting_calls(with_deadline(self.decide(event, &mut fields))).await;
        let result = result.unwrap_or_else(|failure| Err(failure.into()));
        let event = match &result {
            Ok((event, _)) => *event,
            Err(error) => {
                error.add_reason(&mut fields);
                error.event()
            }
        };
        let finished = self.0.now();
        fields.add("function", NAME).add("ms", millis(finished.duration_since(started))).add("store_calls", calls);
        self.0.write(finished, event, &fields);
        result.map(|(_, response)| response).map_err(|error| match error {
            Error::InvalidToken(_) => AuthorizerError::Unauthorized,
            Error::InvalidCredentials(_)
            | Error::TooManyAttempts { .. }
            | Error::InvalidGrant(_)
            | Error::Failure(_) => AuthorizerError::Failed,
        })
    }

    async fn decide(&self, event: &str, fields: &mut LogFields) -> Result<(Event, Value), Error> {
        let Parts { config, tokens, users, sessions } = self.0.get()?;
        let wrong_event = || Failure::internal("event", "not what API Gateway asks an authorizer");
        let authorizer_event: AuthorizerEvent = serde_json::from_str(event).map_err(|_| wrong_event())?;
        let form = authorizer_event.form().ok_or_else(wrong_event)?;
        let request = match authorizer_event.header() {
            Some(header) => Request::from_authorization(header),
            None => Request::from_event(event).map_err(|_| wrong_event())?,
        };
        fields.add("request_id", request.id()).add("address", request.address(config.trusted_proxy_hops).prefix());
        let unverified = request.bearer_token().map_err(|_| Error::InvalidToken(AccessError::Missing))?;
        let now = self.0.now();
        let token = tokens.verify(&unverified, now, fields).await?;
        if config.authorizer_mode == AuthorizerMode::Checked {
            live_session(&token, sessions, users, now).await?;
        }
        let needed = config.authorizer_scope.as_deref();
        if needed.is_some_and(|needed| !scope_covers(token.scope.as_deref(), needed)) {
            fields.add("reason", "scope");
            return Ok((Event::AccessDenied, form.deny(&token.sub)));
        }
        Ok((Event::AccessGranted, allow(&form, &token)))
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
        async move { function.respond(event.payload.get()).await.map_err(RuntimeError::from) }
    }))
    .await
}
