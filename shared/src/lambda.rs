//! What all functions have in common: start-up, and the way from an event to its answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;

use crate::aws;
use crate::config::{Config, ConfigError};
use crate::error::Error;
use crate::http::{EventError, Payload, Refusal, Request, Response};
use crate::telemetry::{Entry, Event, Log};
use crate::time::{Clock, Timestamp};

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

    /// What happened when a request was granted, unless the function says otherwise.
    const GRANTED: Event;

    /// Builds the function of its settings; touches no network.
    fn new(context: Context) -> Self;

    /// Loads keys and opens connections while the instance starts. What fails here is
    /// tried again by the first request that needs it.
    fn prepare(&self) -> impl Future<Output = ()> + Send;

    /// Answers one request, and tells in `entry` what the log should know of it.
    fn handle(
        &self,
        request: &Request,
        entry: &mut Entry,
    ) -> impl Future<Output = Result<Response, Refusal>> + Send;
}

/// What a function built of its settings, or what is wrong with them; its clock and its log.
#[derive(Debug)]
pub struct Instance<T> {
    built: Result<T, ConfigError>,
    clock: Clock,
    log: Log,
}

impl<T> Instance<T> {
    /// Builds a function. With wrong settings it is built as well: it says in its log what
    /// is wrong, by name.
    pub fn new(
        name: &str,
        config: Result<Config, ConfigError>,
        clock: Clock,
        log: Log,
        build: impl FnOnce(Context) -> T,
    ) -> Self {
        if let Err(error) = &config {
            let mut entry = Entry::new(Event::ConfigInvalid);
            entry.with("function", name).with("findings", error.findings());
            log.write(clock.now(), &entry);
        }
        let built = config.map(|config| build(Context { config, clock: clock.clone(), log: log.clone() }));
        Self { built, clock, log }
    }

    /// What was built.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with wrong settings: whatever is asked has to wait.
    pub fn built(&self) -> Result<&T, Error> {
        self.built.as_ref().map_err(|_| Error::unavailable("config", "invalid; see the line config_invalid"))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes a line.
    pub fn write(&self, now: Timestamp, entry: &Entry) {
        self.log.write(now, entry);
    }
}

/// A function that answers the requests of the API.
#[derive(Debug)]
pub struct Function<H> {
    instance: Instance<H>,
    trusted_hops: usize,
}

impl<H: Handler> Function<H> {
    /// Builds the function. With wrong settings it answers every request with 503.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        let trusted_hops = config.as_ref().map_or(0, |config| config.trusted_hops);
        Self { instance: Instance::new(H::NAME, config, clock, log, H::new), trusted_hops }
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(handler) = self.instance.built() {
            handler.prepare().await;
        }
    }

    async fn decide(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        let work = self.instance.built()?.handle(request, entry);
        in_time(work).await.unwrap_or_else(|late| Err(late.into()))
    }

    /// Answers an event and writes one line about it.
    ///
    /// # Errors
    /// [`EventError`] when the event is not one of API Gateway's.
    pub async fn answer(&self, event: &str) -> Result<Payload, EventError> {
        let started = self.instance.now();
        let request = Request::from_event(event)?;
        let mut entry = Entry::new(H::GRANTED);
        let (result, calls) = aws::counting_calls(self.decide(&request, &mut entry)).await;
        let response = result.as_ref().map_or_else(Refusal::response, Clone::clone);
        if let Err(refusal) = &result {
            told(refusal, &mut entry);
        }
        let finished = self.instance.now();
        entry
            .with("function", H::NAME)
            .with("request_id", request.id())
            .with("address", request.address(self.trusted_hops).prefix())
            .with("status", response.status().as_u16())
            .with("ms", finished.millis_since(started))
            .with("store_calls", calls);
        self.instance.write(finished, &entry);
        Ok(request.answer(response))
    }
}

/// What comes of the work, if it comes in time.
///
/// # Errors
/// [`Error::Unavailable`] after the longest time that an answer may take.
pub fn in_time<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Error>> {
    // On the heap before anything waits for it: with the SDK's in it, it is tens of kilobytes
    // that would be moved about.
    let work = tokio::time::timeout(DEADLINE, Box::pin(work));
    async { work.await.map_err(|_| Error::unavailable("the answer", "took too long")) }
}

/// What happened when a request was refused, where the function has not said it.
fn told(refusal: &Refusal, entry: &mut Entry) {
    entry.with("error", refusal.code());
    match refusal {
        Refusal::Error(Error::InvalidCredentials) => entry.becomes(Event::SigninFail),
        Refusal::Error(Error::TooManyAttempts { scope, .. }) => {
            entry.becomes(Event::SigninThrottled).with("why", scope.name())
        }
        // Each way to come here has its own event, which the function has told.
        Refusal::CookieIsOver | Refusal::Error(Error::InvalidGrant | Error::InvalidToken) => entry,
        Refusal::Error(error @ (Error::Unavailable(_) | Error::Internal(_))) => entry.fails(error),
        Refusal::MissingToken => entry.becomes(Event::AccessRefused).with("why", "missing"),
        Refusal::ForeignPage => entry.becomes(Event::InputRefused).with("why", "foreign_page"),
        Refusal::InvalidRequest(_)
        | Refusal::NotFound
        | Refusal::MethodNotAllowed(_)
        | Refusal::PayloadTooLarge
        | Refusal::UnsupportedGrantType
        | Refusal::InvalidClient
        | Refusal::InvalidScope
        | Refusal::UnsupportedMediaType(_) => entry.becomes(Event::InputRefused),
    };
}

/// Runs a function in Lambda until the platform ends it: one event after another, or as many at
/// once as `AWS_LAMBDA_MAX_CONCURRENCY` says (Lambda Managed Instances set it).
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run<H: Handler>() -> Result<(), RuntimeError> {
    let function =
        Function::<H>::new(Config::from_env(), Clock::system(), Log::stdout(Config::metrics_namespace_from_env()));
    function.prepare().await;
    let function = Arc::new(function);
    lambda_runtime::run_concurrent(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let function = Arc::clone(&function);
        async move { function.answer(event.payload.get()).await.map_err(RuntimeError::from) }
    }))
    .await
}
