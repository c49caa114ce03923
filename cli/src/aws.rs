//! How a command reaches AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;

use crate::CommandError;

/// Retries throttled calls for longer than a function does: a command has more time.
pub(crate) fn config_loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(10)).build())
        .retry_config(RetryConfig::standard().with_max_attempts(8))
}

/// Region and credentials by the ordinary chain: environment, profiles, SSO, container,
/// instance.
///
/// # Errors
/// One line that says which of the two is missing.
pub(crate) async fn sdk_config() -> Result<SdkConfig, CommandError> {
    let config = config_loader().load().await;
    if config.region().is_none() {
        return Err(CommandError::new("no AWS region: set AWS_REGION or choose a profile"));
    }
    let credentials = match config.credentials_provider() {
        Some(provider) => provider.provide_credentials().await.map_err(|error| error.to_string()),
        None => Err("there is no provider".to_owned()),
    };
    credentials.map_err(|error| CommandError::new(format!("no AWS credentials: {error}")))?;
    Ok(config)
}
