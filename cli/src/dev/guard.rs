//! A Lambda authorizer of an HTTP API (payload 2.0, simple answers), as API Gateway asks it and
//! takes its answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use relatch::time::Timestamp;
use serde_json::{Value, json};

use super::invoke::Invoke;

/// An authorizer that routes have in front of their functions.
pub(super) struct Guard {
    /// The function that is asked.
    pub(super) invoke: Invoke,
    /// Where a request says who calls, such as `$request.header.Authorization`.
    pub(super) identity_sources: Vec<String>,
    /// How long a response is cached for the same identity.
    pub(super) ttl: Duration,
    /// The responses that are cached, each with its expiry.
    pub(super) cache: Mutex<HashMap<String, (Timestamp, Value)>>,
}

/// An error response of the gateway itself: status and message.
pub(super) type GatewayError = (StatusCode, &'static str);

const UNAUTHORIZED: GatewayError = (StatusCode::UNAUTHORIZED, "Unauthorized");
const FORBIDDEN: GatewayError = (StatusCode::FORBIDDEN, "Forbidden");
const INTERNAL_ERROR: GatewayError = (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");

impl Guard {
    /// The context that the authorizer gives the function, or what the gateway answers without
    /// calling it. `event` is the request's own.
    pub(super) async fn admit(&self, event: &Value, now: Timestamp) -> Result<Value, GatewayError> {
        let identity: Option<Vec<String>> =
            self.identity_sources.iter().map(|source| identity_value(source, event)).collect();
        // Nobody is asked about a request that does not say who calls.
        let identity = identity.ok_or(UNAUTHORIZED)?;
        let key = identity.join("\0");
        if let Some(response) = self.look_up(&key, now) {
            return read_decision(&response);
        }
        let mut request = event.clone();
        if let Some(fields) = request.as_object_mut() {
            fields.remove("body");
            fields.remove("isBase64Encoded");
            let route = event["routeKey"].as_str().unwrap_or_default().replacen(' ', "", 1);
            let arn = format!("arn:aws:execute-api:us-east-1:000000000000:local/$default/{route}");
            fields.extend([
                ("type".to_owned(), json!("REQUEST")),
                ("routeArn".to_owned(), json!(arn)),
                ("identitySource".to_owned(), json!(identity)),
            ]);
        }
        // In a task of its own: a panic is a failure of the function.
        let response = match tokio::spawn((self.invoke)(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(message)) if message == UNAUTHORIZED.1 => return Err(UNAUTHORIZED),
            Ok(Err(_)) | Err(_) => return Err(INTERNAL_ERROR),
        };
        if !self.ttl.is_zero() {
            let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.insert(key, (now + self.ttl, response.clone()));
        }
        read_decision(&response)
    }

    fn look_up(&self, key: &str, now: Timestamp) -> Option<Value> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.retain(|_, (until, _)| now < *until);
        cache.get(key).map(|(_, response)| response.clone())
    }
}

fn read_decision(response: &Value) -> Result<Value, GatewayError> {
    match response["isAuthorized"].as_bool() {
        Some(true) => Ok(response["context"].clone()),
        Some(false) => Err(FORBIDDEN),
        None => Err(INTERNAL_ERROR),
    }
}

/// The value of an identity source in a request; `None` when it is missing or empty.
fn identity_value(source: &str, event: &Value) -> Option<String> {
    let value = match source {
        "$context.routeKey" => event["routeKey"].as_str(),
        _ => {
            let name = source.strip_prefix("$request.header.")?;
            event.get("headers")?.get(name.to_ascii_lowercase())?.as_str()
        }
    };
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn guard(ttl: u64, response: Result<Value, &'static str>) -> (Guard, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let invoke: Invoke = Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let response = response.clone().map_err(str::to_owned);
            Box::pin(async move { response })
        });
        let identity_sources = ["$request.header.Authorization", "$context.routeKey"].map(str::to_owned).to_vec();
        let ttl = Duration::from_secs(ttl);
        (Guard { invoke, identity_sources, ttl, cache: Mutex::default() }, calls)
    }

    fn event(token: &str, route: &str) -> Value {
        json!({"routeKey": route, "headers": {"authorization": token}})
    }

    #[tokio::test]
    async fn each_response_matches_api_gateway() {
        let request = event("Bearer x", "GET /a");
        for (response, expected) in [
            (Ok(json!({"isAuthorized": true, "context": {"sub": "ada"}})), Ok(json!({"sub": "ada"}))),
            (Ok(json!({"isAuthorized": false})), Err(FORBIDDEN)),
            (Err("Unauthorized"), Err(UNAUTHORIZED)),
            (Err("unauthorized"), Err(INTERNAL_ERROR)),
            (Err("out of reach"), Err(INTERNAL_ERROR)),
            (Ok(json!({"isAuthorized": "yes"})), Err(INTERNAL_ERROR)),
            (Ok(json!(null)), Err(INTERNAL_ERROR)),
        ] {
            assert_eq!(guard(0, response).0.admit(&request, NOW).await, expected);
        }
    }

    #[tokio::test]
    async fn a_request_without_identity_never_reaches_the_authorizer() {
        let (guard, calls) = guard(0, Ok(json!({"isAuthorized": true})));
        for request in [event("", "GET /a"), json!({"routeKey": "GET /a", "headers": {}})] {
            assert_eq!(guard.admit(&request, NOW).await, Err(UNAUTHORIZED));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_token_and_route() {
        let (guard, calls) = guard(60, Ok(json!({"isAuthorized": true, "context": null})));
        let call = async |token: &str, route: &str, later: u64| {
            guard.admit(&event(token, route), NOW + Duration::from_secs(later)).await.unwrap();
            calls.load(Ordering::SeqCst)
        };
        assert_eq!(call("Bearer a", "GET /a", 0).await, 1);
        assert_eq!(call("Bearer a", "GET /a", 59).await, 1);
        assert_eq!(call("Bearer b", "GET /a", 59).await, 2);
        assert_eq!(call("Bearer a", "GET /b", 59).await, 3);
        assert_eq!(call("Bearer a", "GET /a", 60).await, 4);
    }

    #[tokio::test]
    async fn neither_failures_nor_a_ttl_of_zero_are_cached() {
        for (ttl, response) in [(60, Err("Unauthorized")), (60, Err("x")), (0, Ok(json!({"isAuthorized": true})))]
        {
            let (guard, calls) = guard(ttl, response);
            for _ in 0..3 {
                let _ = guard.admit(&event("Bearer a", "GET /a"), NOW).await;
            }
            assert_eq!(calls.load(Ordering::SeqCst), 3);
        }
    }
}
