//! What a client sends, as either gateway hands it to a function.

use serde_json::{Value, json};

/// A request before a gateway makes an event of it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path, without a stage.
    pub path: String,
    /// The stage of the API.
    pub stage: &'static str,
    /// Names and values of headers, but cookies.
    pub headers: Vec<(String, String)>,
    /// Cookies, each `name=value`.
    pub cookies: Vec<String>,
    /// The body as the event has it.
    pub body: Option<String>,
    /// Whether the event says that this is base64.
    pub is_base64: bool,
}

impl Sent {
    /// A request whose content type is JSON.
    pub fn to(method: &str, path: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { method, path, stage: "$default", headers, cookies: Vec::new(), body: None, is_base64: false }
    }

    /// With this header, in place of one of the name.
    pub fn with_header(self, name: &str, value: &str) -> Self {
        let mut sent = self.without_header(name);
        sent.headers.push((name.to_owned(), value.to_owned()));
        sent
    }

    /// Without a header.
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With one more cookie.
    pub fn with_cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push(format!("{name}={value}"));
        self
    }

    /// With this body.
    pub fn with_body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// The event of an HTTP API, and that of a REST API. No route was matched, so that the
    /// function has to look at the path itself.
    pub fn events(&self) -> [Value; 2] {
        let headers: Value = self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut multiple: Value =
            self.headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
        if !self.cookies.is_empty() {
            multiple["Cookie"] = json!([self.cookies.join("; ")]);
        }
        let raw_path =
            if self.stage == "$default" { self.path.clone() } else { format!("/{}{}", self.stage, self.path) };
        let http_api = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "headers": headers,
            "cookies": self.cookies,
            "requestContext": {"http": {"method": self.method, "sourceIp": "192.0.2.1"}, "stage": self.stage},
            "body": self.body, "isBase64Encoded": self.is_base64,
        });
        let rest_api = json!({
            "resource": "/{proxy+}", "path": self.path, "httpMethod": self.method, "multiValueHeaders": multiple,
            "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": self.stage},
            "body": self.body, "isBase64Encoded": self.is_base64,
        });
        [http_api, rest_api]
    }
}
