//! A response, of a deployment over HTTP or of a function to an event.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::{Map, Value};

use crate::event_request::Gateway;

/// A whole response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Response {
    /// Reads a response to the end.
    ///
    /// # Errors
    /// When the connection breaks before.
    pub(crate) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    /// What a gateway makes of the payload that a function returns.
    pub fn from_payload(gateway: Gateway, payload: &Value) -> Self {
        // Each payload has its own place for cookies and leaves the other's empty.
        let headers = match gateway {
            Gateway::HttpApi => {
                assert!(payload["headers"].get("set-cookie").is_none(), "{payload}");
                assert!(payload["multiValueHeaders"].as_object().is_none_or(Map::is_empty), "{payload}");
                let mut headers = header_map(&payload["headers"]);
                for cookie in values(&payload["cookies"]) {
                    headers.append(SET_COOKIE, cookie);
                }
                headers
            }
            Gateway::RestApi => {
                assert!(payload.get("cookies").is_none(), "{payload}");
                assert!(payload["headers"].as_object().is_none_or(Map::is_empty), "{payload}");
                header_map(&payload["multiValueHeaders"])
            }
        };
        let status = payload["statusCode"].as_u64().unwrap_or_else(|| panic!("no status: {payload}"));
        let text = payload["body"].as_str().unwrap_or_else(|| panic!("no body: {payload}"));
        Self { status: u16::try_from(status).unwrap(), headers, text: text.to_owned() }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A header's text, or "".
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A field of the body that is a string.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {self:?}")).to_owned()
    }

    /// The `refresh_token` of a 200.
    #[track_caller]
    pub fn refresh_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.field("refresh_token")
    }

    /// The `access_token` of a 200.
    #[track_caller]
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.field("access_token")
    }

    /// All cookies that it sets, with their attributes.
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    /// The cookie that a browser would keep: its name and value.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split("; ").next().unwrap_or_default().to_owned()
    }

    /// Asserts the status and the `error` code.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["error"].as_str()), (status, Some(code)), "{self:?}");
    }
}

/// The headers of a payload: names to a value, or to a list of values.
fn header_map(headers: &Value) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers.as_object().into_iter().flatten() {
        for value in values(value) {
            map.append(name.parse::<HeaderName>().unwrap(), value);
        }
    }
    map
}

fn values(value: &Value) -> Vec<HeaderValue> {
    let texts = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    texts.iter().filter_map(Value::as_str).map(|text| text.parse().unwrap()).collect()
}
