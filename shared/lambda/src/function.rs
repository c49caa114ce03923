//! What all functions have in common: start-up, and the way from an event to its response.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use relatch::time::{Clock, Timestamp};
use relatch_store::{Failure, counting_calls};
use serde_json::value::RawValue;

use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::http::{EventError, Payload, Rejection, Request, Response};
use crate::telemetry::{Event, Log, LogFields};

/// What ends a function's process.
pub type RuntimeError = lambda_runtime::Error;

/// The longest time a response may take: less than the function's timeout of 10 s, after
/// which the platform would cut it off without one, and more than one operation of the
/// SDK's, of which a response may need several.
const DEADLINE: Duration = Duration::from_secs(9);

/// One function: from a request to a response.
pub trait Handler: Sized + Send + Sync + 'static {
    /// The function's name in the log.
    const NAME: &'static str;

    /// Builds the function of its settings; touches no network.
    fn new(context: Context) -> Self;

    /// Loads keys and opens connections while the instance starts. What fails here is
    /// tried again by the first request that needs it.
    fn prepare(&self) -> impl Future<Output = ()> + Send;

    /// Handles one request. What the log line should hold besides the outcome goes into
    /// `fields`, also if the request is rejected.
    fn handle(
        &self,
        request: &Request,
        fields: &mut LogFields,
    ) -> impl Future<Output = Result<Outcome, Rejection>> + Send;
}

/// What a granted request comes to.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, for the log.
    pub event: Event,
    /// The response.
    pub response: Response,
}

impl Outcome {
    /// An outcome.
    pub fn new(event: Event, response: Response) -> Self {
        Self { event, response }
    }
}

/// What a function built of its settings, or what is wrong with them; its clock and its log.
#[derive(Debug)]
pub struct Instance<T> {
    function: Result<T, ConfigError>,
    clock: Clock,
    log: Log,
}

impl<T> Instance<T> {
    /// Builds a function. With wrong settings there is an instance as well: its log says what
    /// is wrong, by name.
    pub fn new(
        name: &str,
        config: Result<Config, ConfigError>,
        clock: Clock,
        log: Log,
        build: impl FnOnce(Context) -> T,
    ) -> Self {
        if let Err(error) = &config {
            let mut fields = LogFields::default();
            fields.add("function", name).add("findings", error.findings());
            log.write(clock.now(), Event::ConfigInvalid, &fields);
        }
        let function = config.map(|config| build(Context { config, clock: clock.clone(), log: log.clone() }));
        Self { function, clock, log }
    }

    /// The function.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] with wrong settings: every request has to wait.
    pub fn get(&self) -> Result<&T, Failure> {
        self.function.as_ref().map_err(|_| Failure::unavailable("config", "invalid; see the line config_invalid"))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes a line.
    pub fn write(&self, now: Timestamp, event: Event, fields: &LogFields) {
        self.log.write(now, event, fields);
    }
}

/// A function that handles the requests of the API.
#[derive(Debug)]
pub struct Function<H> {
    instance: Instance<H>,
    trusted_proxy_hops: usize,
}

impl<H: Handler> Function<H> {
    /// Builds the function. With wrong settings it responds to every request with 503.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        let trusted_proxy_hops = config.as_ref().map_or(0, |config| config.trusted_proxy_hops);
        Self { instance: Instance::new(H::NAME, config, clock, log, H::new), trusted_proxy_hops }
    }

    /// Loads keys and opens connections.
    pub async fn prepare(&self) {
        if let Ok(handler) = self.instance.get() {
            handler.prepare().await;
        }
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let work = self.instance.get()?.handle(request, fields);
        with_deadline(work).await?
    }

    /// Handles an event and writes one line about it.
    ///
    /// # Errors
    /// [`EventError`] when the event is not one of API Gateway's.
    pub async fn respond(&self, event: &str) -> Result<Payload, EventError> {
        let started = self.instance.now();
        let request = Request::from_event(event)?;
        let mut fields = LogFields::default();
        let (result, calls) = counting_calls(self.handle(&request, &mut fields)).await;
        let Outcome { event, response } = result.unwrap_or_else(|rejection| {
            rejection.add_to(&mut fields);
            Outcome::new(rejection.event(), rejection.response())
        });
        let finished = self.instance.now();
        fields
            .add("function", H::NAME)
            .add("request_id", request.id())
            .add("address", request.address(self.trusted_proxy_hops).prefix())
            .add("status", response.status().as_u16())
            .add("ms", millis(finished.duration_since(started)))
            .add("store_calls", calls);
        self.instance.write(finished, event, &fields);
        Ok(request.payload(response))
    }
}

/// A duration as the log has it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What comes of the work, if it comes in time.
///
/// # Errors
/// [`Failure::Unavailable`] after the longest time that a response may take.
pub fn with_deadline<T>(work: impl Future<Output = T>) -> impl Future<Output = Result<T, Failure>> {
    // On the heap before anything waits for it: with the SDK's in it, it is tens of kilobytes
    // that would be moved about.
    let work = tokio::time::timeout(DEADLINE, Box::pin(work));
    async { work.await.map_err(|_| Failure::unavailable("the answer", "took too long")) }
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
        async move { function.respond(event.payload.get()).await.map_err(RuntimeError::from) }
    }))
    .await
}
