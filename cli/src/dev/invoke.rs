//! Functions that the gateway invokes: in this process, or behind an Invoke address.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use relatch::time::Clock;
use relatch_lambda::telemetry::Log;
use relatch_lambda::{Config, Function, Handler};
use reqwest::header::HeaderName;
use serde_json::Value;
use tokio::sync::Mutex;

/// A function: an event in, a proxy response out, or why it failed.
pub type Invoke = Arc<dyn Fn(Value) -> Pin<Box<dyn Future<Output = Result<Value, String>> + Send>> + Send + Sync>;

/// The function that a Lambda binary of this name runs; `None` when there is no such binary.
pub(super) fn local_function(binary: &str, config: Config, clock: &Clock, log: &Log) -> Option<Invoke> {
    match binary {
        signin::SignIn::NAME => Some(handler::<signin::SignIn>(config, clock, log)),
        refresh::Refresh::NAME => Some(handler::<refresh::Refresh>(config, clock, log)),
        signout::SignOut::NAME => Some(handler::<signout::SignOut>(config, clock, log)),
        sessions::Sessions::NAME => Some(handler::<sessions::Sessions>(config, clock, log)),
        jwks::Jwks::NAME => Some(handler::<jwks::Jwks>(config, clock, log)),
        userinfo::UserInfo::NAME => Some(handler::<userinfo::UserInfo>(config, clock, log)),
        authorizer::NAME => Some(authorizer(config, clock, log)),
        _ => None,
    }
}

/// The authorizer, whose errors are answers as well.
fn authorizer(config: Config, clock: &Clock, log: &Log) -> Invoke {
    let function = Arc::new(authorizer::Authorizer::new(Ok(config), clock.clone(), log.clone()));
    Arc::new(move |event| {
        let function = Arc::clone(&function);
        Box::pin(async move { function.respond(&event.to_string()).await.map_err(|error| error.to_string()) })
    })
}

/// A function that is handed the events that Lambda would hand it.
fn handler<H: Handler>(config: Config, clock: &Clock, log: &Log) -> Invoke {
    let function = Arc::new(Function::<H>::new(Ok(config), clock.clone(), log.clone()));
    Arc::new(move |event| {
        let function = Arc::clone(&function);
        Box::pin(async move {
            let response = function.respond(&event.to_string()).await.map_err(|error| error.to_string())?;
            serde_json::to_value(response).map_err(|error| error.to_string())
        })
    })
}

/// The header by which Lambda says that what it answers with is the function's error.
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");

/// A function behind an address of Lambda's Invoke API, such as an emulator's. It is
/// handed one event at a time, as one instance of a function is.
pub(super) fn remote_function(url: &str) -> Invoke {
    let (http, url, lock) = (reqwest::Client::new(), url.to_owned(), Arc::new(Mutex::new(())));
    Arc::new(move |event| {
        let (request, lock) = (http.post(&url).body(event.to_string()), Arc::clone(&lock));
        Box::pin(async move {
            let _guard = lock.lock().await;
            let response = request.send().await.map_err(|error| error.to_string())?;
            let (status, is_error) = (response.status(), response.headers().contains_key(FUNCTION_ERROR));
            let payload = response.bytes().await.map_err(|error| error.to_string())?;
            let payload: Result<Value, _> = serde_json::from_slice(&payload);
            // An emulator says it by the payload alone.
            let message = payload.as_ref().ok().and_then(|payload| payload.get("errorMessage"));
            if let Some(message) = message.and_then(Value::as_str) {
                return Err(message.to_owned());
            }
            if !status.is_success() || is_error {
                return Err(format!("the function failed: {status}"));
            }
            payload.map_err(|error| error.to_string())
        })
    })
}
