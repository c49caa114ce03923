//! Lambda's Runtime API: what a function's binary polls and answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};

struct Shared {
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<(usize, String)>>,
    /// Takers of payloads, by the number of their event.
    takers: Mutex<HashMap<usize, oneshot::Sender<Value>>>,
    polled: Notify,
}

/// A running Runtime API.
pub struct RuntimeApi {
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<(usize, String)>,
    sent: AtomicUsize,
    address: String,
}

impl RuntimeApi {
    /// Starts one.
    pub async fn start() -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events: tokio::sync::Mutex::new(receiver),
            takers: Mutex::default(),
            polled: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { shared, events, sent: AtomicUsize::new(0), address }
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the function asks for an event: its start is over.
    pub async fn wait_for_poll(&self) {
        self.shared.polled.notified().await;
    }

    /// Hands out an event, at once; what comes back is the payload that the function returns.
    pub fn send(&self, event: &Value) -> impl Future<Output = Value> + use<> {
        let (taker, payload) = oneshot::channel();
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        self.shared.takers.lock().unwrap().insert(number, taker);
        self.events.send((number, event.to_string())).unwrap();
        async { payload.await.expect("a payload") }
    }
}

async fn serve(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, body: String) -> Response<Body> {
    if method == Method::POST {
        // …/invocation/{id}/response, or …/error.
        let mut segments = uri.path().rsplit('/');
        let is_response = segments.next() == Some("response");
        let number = segments.next().and_then(|id| id.parse().ok()).expect("the event's number");
        let payload = is_response.then(|| serde_json::from_str(&body).expect("JSON"));
        if let Some(taker) = shared.takers.lock().unwrap().remove(&number) {
            taker.send(payload.unwrap_or(Value::String(body))).ok();
        }
        return Response::builder().status(202).body(Body::empty()).unwrap();
    }
    shared.polled.notify_one();
    let event = shared.events.lock().await.recv().await;
    let Some((number, event)) = event else { return std::future::pending().await };
    Response::builder()
        .header("lambda-runtime-aws-request-id", number.to_string())
        .header("lambda-runtime-deadline-ms", "9999999999999")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:refresh")
        .body(Body::from(event))
        .unwrap()
}
