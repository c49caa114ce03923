//! A database that fails on demand: a proxy in front of the engine, so that the SDK's
//! own deadlines and retries run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the answer is lost.
    LostReply,
    /// It is refused with this error code and status, and nothing is done.
    Error(&'static str, u16),
    /// It is never answered, and nothing is done.
    Silence,
    /// The connection breaks, and nothing is done: a socket that had died.
    Broken,
    /// It is held back for so long, then done; by then nobody waits for the answer.
    Delayed(Duration),
    /// It is done at once, and the answer held back for so long.
    LateReply(Duration),
}

/// Which calls fail, how, and how often still.
#[derive(Debug)]
struct Plan {
    operation: &'static str,
    /// Text that the call holds.
    holding: &'static str,
    fault: Fault,
    /// So many calls go through first.
    spared: usize,
    times: usize,
}

struct Proxy {
    http: reqwest::Client,
    upstream: String,
    plan: Mutex<Option<Plan>>,
    /// The faults of the next calls, counted from 0 since they were planned.
    by_number: Mutex<(usize, BTreeMap<usize, Fault>)>,
    injected: AtomicUsize,
    /// Calls that are held back now.
    held: AtomicUsize,
    calls: Mutex<Vec<String>>,
    /// How many calls each of the next round trips has to have.
    round_trips: Mutex<Option<RoundTrips>>,
    /// What the calls have used, while that is counted.
    units: Mutex<Option<Units>>,
}

/// What calls have used of a table on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units, of 4 KiB each.
    pub read: f64,
    /// Write units, of 1 KiB each.
    pub written: f64,
}

/// Round trips that are to come, in their order.
#[derive(Debug)]
struct RoundTrips {
    sizes: VecDeque<usize>,
    /// The calls of the first of them that are here.
    arrived: usize,
    /// Lets them go when all of them are.
    complete: Arc<Notify>,
}

/// A proxy in front of the engine of a local stack.
#[derive(Clone)]
pub struct FaultyDatabase {
    proxy: Arc<Proxy>,
    url: String,
}

impl FaultyDatabase {
    /// Starts a proxy that passes everything on.
    pub async fn start(upstream: &str) -> Self {
        let proxy = Arc::new(Proxy {
            http: reqwest::Client::new(),
            upstream: upstream.to_owned(),
            plan: Mutex::default(),
            by_number: Mutex::default(),
            injected: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            calls: Mutex::default(),
            round_trips: Mutex::default(),
            units: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(pass).with_state(Arc::clone(&proxy));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { proxy, url }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Lets the next `times` calls of an operation fail, such as `UpdateItem`.
    pub fn fail(&self, operation: &'static str, fault: Fault, times: usize) {
        self.fail_after(0, operation, fault, times);
    }

    /// The same, but the first `spared` of those calls go through.
    pub fn fail_after(&self, spared: usize, operation: &'static str, fault: Fault, times: usize) {
        *self.proxy.plan.lock().unwrap() = Some(Plan { operation, holding: "", fault, spared, times });
    }

    /// Lets the next `times` calls of an operation fail that hold this text, such as a part
    /// of a key.
    pub fn fail_holding(&self, holding: &'static str, operation: &'static str, fault: Fault, times: usize) {
        *self.proxy.plan.lock().unwrap() = Some(Plan { operation, holding, fault, spared: 0, times });
    }

    /// Lets calls fail by their number, counted from 0 from now on, whatever they ask for.
    pub fn fail_calls(&self, faults: impl IntoIterator<Item = (usize, Fault)>) {
        *self.proxy.by_number.lock().unwrap() = (0, faults.into_iter().collect());
    }

    /// How many calls failed so far.
    pub fn injected(&self) -> usize {
        self.proxy.injected.load(Ordering::SeqCst)
    }

    /// Waits until every call that was held back is done.
    pub async fn settle(&self) {
        while self.proxy.held.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Holds every call back until all those of its round trip are here; there are so many in
    /// each of the next ones. Calls that wait for each other's answers never all arrive.
    pub fn expect_round_trips(&self, sizes: &[usize]) {
        let sizes = sizes.iter().copied().collect();
        *self.proxy.round_trips.lock().unwrap() = Some(RoundTrips { sizes, arrived: 0, complete: Arc::default() });
    }

    /// How many of the expected round trips have not been made.
    pub fn missing_round_trips(&self) -> usize {
        self.proxy.round_trips.lock().unwrap().take().map_or(0, |expected| expected.sizes.len())
    }

    /// Counts units from now on, as the database tells them.
    pub fn count_units(&self) {
        *self.proxy.units.lock().unwrap() = Some(Units::default());
    }

    /// The units used since they are counted.
    pub fn units(&self) -> Units {
        self.proxy.units.lock().unwrap().take().expect("units are counted")
    }

    /// The operations called since the last time this was asked.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.proxy.calls.lock().unwrap())
    }
}

impl Proxy {
    /// Waits until the round trip that this call belongs to is complete.
    async fn round_trip(&self) {
        let complete = {
            let mut round_trips = self.round_trips.lock().unwrap();
            let Some(expected) = &mut *round_trips else { return };
            let size = *expected.sizes.front().expect("a call after the last expected round trip");
            expected.arrived += 1;
            if expected.arrived == size {
                expected.sizes.pop_front();
                expected.arrived = 0;
                std::mem::take(&mut expected.complete).notify_waiters();
                return;
            }
            Arc::clone(&expected.complete).notified_owned()
        };
        complete.await;
    }

    /// Adds what a call has used.
    fn count(&self, operation: &str, answer: &[u8]) {
        let mut units = self.units.lock().unwrap();
        let Some(units) = &mut *units else { return };
        let answer: Value = serde_json::from_slice(answer).unwrap();
        let used = answer["ConsumedCapacity"]["CapacityUnits"].as_f64().expect("what the call has used");
        match operation {
            "GetItem" | "Query" => units.read += used,
            _ => units.written += used,
        }
    }

    /// The fault of this call, if it is one that fails.
    fn fault(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let fault = self.fault_by_number().or_else(|| self.fault_by_plan(operation, body));
        self.injected.fetch_add(usize::from(fault.is_some()), Ordering::SeqCst);
        fault
    }

    fn fault_by_number(&self) -> Option<Fault> {
        let mut by_number = self.by_number.lock().unwrap();
        let number = by_number.0;
        by_number.0 += 1;
        by_number.1.remove(&number)
    }

    fn fault_by_plan(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        let body = String::from_utf8_lossy(body);
        let is_due =
            |plan: &&mut Plan| plan.operation == operation && plan.times > 0 && body.contains(plan.holding);
        let due = plan.as_mut().filter(is_due)?;
        if due.spared > 0 {
            due.spared -= 1;
            return None;
        }
        due.times -= 1;
        Some(due.fault.clone())
    }
}

async fn pass(State(proxy): State<Arc<Proxy>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let target = parts.headers.get("x-amz-target").map_or("", |target| target.to_str().unwrap());
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    proxy.calls.lock().unwrap().push(operation.clone());
    proxy.round_trip().await;
    let call = Call { headers: parts.headers, body, operation: operation.clone() };
    match proxy.fault(&operation, &call.body) {
        None => call.hand_on(&proxy).await,
        Some(Fault::Error(code, status)) => refusal(code, status),
        Some(Fault::Silence) => std::future::pending().await,
        Some(Fault::Broken) => broken(),
        Some(Fault::LostReply) => {
            call.hand_on(&proxy).await;
            broken()
        }
        Some(Fault::LateReply(by)) => {
            let answer = call.hand_on(&proxy).await;
            tokio::time::sleep(by).await;
            answer
        }
        Some(Fault::Delayed(by)) => {
            // In a task of its own: it goes on when the caller has hung up.
            proxy.held.fetch_add(1, Ordering::SeqCst);
            let held = tokio::spawn(async move {
                tokio::time::sleep(by).await;
                let answer = call.hand_on(&proxy).await;
                proxy.held.fetch_sub(1, Ordering::SeqCst);
                answer
            });
            held.await.unwrap()
        }
    }
}

/// A call on its way to the database.
struct Call {
    headers: HeaderMap,
    body: Bytes,
    operation: String,
}

impl Call {
    async fn hand_on(mut self, proxy: &Proxy) -> Response<Body> {
        self.headers.remove("host");
        let units_are_counted = proxy.units.lock().unwrap().is_some();
        if units_are_counted {
            let mut body: Value = serde_json::from_slice(&self.body).unwrap();
            body["ReturnConsumedCapacity"] = "TOTAL".into();
            self.body = body.to_string().into();
            self.headers.remove("content-length");
        }
        let answer = proxy.http.post(&proxy.upstream).headers(self.headers).body(self.body).send().await.unwrap();
        let status = answer.status();
        let mut response = Response::builder().status(status);
        *response.headers_mut().unwrap() = answer.headers().clone();
        let body = answer.bytes().await.unwrap();
        // What a refused call has used is not told.
        if units_are_counted && status.is_success() {
            proxy.count(&self.operation, &body);
        }
        response.body(Body::from(body)).unwrap()
    }
}

/// A body that fails breaks the connection.
fn broken() -> Response<Body> {
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
