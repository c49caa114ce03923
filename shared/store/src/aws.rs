//! The AWS clients of a function: explicit region, credentials, certificates and deadlines.

mod tls;

use std::cell::Cell;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept};
use aws_sdk_dynamodb::error::BoxError;

use relatch::secret::Secret;

const ATTEMPTS: u32 = 3;

/// Region, credentials and endpoints, from the variables that Lambda sets. No
/// profile file is read and no metadata service asked: in a function both cost
/// start-up time and find nothing.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`, if any.
    pub session_token: Option<Secret>,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, or `AWS_ENDPOINT_URL`: DynamoDB elsewhere than in AWS.
    pub dynamodb_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, or `AWS_ENDPOINT_URL`.
    pub secrets_endpoint: Option<String>,
    /// How long calls may take; no variable sets it.
    pub deadlines: Deadlines,
}

/// How long a call to AWS may take. Deadlines nest: one attempt < the whole operation <
/// the answer (9 s) < the function (10 s) < the API (30 s). Otherwise the outer one cuts
/// the inner off, and a write may have happened that nobody hears of.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Of one attempt.
    pub attempt: Duration,
    /// Of the operation with all its attempts.
    pub operation: Duration,
    /// The first pause before another attempt; each one is longer and drawn at random.
    pub first_pause: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(1),
            operation: Duration::from_secs(3),
            first_pause: Duration::from_millis(50),
        }
    }
}

/// The deadlines and retries of every call to AWS.
fn with_deadlines(settings: &SdkConfig, deadlines: Deadlines) -> SdkConfig {
    let Deadlines { attempt, operation, first_pause } = deadlines;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build();
    let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(first_pause);
    settings.to_builder().timeout_config(timeouts).retry_config(retries).build()
}

fn settings(aws: &AwsSettings, endpoint: Option<&String>) -> SdkConfig {
    let credentials = Credentials::new(
        aws.access_key_id.clone(),
        aws.secret_access_key.expose(),
        aws.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "environment",
    );
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(aws.region.clone()))
        .http_client(tls::https_client(&aws.region, endpoint.map(String::as_str)))
        .credentials_provider(SharedCredentialsProvider::new(credentials));
    builder.set_endpoint_url(endpoint.cloned());
    with_deadlines(&builder.build(), aws.deadlines)
}

/// A client for DynamoDB.
pub fn dynamodb_client(aws: &AwsSettings) -> aws_sdk_dynamodb::Client {
    let settings = settings(aws, aws.dynamodb_endpoint.as_ref());
    let config = aws_sdk_dynamodb::config::Builder::from(&settings).interceptor(CountCalls).build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

tokio::task_local! {
    static CALLS: Cell<u32>;
}

/// Counts the calls to DynamoDB that a task makes, each once, however often it is tried.
#[derive(Debug)]
struct CountCalls;

impl Intercept for CountCalls {
    fn name(&self) -> &'static str {
        "CountCalls"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Outside of a request nobody counts.
        let _ = CALLS.try_with(|calls| calls.set(calls.get().saturating_add(1)));
        Ok(())
    }
}

/// Does the work of a request and tells how many calls to DynamoDB it took.
pub async fn counting_calls<T>(work: impl Future<Output = T>) -> (T, u32) {
    CALLS.scope(Cell::new(0), async { (work.await, CALLS.with(Cell::get)) }).await
}

/// A client for Secrets Manager.
pub fn secrets_client(aws: &AwsSettings) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(&settings(aws, aws.secrets_endpoint.as_ref()))
}
