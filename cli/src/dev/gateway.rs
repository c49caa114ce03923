//! A local API Gateway: serves the routes of an HTTP API by handing functions the
//! events that the real one would, with its limits and its own answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relatch::time::Clock;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::chaos::{Chaos, Fault, SLOW_DELAY};
use super::cookie;
use super::event::{RequestMeta, payload_v2};
use super::guard::Guard;
use super::invoke::Invoke;
use super::playground::File;
use super::template::Cors;

/// The longest body of an HTTP API's request, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// The longest request line and headers together, in bytes.
const MAX_HEADER_BYTES: usize = 10_240;
/// The longest time an integration may take.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A running gateway.
pub struct Gateway {
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// A route that the gateway serves.
#[derive(Clone)]
pub struct ServedRoute {
    /// The method, or `ANY`.
    pub(super) method: String,
    /// The path, or `$default`.
    pub(super) path: String,
    /// The function that answers.
    pub(super) invoke: Invoke,
    /// The authorizer in front of it.
    pub(super) guard: Option<Arc<Guard>>,
}

struct Api {
    routes: Vec<ServedRoute>,
    files: &'static [File],
    cors: Option<Cors>,
    chaos: Chaos,
    requests: AtomicU64,
    clock: Clock,
}

impl Gateway {
    /// Serves routes on a listener, and beside them files, which no route stands for.
    pub fn start(
        listener: TcpListener,
        routes: Vec<ServedRoute>,
        files: &'static [File],
        cors: Option<Cors>,
        chaos: Chaos,
        clock: Clock,
    ) -> Self {
        let api = Api { routes, files, cors, chaos, requests: AtomicU64::new(0), clock };
        let app = Router::new().fallback(serve).with_state(Arc::new(api));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let service = app.into_make_service_with_connect_info::<SocketAddr>();
            let shutdown = async {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
        });
        Self { stop, server }
    }

    /// Stops serving; requests that are under way have two seconds to finish.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let abort = self.server.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), self.server).await.is_err() {
            abort.abort();
        }
    }
}

async fn serve(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let number = api.requests.fetch_add(1, Ordering::Relaxed);
    let request_id = format!("local-{:x}-{number}", api.clock.now().millis());
    let mut response = match api.cors.as_ref().and_then(|cors| preflight(cors, &parts)) {
        Some(response) => response,
        None => {
            let mut response = api.respond(&parts, body, peer, &request_id).await;
            if api.cors.is_some() {
                strip_cors(response.headers_mut());
            }
            response
        }
    };
    if let Some(cors) = &api.cors {
        apply_cors(cors, &parts.headers, response.headers_mut());
    }
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

impl Api {
    async fn respond(&self, parts: &Parts, body: Body, peer: SocketAddr, request_id: &str) -> Response {
        // The playground must load even when faults are on.
        if let Some(file) = self.find_file(&parts.method, parts.uri.path()) {
            return file.response();
        }
        let fault = self.chaos.draw();
        if fault == Some(Fault::Throttle) {
            return gateway_error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        if fault == Some(Fault::Slow) {
            tokio::time::sleep(SLOW_DELAY).await;
        }
        let mut response = self.call_integration(parts, body, peer, request_id).await;
        if fault == Some(Fault::LostReply) {
            // A body that fails breaks the connection.
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
            *response.body_mut() = Body::from_stream(broken);
        }
        response
    }

    async fn call_integration(&self, parts: &Parts, body: Body, peer: SocketAddr, request_id: &str) -> Response {
        let header_bytes: usize =
            parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_bytes + parts.uri.path().len() + parts.uri.query().map_or(0, str::len) > MAX_HEADER_BYTES {
            return gateway_error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        let Some(RouteMatch { key, parameters, route }) = self.match_route(&parts.method, parts.uri.path()) else {
            return gateway_error(StatusCode::NOT_FOUND, "Not Found");
        };
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return gateway_error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let (route_key, source_ip, now) = (key.as_str(), peer.ip(), self.clock.now());
        let meta = RequestMeta { route_key, parameters: &parameters, source_ip, request_id, now };
        let mut event = payload_v2(parts, &body, &meta);
        if let Some(guard) = &route.guard {
            match guard.admit(&event, now).await {
                Ok(context) => {
                    if let Some(fields) = event.pointer_mut("/requestContext").and_then(Value::as_object_mut) {
                        fields.insert("authorizer".to_owned(), json!({ "lambda": context }));
                    }
                }
                Err((status, message)) => return gateway_error(status, message),
            }
        }
        match tokio::time::timeout(INTEGRATION_TIMEOUT, tokio::spawn((route.invoke)(event))).await {
            Err(_) => gateway_error(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Ok(Ok(Ok(payload))) => proxy_response(payload)
                .unwrap_or_else(|| gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
            // The function failed, or panicked.
            Ok(_) => gateway_error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }

    /// The file that a request asks for, unless a route matches the request.
    fn find_file(&self, method: &Method, path: &str) -> Option<&'static File> {
        let file = self.files.iter().find(|file| file.is_requested(method, path))?;
        self.match_route(method, path).is_none().then_some(file)
    }

    /// The route that a request matches: one with exactly its path, else one with variables,
    /// else the default.
    fn match_route(&self, method: &Method, path: &str) -> Option<RouteMatch> {
        let allows_method = |declared: &str| declared == "ANY" || declared == method.as_str();
        let candidates = self.routes.iter().filter_map(|route| {
            if route.path == "$default" {
                let (key, route) = (route.path.clone(), route.clone());
                return Some((usize::MAX, RouteMatch { key, parameters: BTreeMap::new(), route }));
            }
            let parameters = match_path(&route.path, path).filter(|_| allows_method(&route.method))?;
            let key = format!("{} {}", route.method, route.path);
            Some((parameters.len(), RouteMatch { key, parameters, route: route.clone() }))
        });
        candidates.min_by_key(|(variables, _)| *variables).map(|(_, found)| found)
    }
}

/// A route that a request matches, with the values of its variables.
struct RouteMatch {
    key: String,
    parameters: BTreeMap<String, String>,
    route: ServedRoute,
}

/// The values of a route's variables in a path; `None` when the path does not match the route.
fn match_path(route: &str, path: &str) -> Option<BTreeMap<String, String>> {
    if route.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut parameters = BTreeMap::new();
    for (declared, found) in route.split('/').zip(path.split('/')) {
        match declared.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !found.is_empty() => {
                parameters.insert(name.to_owned(), found.to_owned());
            }
            None if declared == found => {}
            Some(_) | None => return None,
        }
    }
    Some(parameters)
}

/// An error response of the gateway itself.
fn gateway_error(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{{\"message\":\"{message}\"}}")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProxyResponse {
    status_code: u16,
    headers: Option<std::collections::BTreeMap<String, Value>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    cookies: Option<Vec<String>>,
}

/// The response of a function in payload format 2.0; `None` when it has not that form.
fn proxy_response(payload: Value) -> Option<Response> {
    let proxy: ProxyResponse = serde_json::from_value(payload).ok()?;
    let body = proxy.body.unwrap_or_default();
    let body = if proxy.is_base64_encoded == Some(true) { STANDARD.decode(body).ok()? } else { body.into_bytes() };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(proxy.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in proxy.headers.unwrap_or_default() {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(text).ok()?);
    }
    for cookie in proxy.cookies.unwrap_or_default() {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie::to_browser(&cookie)).ok()?);
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Some(response)
}

/// The origin of a request, if the API shares its answers with it.
fn allowed_origin<'a>(cors: &Cors, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    cors.allow_origins
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
        .then_some(origin)
}

/// The gateway's own answer to a preflight, whatever routes there are.
fn preflight(cors: &Cors, parts: &Parts) -> Option<Response> {
    let is_preflight =
        parts.method == Method::OPTIONS && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight || !parts.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if allowed_origin(cors, &parts.headers).is_some() {
        let headers = response.headers_mut();
        let max_age = cors.max_age.map(|age| age.as_secs().to_string());
        for (name, text) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, Some(cors.allow_methods.join(","))),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, Some(cors.allow_headers.join(","))),
            (header::ACCESS_CONTROL_MAX_AGE, max_age),
        ] {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
    }
    Some(response)
}

/// Removes the CORS headers of a function: the configuration of the API replaces them.
fn strip_cors(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
    for name in names.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Sets the CORS headers of a response.
fn apply_cors(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    let is_any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let has_vary_origin =
        response.get_all(header::VARY).iter().any(|names| names.as_bytes().eq_ignore_ascii_case(b"origin"));
    if !is_any && !has_vary_origin {
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = allowed_origin(cors, request) else { return };
    let allowed = if is_any { HeaderValue::from_static("*") } else { origin.clone() };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.allow_credentials && !is_any {
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if !cors.expose_headers.is_empty()
        && let Ok(exposed) = HeaderValue::try_from(cors.expose_headers.join(","))
    {
        response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}

#[cfg(test)]
mod tests;
