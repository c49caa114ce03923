//! A function behind an endpoint of Lambda's Invoke API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use relatch_lambda::{Function, Handler};
use tokio::net::TcpListener;

/// A running endpoint.
pub struct InvokeEndpoint {
    url: String,
    invocations: Arc<AtomicUsize>,
    is_failing: Arc<AtomicBool>,
}

impl InvokeEndpoint {
    /// Serves a function.
    pub async fn start<H: Handler>(function: Function<H>) -> Self {
        let (invocations, is_failing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let state = (Arc::new(function), Arc::clone(&invocations), Arc::clone(&is_failing));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/2015-03-31/functions/function/invocations", listener.local_addr().unwrap());
        let app = Router::new().fallback(invoke::<H>).with_state(state);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, invocations, is_failing }
    }

    /// Where events are posted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many events it has received.
    pub fn invocations(&self) -> usize {
        self.invocations.load(Ordering::SeqCst)
    }

    /// From now on the function fails.
    pub fn fail(&self) {
        self.is_failing.store(true, Ordering::SeqCst);
    }
}

type Shared<H> = (Arc<Function<H>>, Arc<AtomicUsize>, Arc<AtomicBool>);

async fn invoke<H: Handler>(
    State((function, invocations, is_failing)): State<Shared<H>>,
    event: String,
) -> Response<Body> {
    invocations.fetch_add(1, Ordering::SeqCst);
    if is_failing.load(Ordering::SeqCst) {
        let error = Response::builder().header("X-Amz-Function-Error", "Unhandled");
        return error.body(Body::from("{\"errorType\":\"x\",\"errorMessage\":\"y\"}")).unwrap();
    }
    let payload = function.respond(&event).await.unwrap();
    Response::new(Body::from(serde_json::to_string(&payload).unwrap()))
}
