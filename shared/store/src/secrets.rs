//! Secrets Manager: the versions of a secret, and which of them is the current one.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

use relatch::secret::Secret;

use crate::failure::Failure;
use crate::sdk_error::failure_code;

/// The stage of the version that is read by default.
const CURRENT: &str = "AWSCURRENT";
/// The stage of the version that a rotation is making. While it is at another version than the
/// current one, Secrets Manager takes that rotation to be under way and begins no other.
pub const PENDING: &str = "AWSPENDING";

/// A version of a secret.
#[derive(Clone, Debug)]
pub struct SecretVersion {
    /// Its id.
    pub id: String,
    /// Its text; empty when it has none.
    pub text: Secret,
}

/// The secrets of an account.
#[derive(Clone, Debug)]
pub struct SecretsManager {
    client: Client,
}

impl SecretsManager {
    /// The secrets behind a client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The current version of a secret; `None` when it has none yet, or there is no such secret.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] with the service's error code.
    pub async fn current(&self, secret: &str) -> Result<Option<SecretVersion>, Failure> {
        let output = self.client.get_secret_value().secret_id(secret).version_stage(CURRENT).send().await;
        read_version(output)
    }

    /// A version by its id.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] with the service's error code.
    pub async fn version(&self, secret: &str, id: &str) -> Result<Option<SecretVersion>, Failure> {
        let output = self.client.get_secret_value().secret_id(secret).version_id(id).send().await;
        read_version(output)
    }

    /// Whether there is such a secret, with or without a value.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] with the service's error code.
    pub async fn exists(&self, secret: &str) -> Result<bool, Failure> {
        match self.client.describe_secret().secret_id(secret).send().await {
            Ok(_) => Ok(true),
            Err(failure) if failure_code(&failure) == NOT_FOUND => Ok(false),
            Err(failure) => Err(unavailable(&failure)),
        }
    }

    /// Adds a version that is not the current one, at another stage; `id` makes the write safe
    /// to repeat. False when there is a version with this id and another text.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: the version may be there.
    pub async fn add(&self, secret: &str, id: &str, text: &Secret, stage: &str) -> Result<bool, Failure> {
        let put = self
            .client
            .put_secret_value()
            .secret_id(secret)
            .client_request_token(id)
            .secret_string(text.expose())
            .version_stages(stage)
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(failure) if failure_code(&failure) == EXISTS => Ok(false),
            Err(failure) => Err(unavailable(&failure)),
        }
    }

    /// Makes a version the current one in place of the one that was read; false when another
    /// one is current by now.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: it may be current.
    pub async fn make_current(&self, secret: &str, id: &str, instead_of: Option<&str>) -> Result<bool, Failure> {
        let moved = self
            .client
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage(CURRENT)
            .move_to_version_id(id)
            .set_remove_from_version_id(instead_of.map(str::to_owned))
            .send()
            .await;
        match moved {
            Ok(_) => Ok(true),
            Err(failure) if failure_code(&failure) == REFUSED => {
                // The service's own second delivery of this write is refused as well.
                Ok(self.current(secret).await?.is_some_and(|current| current.id == id))
            }
            Err(failure) => Err(unavailable(&failure)),
        }
    }

    /// Ends a rotation that came to nothing, so that another one can begin.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: it may be ended.
    pub async fn end_rotation(&self, secret: &str, id: &str) -> Result<(), Failure> {
        let removed = self
            .client
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage(PENDING)
            .remove_from_version_id(id)
            .send()
            .await;
        match removed {
            Ok(_) => Ok(()),
            // The stage is at another version, or nowhere.
            Err(failure) if failure_code(&failure) == REFUSED => Ok(()),
            Err(failure) => Err(unavailable(&failure)),
        }
    }
}

const NOT_FOUND: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceExistsException";
const REFUSED: &str = "InvalidParameterException";

type GetSecretValue = aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;

fn read_version<E: ProvideErrorMetadata, R>(
    output: Result<GetSecretValue, SdkError<E, R>>,
) -> Result<Option<SecretVersion>, Failure> {
    match output {
        Ok(value) => Ok(Some(SecretVersion {
            id: value.version_id.unwrap_or_default(),
            text: Secret::new(value.secret_string.unwrap_or_default()),
        })),
        Err(failure) if failure_code(&failure) == NOT_FOUND => Ok(None),
        Err(failure) => Err(unavailable(&failure)),
    }
}

fn unavailable<E: ProvideErrorMetadata, R>(failure: &SdkError<E, R>) -> Failure {
    Failure::unavailable("keys.secret", failure_code(failure))
}
