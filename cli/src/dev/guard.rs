//! A Lambda authorizer of an HTTP API (payload 2.0, simple answers), as API Gateway asks it and
//! takes its answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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
    /// How long an answer is kept for the same identity, in seconds.
    pub(super) ttl: i64,
    /// The answers that are kept, and until when.
    pub(super) kept: Mutex<HashMap<String, (Timestamp, Value)>>,
}

/// What the gateway answers itself.
pub(super) type Own = (StatusCode, &'static str);

const UNAUTHORIZED: Own = (StatusCode::UNAUTHORIZED, "Unauthorized");
const FORBIDDEN: Own = (StatusCode::FORBIDDEN, "Forbidden");
const BROKEN: Own = (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");

impl Guard {
    /// The context that the authorizer gives the function, or what the gateway answers without
    /// calling it. `event` is the request's own.
    pub(super) async fn admit(&self, event: &Value, now: Timestamp) -> Result<Value, Own> {
        let identity: Option<Vec<String>> =
            self.identity_sources.iter().map(|source| identity(source, event)).collect();
        // Nobody is asked about a request that does not say who calls.
        let identity = identity.ok_or(UNAUTHORIZED)?;
        let key = identity.join("\0");
        if let Some(answer) = self.kept(&key, now) {
            return verdict(&answer);
        }
        let mut question = event.clone();
        if let Some(members) = question.as_object_mut() {
            members.remove("body");
            members.remove("isBase64Encoded");
            let route = event["routeKey"].as_str().unwrap_or_default().replacen(' ', "", 1);
            let arn = format!("arn:aws:execute-api:us-east-1:000000000000:local/$default/{route}");
            members.extend([
                ("type".to_owned(), json!("REQUEST")),
                ("routeArn".to_owned(), json!(arn)),
                ("identitySource".to_owned(), json!(identity)),
            ]);
        }
        // In a task of its own: a panic is a failure of the function.
        let answer = match tokio::spawn((self.invoke)(question)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(message)) if message == UNAUTHORIZED.1 => return Err(UNAUTHORIZED),
            Ok(Err(_)) | Err(_) => return Err(BROKEN),
        };
        if self.ttl > 0 {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(key, (now.plus_seconds(self.ttl), answer.clone()));
        }
        verdict(&answer)
    }

    fn kept(&self, key: &str, now: Timestamp) -> Option<Value> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (until, _)| now < *until);
        kept.get(key).map(|(_, answer)| answer.clone())
    }
}

fn verdict(answer: &Value) -> Result<Value, Own> {
    match answer["isAuthorized"].as_bool() {
        Some(true) => Ok(answer["context"].clone()),
        Some(false) => Err(FORBIDDEN),
        None => Err(BROKEN),
    }
}

/// What a request says at an identity source; `None` when it says nothing there.
fn identity(source: &str, event: &Value) -> Option<String> {
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

    fn guard(ttl: i64, answer: Result<Value, &'static str>) -> (Guard, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let invoke: Invoke = Arc::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone().map_err(str::to_owned);
            Box::pin(async move { answer })
        });
        let identity_sources = ["$request.header.Authorization", "$context.routeKey"].map(str::to_owned).to_vec();
        (Guard { invoke, identity_sources, ttl, kept: Mutex::default() }, asked)
    }

    fn event(token: &str, route: &str) -> Value {
        json!({"routeKey": route, "headers": {"authorization": token}})
    }

    #[tokio::test]
    async fn each_answer_is_api_gateways() {
        let request = event("Bearer x", "GET /a");
        for (answer, expected) in [
            (Ok(json!({"isAuthorized": true, "context": {"sub": "ada"}})), Ok(json!({"sub": "ada"}))),
            (Ok(json!({"isAuthorized": false})), Err(FORBIDDEN)),
            (Err("Unauthorized"), Err(UNAUTHORIZED)),
            (Err("unauthorized"), Err(BROKEN)),
            (Err("out of reach"), Err(BROKEN)),
            (Ok(json!({"isAuthorized": "yes"})), Err(BROKEN)),
            (Ok(json!(null)), Err(BROKEN)),
        ] {
            assert_eq!(guard(0, answer).0.admit(&request, NOW).await, expected);
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_say_who_calls_is_not_asked_about() {
        let (guard, asked) = guard(0, Ok(json!({"isAuthorized": true})));
        for request in [event("", "GET /a"), json!({"routeKey": "GET /a", "headers": {}})] {
            assert_eq!(guard.admit(&request, NOW).await, Err(UNAUTHORIZED));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_token_and_route() {
        let (guard, asked) = guard(60, Ok(json!({"isAuthorized": true, "context": null})));
        let ask = async |token: &str, route: &str, later: i64| {
            guard.admit(&event(token, route), NOW.plus_seconds(later)).await.unwrap();
            asked.load(Ordering::SeqCst)
        };
        assert_eq!(ask("Bearer a", "GET /a", 0).await, 1);
        assert_eq!(ask("Bearer a", "GET /a", 59).await, 1);
        assert_eq!(ask("Bearer b", "GET /a", 59).await, 2);
        assert_eq!(ask("Bearer a", "GET /b", 59).await, 3);
        assert_eq!(ask("Bearer a", "GET /a", 60).await, 4);
    }

    #[tokio::test]
    async fn failures_are_not_kept_nor_anything_without_a_time() {
        for (ttl, answer) in [(60, Err("Unauthorized")), (60, Err("x")), (0, Ok(json!({"isAuthorized": true})))] {
            let (guard, asked) = guard(ttl, answer);
            for _ in 0..3 {
                let _ = guard.admit(&event("Bearer a", "GET /a"), NOW).await;
            }
            assert_eq!(asked.load(Ordering::SeqCst), 3);
        }
    }
}
