//! API Gateway's events: payload 2.0 (HTTP APIs, function URLs) and 1.0 (REST APIs).
//!
//! `lambda_http` would build a `http::Request` of an event, but it panics on a body
//! that is no base64, on a `Host` that is no host and on a path that is no URI, and
//! refuses a whole event for one header value that is not ASCII. An event is input
//! from outside, so the few members that are needed are read here, each in a way
//! that cannot fail for what a client sends.

use std::collections::BTreeMap;

use lambda_http::aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};
use lambda_http::aws_lambda_events::encodings::Body;
use lambda_http::http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};

use super::request::{PayloadVersion, Request};
use super::response::Response;

/// The event is not one of API Gateway's: the function was invoked by something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this function answers events of API Gateway, payload 1.0 or 2.0")]
pub struct EventError;

type Values<T> = Option<BTreeMap<String, Option<T>>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    http_method: Option<String>,
    resource: Option<String>,
    path: Option<String>,
    route_key: Option<String>,
    raw_path: Option<String>,
    headers: Values<String>,
    multi_value_headers: Values<Vec<String>>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: RequestContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    http: Option<Http>,
    identity: Option<Source>,
    stage: Option<String>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    source_ip: Option<String>,
}

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`] when it is not one of API Gateway's; whatever a client can
    /// send through a gateway is read.
    pub fn from_event(json: &str) -> Result<Self, EventError> {
        let event: Event = serde_json::from_str(json).map_err(|_| EventError)?;
        let context = event.request_context;
        let stage = context.stage.unwrap_or_default();
        let (version, method, path, source_ip) = match (context.http, event.http_method) {
            (Some(http), _) => {
                let path = matched_path(
                    event.route_key.as_deref().and_then(|key| key.split_once(' ')).map(|(_, path)| path),
                )
                .unwrap_or_else(|| strip_stage(&event.raw_path.unwrap_or_default(), &stage));
                (PayloadVersion::V2, http.method, path, http.source_ip)
            }
            (None, Some(method)) => {
                let path = matched_path(event.resource.as_deref())
                    .unwrap_or_else(|| strip_stage(&event.path.unwrap_or_default(), &stage));
                (PayloadVersion::V1, method, path, context.identity.and_then(|source| source.source_ip))
            }
            (None, None) => return Err(EventError),
        };
        let headers = join_headers(event.headers, event.multi_value_headers);
        let cookies = split_cookies(event.cookies, headers.get("cookie"));
        Ok(Self {
            version,
            method,
            path,
            headers,
            cookies,
            body: event.body.unwrap_or_default(),
            is_base64: event.is_base64_encoded.unwrap_or(false),
            source_ip: source_ip.unwrap_or_default(),
            id: context.request_id.unwrap_or_default(),
        })
    }

    /// The response in the form that answers this request's event.
    pub fn payload(&self, response: Response) -> Payload {
        let (mut parts, body) = response.into_parts();
        let status = i64::from(parts.status.as_u16());
        match self.version {
            PayloadVersion::V1 => {
                let mut payload = ApiGatewayProxyResponse::default();
                payload.status_code = status;
                payload.multi_value_headers = parts.headers;
                payload.body = Some(Body::Text(body));
                Payload::V1(payload)
            }
            PayloadVersion::V2 => {
                let mut payload = ApiGatewayV2httpResponse::default();
                payload.status_code = status;
                // Of which each becomes a `Set-Cookie` header.
                let cookies = parts.headers.get_all(SET_COOKIE).iter();
                payload.cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect();
                parts.headers.remove(SET_COOKIE);
                payload.headers = parts.headers;
                payload.body = Some(Body::Text(body));
                Payload::V2(payload)
            }
        }
    }
}

/// The path of the route that the gateway chose, unless it has variables in it.
fn matched_path(path: Option<&str>) -> Option<String> {
    path.filter(|path| path.starts_with('/') && !path.contains('{')).map(str::to_owned)
}

/// The path as sent, without the stage that a gateway's own address has in front.
fn strip_stage(path: &str, stage: &str) -> String {
    path.strip_prefix('/')
        .and_then(|rest| rest.strip_prefix(stage))
        .filter(|rest| !stage.is_empty() && rest.starts_with('/'))
        .unwrap_or(path)
        .to_owned()
}

/// The cookies, one by one. Payload 2.0 lists them; whoever makes such an event otherwise, and
/// payload 1.0, has them in a header.
fn split_cookies(listed: Option<Vec<String>>, header: Option<&String>) -> Vec<String> {
    let listed = listed.filter(|listed| !listed.is_empty());
    let all = listed.unwrap_or_else(|| header.into_iter().cloned().collect());
    let one_by_one = all.iter().flat_map(|some| some.split(';')).map(str::trim);
    one_by_one.filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
}

/// All headers under lower-case names; the values of one name joined by commas, as
/// payload 2.0 has them, but those of `Cookie`, which has commas of its own, by semicolons
/// (RFC 9113 §8.2.3).
fn join_headers(single: Values<String>, multiple: Values<Vec<String>>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |name: &str, value: &str| {
        let name = name.to_ascii_lowercase();
        let separator = if name == "cookie" { "; " } else { "," };
        let joined = headers.entry(name).or_default();
        if !joined.is_empty() {
            joined.push_str(separator);
        }
        joined.push_str(value);
    };
    match multiple.filter(|multiple| !multiple.is_empty()) {
        Some(multiple) => {
            for (name, values) in multiple {
                values.unwrap_or_default().iter().for_each(|value| add(&name, value));
            }
        }
        None => {
            for (name, value) in single.unwrap_or_default() {
                add(&name, &value.unwrap_or_default());
            }
        }
    }
    headers
}

/// A response in the form that answers the event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Payload {
    /// To a REST API.
    V1(ApiGatewayProxyResponse),
    /// To an HTTP API or a function URL.
    V2(ApiGatewayV2httpResponse),
}
