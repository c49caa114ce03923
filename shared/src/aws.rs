//! The AWS clients of a function: explicit region, credentials, certificates and deadlines.

mod tls;

use std::cell::Cell;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};

use crate::config::{Aws, Deadlines};

const ATTEMPTS: u32 = 3;

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

fn settings(aws: &Aws, endpoint: Option<&String>) -> SdkConfig {
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
pub(crate) fn dynamodb_client(aws: &Aws) -> aws_sdk_dynamodb::Client {
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
pub(crate) fn secrets_client(aws: &Aws) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::new(&settings(aws, aws.secrets_endpoint.as_ref()))
}

/// What an operation failed with: the service's error code, or where on the way it
/// was lost. Fixed words and codes only, nothing of a request or an item.
pub(crate) fn failure_code<E: ProvideErrorMetadata, R>(failure: &SdkError<E, R>) -> &str {
    match failure {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "not reached",
        SdkError::ResponseError(_) => "the response was cut off",
        SdkError::ServiceError(service) => service.err().meta().code().unwrap_or("an error without a code"),
        _ => "failed",
    }
}
