//! Requests as API Gateway hands them to a function (payload 2.0), and what a function answers.

use std::fmt::Display;

use relatch::lambda::{Function, Handler};
use serde_json::{Value, json};

/// A request to a route, such as `POST /signin`, from one address.
pub fn event(route: &str, body: impl Display) -> Value {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1"}, "stage": "$default"},
        "body": body.to_string(), "isBase64Encoded": false,
    })
}

/// The status and the body of what a function answers to a request, with an access token or
/// without; null for a body that is no JSON.
pub async fn call<H: Handler>(
    function: &Function<H>,
    route: &str,
    body: &Value,
    token: Option<&str>,
) -> (u64, Value) {
    let mut event = event(route, body);
    if let Some(token) = token {
        event["headers"]["authorization"] = json!(format!("Bearer {token}"));
    }
    let answer = serde_json::to_value(function.answer(&event.to_string()).await.unwrap()).unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default();
    (answer["statusCode"].as_u64().unwrap(), body)
}
