//! How a command reaches AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;

use crate::CommandError;

/// A command has more time than a function: throttled calls are tried for longer.
pub(crate) fn patient() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build())
        .retry_config(RetryConfig::standard().with_max_attempts(8))
}

/// Region and credentials by the ordinary chain: environment, profiles, SSO, container,
/// instance.
///
/// # Errors
/// One line that says which of the two is missing.
pub(crate) async fn settings() -> Result<SdkConfig, CommandError> {
    let settings = patient().load().await;
    if settings.region().is_none() {
        return Err(CommandError::new("no AWS region: set AWS_REGION or choose a profile"));
    }
    let credentials = match settings.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map_err(|error| error.to_string()),
        None => Err("there is no provider".to_owned()),
    };
    credentials.map_err(|error| CommandError::new(format!("no AWS credentials: {error}")))?;
    Ok(settings)
}
