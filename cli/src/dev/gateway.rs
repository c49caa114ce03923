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

use super::chaos::{Chaos, Misfortune, SLOWNESS};
use super::cookie;
use super::event::{Arrival, payload_v2};
use super::guard::Guard;
use super::invoke::Invoke;
use super::playground::File;
use super::template::Cors;

/// The longest body of an HTTP API's request, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;
/// The longest request line and headers together, in bytes.
const MAX_HEADER_BYTES: usize = 10_240;
/// The longest time an integration may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running gateway.
pub struct Gateway {
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// A route as it is served.
#[derive(Clone)]
pub struct Served {
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
    routes: Vec<Served>,
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
        routes: Vec<Served>,
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
            let until = async {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, service).with_graceful_shutdown(until).await;
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
            let mut response = api.misfortune_or_answer(&parts, body, peer, &request_id).await;
            if api.cors.is_some() {
                drop_cors(response.headers_mut());
            }
            response
        }
    };
    if let Some(cors) = &api.cors {
        share(cors, &parts.headers, response.headers_mut());
    }
    if let Ok(id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", id);
    }
    response
}

impl Api {
    async fn misfortune_or_answer(
        &self,
        parts: &Parts,
        body: Body,
        peer: SocketAddr,
        request_id: &str,
    ) -> Response {
        // A page that is to show misfortune has to be there.
        if let Some(file) = self.file(&parts.method, parts.uri.path()) {
            return file.response();
        }
        let misfortune = self.chaos.strike();
        if misfortune == Some(Misfortune::Throttle) {
            return own(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        if misfortune == Some(Misfortune::Slow) {
            tokio::time::sleep(SLOWNESS).await;
        }
        let mut response = self.integrate(parts, body, peer, request_id).await;
        if misfortune == Some(Misfortune::LostReply) {
            // A body that fails breaks the connection.
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
            *response.body_mut() = Body::from_stream(broken);
        }
        response
    }

    async fn integrate(&self, parts: &Parts, body: Body, peer: SocketAddr, request_id: &str) -> Response {
        let header_bytes: usize =
            parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if header_bytes + parts.uri.path().len() + parts.uri.query().map_or(0, str::len) > MAX_HEADER_BYTES {
            return own(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        let Some(Chosen { key, parameters, route }) = self.route(&parts.method, parts.uri.path()) else {
            return own(StatusCode::NOT_FOUND, "Not Found");
        };
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            return own(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let (route_key, source_ip, now) = (key.as_str(), peer.ip(), self.clock.now());
        let arrival = Arrival { route_key, parameters: &parameters, source_ip, request_id, now };
        let mut event = payload_v2(parts, &body, &arrival);
        if let Some(guard) = &route.guard {
            match guard.admit(&event, now).await {
                Ok(context) => {
                    if let Some(members) = event.pointer_mut("/requestContext").and_then(Value::as_object_mut) {
                        members.insert("authorizer".to_owned(), json!({ "lambda": context }));
                    }
                }
                Err((status, message)) => return own(status, message),
            }
        }
        match tokio::time::timeout(TIMEOUT, tokio::spawn((route.invoke)(event))).await {
            Err(_) => own(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
            Ok(Ok(Ok(answer))) => proxy_response(answer)
                .unwrap_or_else(|| own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
            // The function failed, or panicked.
            Ok(_) => own(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }

    /// The file that a request asks for, where no route takes it.
    fn file(&self, method: &Method, path: &str) -> Option<&'static File> {
        let file = self.files.iter().find(|file| file.is_asked_for(method, path))?;
        self.route(method, path).is_none().then_some(file)
    }

    /// The route that a request takes: one with exactly its path, else one with variables,
    /// else the default.
    fn route(&self, method: &Method, path: &str) -> Option<Chosen> {
        let serves = |declared: &str| declared == "ANY" || declared == method.as_str();
        let candidates = self.routes.iter().filter_map(|route| {
            if route.path == "$default" {
                let (key, route) = (route.path.clone(), route.clone());
                return Some((usize::MAX, Chosen { key, parameters: BTreeMap::new(), route }));
            }
            let parameters = parameters(&route.path, path).filter(|_| serves(&route.method))?;
            let key = format!("{} {}", route.method, route.path);
            Some((parameters.len(), Chosen { key, parameters, route: route.clone() }))
        });
        candidates.min_by_key(|(variables, _)| *variables).map(|(_, chosen)| chosen)
    }
}

/// A route with what it found in the path.
struct Chosen {
    key: String,
    parameters: BTreeMap<String, String>,
    route: Served,
}

/// The values that a route's variables have in a path; `None` when it is not its path.
fn parameters(route: &str, path: &str) -> Option<BTreeMap<String, String>> {
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

/// One of the gateway's own answers.
fn own(status: StatusCode, message: &str) -> Response {
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
fn proxy_response(answer: Value) -> Option<Response> {
    let answer: ProxyResponse = serde_json::from_value(answer).ok()?;
    let body = answer.body.unwrap_or_default();
    let body =
        if answer.is_base64_encoded == Some(true) { STANDARD.decode(body).ok()? } else { body.into_bytes() };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in answer.headers.unwrap_or_default() {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::try_from(text).ok()?);
    }
    for cookie in answer.cookies.unwrap_or_default() {
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
        let max_age = cors.max_age.map(|seconds| seconds.to_string());
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

/// Takes out what a function says of CORS: where the API has a configuration, nothing else counts.
fn drop_cors(headers: &mut HeaderMap) {
    let names = headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
    for name in names.cloned().collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Lets an allowed origin read an answer.
fn share(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    let is_any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let is_told =
        response.get_all(header::VARY).iter().any(|names| names.as_bytes().eq_ignore_ascii_case(b"origin"));
    if !is_any && !is_told {
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
