//! A function behind an address of Lambda's Invoke API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use relatch::lambda::{Function, Handler};
use tokio::net::TcpListener;

/// A running address.
pub struct InvokeAddress {
    url: String,
    events: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl InvokeAddress {
    /// Serves a function.
    pub async fn start<H: Handler>(function: Function<H>) -> Self {
        let (events, fails) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let state = (Arc::new(function), Arc::clone(&events), Arc::clone(&fails));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/2015-03-31/functions/function/invocations", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer::<H>).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, events, fails }
    }

    /// Where events are posted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many events came.
    pub fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    /// From now on the function fails.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }
}

type Shared<H> = (Arc<Function<H>>, Arc<AtomicUsize>, Arc<AtomicBool>);

async fn answer<H: Handler>(State((function, events, fails)): State<Shared<H>>, event: String) -> Response<Body> {
    events.fetch_add(1, Ordering::SeqCst);
    if fails.load(Ordering::SeqCst) {
        let error = Response::builder().header("X-Amz-Function-Error", "Unhandled");
        return error.body(Body::from("{\"errorType\":\"x\",\"errorMessage\":\"y\"}")).unwrap();
    }
    let payload = function.answer(&event).await.unwrap();
    Response::new(Body::from(serde_json::to_string(&payload).unwrap()))
}
