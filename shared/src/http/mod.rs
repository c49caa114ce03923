//! HTTP: the only code that knows it. Reads a request, writes a response, and holds
//! the one table from what went wrong to its answer.

mod cookie;
mod event;
mod members;
mod refusal;
mod request;
mod response;
mod set_cookie;

pub use cookie::Presented;
pub use event::{EventError, Payload};
pub use lambda_http::http::StatusCode;
pub use members::Members;
pub use refusal::Refusal;
pub use request::{MAX_BODY_BYTES, Request};
pub use response::{Response, cacheable_json, empty, json};
pub use set_cookie::{REFRESH_COOKIE, with_cookie, without_cookie};
