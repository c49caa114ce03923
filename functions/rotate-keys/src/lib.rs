//! The rotation of keys, as Secrets Manager runs it: four steps, each of which may come more
//! than once, and be cut off anywhere.
//!
//! | step | what it does |
//! |---|---|
//! | `createSecret` | adds a version with the keys after the rotation, and says from which version it was made |
//! | `setSecret` | publishes the new public keys |
//! | `testSecret` | checks that the functions can use the new version, and that all of it is published |
//! | `finishSecret` | makes it the current version, in place of the one it was made from; then takes back what nobody needs any more |
//!
//! So a public key is known before its private half can sign, and goes only after it cannot
//! any more. If somebody else changed the keys meanwhile, the rotation fails and nothing of it
//! stays: Secrets Manager starts again, from the keys as they are then.

mod steps;

use lambda_runtime::{LambdaEvent, service_fn};
use relatch::keys::{ACCESS_SECRET_PURPOSES, Purpose, REFRESH_SECRET_PURPOSES};
use relatch::time::Clock;
use relatch_lambda::config::{Config, ConfigError, KeySource};
use relatch_lambda::telemetry::{Event, Log, LogFields};
use relatch_lambda::{Instance, RuntimeError, millis};
use relatch_store::{Failure, PublicKeysTable, SecretsManager, Tables, secrets_client};
use serde::Deserialize;
use serde_json::Value;

use steps::KeyRotation;

const NAME: &str = "rotate-keys";

/// What Secrets Manager asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StepEvent {
    step: Step,
    secret_id: String,
    client_request_token: String,
}

#[derive(Clone, Copy, Deserialize)]
enum Step {
    #[serde(rename = "createSecret")]
    Create,
    #[serde(rename = "setSecret")]
    Set,
    #[serde(rename = "testSecret")]
    Test,
    #[serde(rename = "finishSecret")]
    Finish,
}

/// The function.
#[derive(Debug)]
pub struct RotateKeys(Instance<Parts>);

#[derive(Debug)]
struct Parts {
    config: Config,
    secrets: SecretsManager,
    public_keys: PublicKeysTable,
}

impl RotateKeys {
    /// Builds the function; with wrong settings it fails every step.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        Self(Instance::new(NAME, config, clock, log, |context| Parts {
            secrets: SecretsManager::new(secrets_client(&context.config.aws)),
            public_keys: Tables::new(&context.config.aws, &context.config.tables).public_keys,
            config: context.config,
        }))
    }

    /// Does one step.
    ///
    /// # Errors
    /// Why it failed, in words that hold no part of a key. Secrets Manager then starts again.
    pub async fn step(&self, event: &Value) -> Result<(), Failure> {
        let started = self.0.now();
        let mut fields = LogFields::default();
        fields.add("function", NAME);
        let result = self.try_step(event, &mut fields).await;
        let event = match &result {
            Ok(()) => Event::RotationStep,
            Err(failure) => {
                fields.add_failure(failure);
                Event::from_failure(failure)
            }
        };
        let finished = self.0.now();
        self.0.write(finished, event, fields.add("ms", millis(finished.duration_since(started))));
        result
    }

    async fn try_step(&self, event: &Value, fields: &mut LogFields) -> Result<(), Failure> {
        let parts = self.0.get()?;
        let step_event = StepEvent::deserialize(event)
            .map_err(|_| Failure::internal("event", "not a step of a rotation by Secrets Manager"))?;
        let purposes = parts.purposes(&step_event.secret_id)?;
        let rotation = KeyRotation {
            secrets: &parts.secrets,
            public_keys: &parts.public_keys,
            secret: &step_event.secret_id,
            version: &step_event.client_request_token,
            purposes,
            algorithm: parts.config.access_key_algorithm,
        };
        let name = event["Step"].as_str();
        fields.add("step", name).add("purposes", purposes.iter().map(|it| it.name()).collect::<Vec<_>>());
        let now = self.0.now();
        match step_event.step {
            Step::Create => rotation.create(now).await,
            Step::Set => rotation.publish(now).await,
            Step::Test => rotation.test(now).await,
            Step::Finish => {
                let kids = rotation.finish(now).await?;
                fields.add("kids", kids);
                Ok(())
            }
        }
    }
}

impl Parts {
    /// What the keys of a secret are for; it knows no other secret.
    fn purposes(&self, secret: &str) -> Result<&'static [Purpose], Failure> {
        match &self.config.key_source {
            KeySource::Secrets { access, .. } if secret == access => Ok(&ACCESS_SECRET_PURPOSES),
            KeySource::Secrets { refresh, .. } if secret == refresh => Ok(&REFRESH_SECRET_PURPOSES),
            KeySource::Secrets { .. } | KeySource::File(_) => {
                Err(Failure::internal("event", "the secret is none of this deployment's"))
            }
        }
    }
}

/// Runs the function in Lambda until the platform ends it.
///
/// # Errors
/// When the Runtime API cannot be reached.
pub async fn run() -> Result<(), RuntimeError> {
    let log = Log::stdout(Config::metrics_namespace_from_env());
    let function = RotateKeys::new(Config::from_env(), Clock::system(), log);
    let function = &function;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        function.step(&event.payload).await.map_err(RuntimeError::from)
    }))
    .await
}
