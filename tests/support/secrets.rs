//! A Secrets Manager on this machine: secrets with versions and stages, and faults.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The versions of a secret: id to value, and stage to id.
#[derive(Default)]
struct Versions {
    values: BTreeMap<String, String>,
    stages: BTreeMap<String, String>,
}

#[derive(Default)]
struct Service {
    secrets: BTreeMap<String, Versions>,
    fault: Option<(String, u16)>,
    /// The operation whose next reply is lost.
    lost_operation: Option<String>,
    calls: usize,
}

impl Service {
    /// The status and the body of the reply to an operation.
    fn reply(&mut self, operation: &str, request: &Value) -> (u16, Value) {
        self.calls += 1;
        if let Some((code, status)) = &self.fault {
            return (*status, json!({ "__type": code, "message": "on demand" }));
        }
        let is_lost = self.lost_operation.as_deref() == Some(operation);
        let reply = self.execute(operation, request);
        if is_lost {
            self.lost_operation = None;
            return (500, json!({ "__type": "InternalServiceError", "message": "done, and the reply lost" }));
        }
        reply
    }

    fn execute(&mut self, operation: &str, request: &Value) -> (u16, Value) {
        let id = request["SecretId"].as_str().unwrap();
        let Some(secret) = self.secrets.get_mut(id) else {
            return not_found("Secrets Manager can't find the specified secret.");
        };
        match operation {
            "GetSecretValue" => {
                let stage = request["VersionStage"].as_str().unwrap_or("AWSCURRENT");
                let version =
                    request["VersionId"].as_str().or_else(|| secret.stages.get(stage).map(String::as_str));
                match version.and_then(|version| Some((version, secret.values.get(version)?))) {
                    Some((version, value)) => {
                        (200, json!({ "ARN": id, "Name": id, "VersionId": version, "SecretString": value }))
                    }
                    None => not_found("Secrets Manager can't find the specified secret value"),
                }
            }
            "DescribeSecret" => (200, json!({ "ARN": id, "Name": id })),
            "PutSecretValue" => {
                let version = request["ClientRequestToken"].as_str().unwrap().to_owned();
                let value = request["SecretString"].as_str().unwrap().to_owned();
                if secret.values.get(&version).is_some_and(|other| *other != value) {
                    return (400, json!({ "__type": "ResourceExistsException", "message": "another value" }));
                }
                let stage = request["VersionStages"][0].as_str().unwrap_or("AWSCURRENT").to_owned();
                secret.values.insert(version.clone(), value);
                secret.stages.insert(stage, version.clone());
                // The first version of a secret becomes the current one by itself.
                secret.stages.entry("AWSCURRENT".to_owned()).or_insert_with(|| version.clone());
                (200, json!({ "ARN": id, "Name": id, "VersionId": version }))
            }
            "UpdateSecretVersionStage" => {
                let stage = request["VersionStage"].as_str().unwrap().to_owned();
                let to = request["MoveToVersionId"].as_str();
                let at = secret.stages.get(&stage).map(String::as_str);
                if (to.is_none() || at != to) && at != request["RemoveFromVersionId"].as_str() {
                    let code = "InvalidParameterException";
                    return (400, json!({ "__type": code, "message": "the stage is at another version" }));
                }
                match to {
                    Some(to) => secret.stages.insert(stage, to.to_owned()),
                    None => secret.stages.remove(&stage),
                };
                (200, json!({ "ARN": id, "Name": id }))
            }
            other => panic!("{other} is not served"),
        }
    }
}

fn not_found(message: &str) -> (u16, Value) {
    (400, json!({ "__type": "ResourceNotFoundException", "message": message }))
}

/// A running service.
#[derive(Clone)]
pub struct LocalSecretsManager {
    service: Arc<Mutex<Service>>,
    url: String,
}

impl LocalSecretsManager {
    /// Starts a service with these secrets, none of which has a value.
    pub async fn start(ids: &[&str]) -> Self {
        let secrets = ids.iter().map(|id| ((*id).to_owned(), Versions::default())).collect();
        let service = Arc::new(Mutex::new(Service { secrets, ..Service::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(serve).with_state(Arc::clone(&service));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { service, url }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes a text the current value of a secret.
    pub fn put(&self, id: &str, value: &str) {
        let secret = &mut *self.service.lock().unwrap();
        let secret = secret.secrets.get_mut(id).unwrap();
        let version = format!("version-{}-of-a-test-with-32-characters", secret.values.len());
        secret.values.insert(version.clone(), value.to_owned());
        secret.stages.insert("AWSCURRENT".to_owned(), version);
    }

    /// The current value of a secret.
    pub fn current(&self, id: &str) -> Option<String> {
        let service = self.service.lock().unwrap();
        let secret = &service.secrets[id];
        Some(secret.values[secret.stages.get("AWSCURRENT")?].clone())
    }

    /// Refuses everything with this error code and status, or nothing any more.
    pub fn refuse(&self, fault: Option<(&str, u16)>) {
        self.service.lock().unwrap().fault = fault.map(|(code, status)| (code.to_owned(), status));
    }

    /// Whether `RotateSecret` would begin a rotation: not while one is under way.
    pub fn can_begin_rotation(&self, id: &str) -> bool {
        let service = self.service.lock().unwrap();
        let stages = &service.secrets[id].stages;
        stages.get("AWSPENDING").is_none_or(|pending| stages.get("AWSCURRENT") == Some(pending))
    }

    /// Does the next call of an operation, and loses the reply.
    pub fn lose_reply(&self, operation: &str) {
        self.service.lock().unwrap().lost_operation = Some(operation.to_owned());
    }

    /// How many calls it has received since the last call of this function.
    pub fn take_call_count(&self) -> usize {
        std::mem::take(&mut self.service.lock().unwrap().calls)
    }
}

async fn serve(State(service): State<Arc<Mutex<Service>>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let operation = parts.headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let (status, reply) = service.lock().unwrap().reply(&operation, &serde_json::from_slice(&body).unwrap());
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    response.body(Body::from(reply.to_string())).unwrap()
}
