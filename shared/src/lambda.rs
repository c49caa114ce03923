//! What all functions have in common: start-up, and the way from an event to its answer.

use std::future::Future;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::config::{Config, ConfigError};
use crate::error::Error;
use crate::http::{EventError, Payload, Refusal, Request, Response};
use crate::telemetry::{Level, Log};
use crate::time::Clock;

/// What ends a function's process.
pub type RuntimeError = lambda_runtime::Error;

/// The longest time an answer may take: less than the function's timeout of 10 s, after
/// which the platform would cut it off without one, and more than one operation of the
/// SDK's, of which an answer may need several.
const DEADLINE: Duration = Duration::from_secs(9);

/// What a function is given to work with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// The clock, read once for a request.
    pub clock: Clock,
    /// The log.
    pub log: Log,
}

/// One function: from a request to a response.
pub trait Handler: Sized + Send + Sync + 'static {
    /// The function's name in the log.
    const NAME: &'static str;

    /// Builds the function of its settings; touches no network.
    fn new(context: Context) -> Self;

    /// Loads keys and opens connections while the instance starts. What fails here is
    /// tried again by the first request that needs it.
    fn prepare(&self) -> impl Future<Output = ()> + Send;

    /// Answers one request.
    fn handle(&self, request: &Request) -> impl Future<Output = Result<Response, Refusal>> + Send;
}

/// A function with its settings read, or with what is wrong with them.
#[derive(Debug)]
pub struct Function<H> {
    handler: Result<H, ConfigError>,
    clock: Clock,
    log: Log,
}

impl<H: Handler> Function<H> {
    /// Builds the function. With wrong settings it is built as well: it says in its
    /// log what is wrong, by name, and answers every request with 503.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        if let Err(error) = &config {
            let fields = [("function", H::NAME.into()), ("findings", error.findings().into())];
            log.write(clock.now(), Level::Alarm, "config_invalid", &fields);
        }
        let handler = config.map(|config| H::new(Context { config, clock: clock.clone(), log: log.clone() }));
        Self { handler, clock, log }
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(handler) = &self.handler {
            handler.prepare().await;
        }
    }

    /// Answers an event and writes one line about it.
    ///
    /// # Errors
    /// [`EventError`] when the event is not one of API Gateway's.
    pub async fn answer(&self, event: &str) -> Result<Payload, EventError> {
        let started = self.clock.now();
        let request = Request::from_event(event)?;
        let result = match &self.handler {
            Ok(handler) => tokio::time::timeout(DEADLINE, handler.handle(&request))
                .await
                .unwrap_or_else(|_| Err(Error::unavailable("the answer", "took too long").into())),
            Err(_) => Err(Error::unavailable("config", "invalid; see the line config_invalid").into()),
        };
        let response = result.as_ref().map_or_else(Refusal::response, Clone::clone);
        let finished = self.clock.now();
        match &result {
            Err(Refusal::Error(Error::Unavailable(cause))) => self.log.failure(finished, Level::Warn, cause),
            Err(Refusal::Error(Error::Internal(cause))) => self.log.failure(finished, Level::Alarm, cause),
            Ok(_) | Err(_) => {}
        }
        let fields = [
            ("function", H::NAME.into()),
            ("request_id", request.id().into()),
            ("status", response.status().as_u16().into()),
            ("error", result.as_ref().err().map(Refusal::code).into()),
            ("ms", finished.millis_since(started).into()),
        ];
        self.log.write(finished, Level::Info, "answered", &fields);
        Ok(request.answer(response))
    }
}

/// Runs a function in Lambda until the platform ends it.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<H: Handler>() -> Result<(), RuntimeError> {
    let function = Function::<H>::new(Config::from_env(), Clock::system(), Log::stdout());
    function.prepare().await;
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| async move {
        function.answer(event.payload.get()).await.map_err(RuntimeError::from)
    }))
    .await
}
