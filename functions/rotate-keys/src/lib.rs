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
use relatch::config::ConfigError;
use relatch::error::Error;
use relatch::lambda::{Instance, RuntimeError};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event, Log};
use relatch::time::Clock;
use relatch::token::{IN_ACCESS_SECRET, IN_REFRESH_SECRET, Purpose};
use relatch::{Config, Secrets, config::KeySource};
use serde::Deserialize;
use serde_json::Value;

use steps::Rotation;

const NAME: &str = "rotate-keys";

/// What Secrets Manager asks for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
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
pub struct RotateKeys(Instance<Settings>);

#[derive(Debug)]
struct Settings {
    config: Config,
    secrets: Secrets,
    store: Store,
}

impl RotateKeys {
    /// Builds the function; with wrong settings it fails every step.
    pub fn new(config: Result<Config, ConfigError>, clock: Clock, log: Log) -> Self {
        Self(Instance::new(NAME, config, clock, log, |context| Settings {
            secrets: Secrets::new(&context.config),
            store: Store::new(&context.config),
            config: context.config,
        }))
    }

    /// Does one step.
    ///
    /// # Errors
    /// Why it failed, in words that hold no part of a key. Secrets Manager then starts again.
    pub async fn step(&self, event: &Value) -> Result<(), Error> {
        let started = self.0.now();
        let mut entry = Entry::new(Event::RotationStep);
        entry.with("function", NAME);
        let done = self.try_step(event, &mut entry).await;
        if let Err(error) = &done {
            entry.becomes(Event::Failed).fails(error);
        }
        let finished = self.0.now();
        self.0.write(finished, entry.with("ms", finished.millis_since(started)));
        done
    }

    async fn try_step(&self, event: &Value, entry: &mut Entry) -> Result<(), Error> {
        let settings = self.0.built()?;
        let request = Request::deserialize(event)
            .map_err(|_| Error::internal("event", "not a step of a rotation by Secrets Manager"))?;
        let purposes = settings.purposes(&request.secret_id)?;
        let rotation = Rotation {
            secrets: &settings.secrets,
            store: &settings.store,
            secret: &request.secret_id,
            version: &request.client_request_token,
            purposes,
            algorithm: settings.config.access_key_algorithm,
        };
        let name = event["Step"].as_str();
        entry.with("step", name).with("purposes", purposes.iter().map(|it| it.name()).collect::<Vec<_>>());
        let now = self.0.now();
        match request.step {
            Step::Create => rotation.create(now).await,
            Step::Set => rotation.publish(now).await,
            Step::Test => rotation.test(now).await,
            Step::Finish => {
                let kids = rotation.finish(now).await?;
                entry.with("kids", kids);
                Ok(())
            }
        }
    }
}

impl Settings {
    /// What the keys of a secret are for; of no other secret does it know.
    fn purposes(&self, secret: &str) -> Result<&'static [Purpose], Error> {
        match &self.config.key_source {
            KeySource::Secrets { access, .. } if secret == access => Ok(&IN_ACCESS_SECRET),
            KeySource::Secrets { refresh, .. } if secret == refresh => Ok(&IN_REFRESH_SECRET),
            KeySource::Secrets { .. } | KeySource::File(_) => {
                Err(Error::internal("event", "the secret is none of this deployment's"))
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
