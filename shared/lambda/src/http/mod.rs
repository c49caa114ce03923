//! HTTP: the only code that knows it. Reads a request, writes a response, and holds
//! the one table from what went wrong to its answer.

mod body;
mod cookie;
mod event;
mod origin;
mod refresh_request;
mod rejection;
mod request;
mod response;
mod set_cookie;
mod tokens;

pub use body::BodyFields;
pub use event::{EventError, Payload};
pub use lambda_http::http::StatusCode;
pub use origin::AllowedOrigins;
pub use refresh_request::{RefreshRequest, TokenSource};
pub use rejection::Rejection;
pub use request::{MAX_BODY_BYTES, Request};
pub use response::{Response, cacheable_json, empty, json};
pub use set_cookie::{REFRESH_COOKIE, clear_refresh_cookie};
pub use tokens::tokens;
