//! Lambda's Runtime API for one event: what a function's binary polls and answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

#[derive(Default)]
struct Shared {
    event: Mutex<Option<String>>,
    answer: Mutex<Option<String>>,
    is_answered: Notify,
}

/// A running Runtime API.
pub struct RuntimeApi {
    shared: Arc<Shared>,
    address: String,
}

impl RuntimeApi {
    /// Starts one that hands out an event, once.
    pub async fn start(event: &Value) -> Self {
        let shared = Arc::new(Shared { event: Mutex::new(Some(event.to_string())), ..Shared::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { shared, address }
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the function answers.
    pub async fn answer(&self) -> Value {
        self.shared.is_answered.notified().await;
        let answer = self.shared.answer.lock().unwrap().take().expect("an answer");
        serde_json::from_str(&answer).expect("JSON")
    }
}

async fn serve(State(shared): State<Arc<Shared>>, method: Method, body: String) -> Response<Body> {
    if method == Method::POST {
        *shared.answer.lock().unwrap() = Some(body);
        shared.is_answered.notify_one();
        return Response::builder().status(202).body(Body::empty()).unwrap();
    }
    let event = shared.event.lock().unwrap().take();
    let Some(event) = event else { return std::future::pending().await };
    Response::builder()
        .header("lambda-runtime-aws-request-id", "00000000-0000-0000-0000-000000000001")
        .header("lambda-runtime-deadline-ms", "9999999999999")
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:refresh")
        .body(Body::from(event))
        .unwrap()
}
