//! The proxy: forwards calls, unless they are to fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::faults::Fault;
use crate::faults::plan::FaultPlan;
use crate::faults::round_trips::RoundTrips;
use crate::faults::units::UnitCount;

pub(super) struct Proxy {
    http: reqwest::Client,
    upstream: String,
    pub(super) plan: FaultPlan,
    pub(super) round_trips: RoundTrips,
    pub(super) units: UnitCount,
    /// How many calls are held back now.
    held: AtomicUsize,
    /// The operations called.
    calls: Mutex<Vec<String>>,
}

impl Proxy {
    pub(super) fn new(upstream: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            upstream: upstream.to_owned(),
            plan: FaultPlan::default(),
            round_trips: RoundTrips::default(),
            units: UnitCount::default(),
            held: AtomicUsize::new(0),
            calls: Mutex::default(),
        }
    }

    /// Serves in the background, and tells where.
    pub(super) async fn serve(proxy: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(handle).with_state(Arc::clone(proxy));
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    pub(super) fn has_held_calls(&self) -> bool {
        self.held.load(Ordering::SeqCst) > 0
    }

    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let call = Call::read(request).await;
    proxy.calls.lock().unwrap().push(call.operation.clone());
    proxy.round_trips.join().await;
    match proxy.plan.take(&call.operation, &call.body) {
        None => call.forward(&proxy).await,
        Some(Fault::Error(code, status)) => refusal(code, status),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Broken) => broken_connection(),
        Some(Fault::LostReply) => {
            call.forward(&proxy).await;
            broken_connection()
        }
        Some(Fault::LateReply(delay)) => {
            let reply = call.forward(&proxy).await;
            tokio::time::sleep(delay).await;
            reply
        }
        Some(Fault::Delayed(delay)) => {
            // In a task of its own: it goes on when the caller has hung up.
            proxy.held.fetch_add(1, Ordering::SeqCst);
            let held = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let reply = call.forward(&proxy).await;
                proxy.held.fetch_sub(1, Ordering::SeqCst);
                reply
            });
            held.await.unwrap()
        }
    }
}

/// A call on its way to the database.
struct Call {
    operation: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    async fn read(request: Request) -> Self {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let target = parts.headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        Self { operation, headers: parts.headers, body }
    }

    async fn forward(mut self, proxy: &Proxy) -> Response<Body> {
        self.headers.remove("host");
        let units_are_counted = proxy.units.is_running();
        if units_are_counted {
            let mut body: Value = serde_json::from_slice(&self.body).unwrap();
            body["ReturnConsumedCapacity"] = "TOTAL".into();
            self.body = body.to_string().into();
            self.headers.remove("content-length");
        }
        let reply = proxy.http.post(&proxy.upstream).headers(self.headers).body(self.body).send().await.unwrap();
        let status = reply.status();
        let mut response = Response::builder().status(status);
        *response.headers_mut().unwrap() = reply.headers().clone();
        let body = reply.bytes().await.unwrap();
        // The database does not say what a refused call has used.
        if units_are_counted && status.is_success() {
            proxy.units.add(&self.operation, &body);
        }
        response.body(Body::from(body)).unwrap()
    }
}

/// A body that fails breaks the connection.
fn broken_connection() -> Response<Body> {
    let body = futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("lost")) });
    Response::new(Body::from_stream(body))
}

fn refusal(code: &str, status: u16) -> Response<Body> {
    let body = format!("{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"on demand\"}}");
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header("content-type", "application/x-amz-json-1.0")
        .body(Body::from(body))
        .unwrap()
}
