//! A request as API Gateway hands it to a function.

use relatch_lambda::{Function, Handler};
use serde_json::{Value, json};

use crate::response::Response;
use crate::runtime::RuntimeApi;

/// What is in front of a function; each has its own form of events and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// Payload 2.0.
    HttpApi,
    /// Payload 1.0.
    RestApi,
}

impl Gateway {
    /// Both.
    pub const ALL: [Self; 2] = [Self::HttpApi, Self::RestApi];
}

/// A request before a gateway makes an event of it; from an HTTP API unless it says otherwise.
#[derive(Clone, Debug)]
pub struct EventRequest {
    /// The method.
    pub method: String,
    /// The path, without a stage.
    pub path: String,
    /// The body as the event has it.
    pub body: Option<String>,
    is_base64: bool,
    headers: Vec<(String, String)>,
    cookies: Vec<String>,
    source_ip: String,
    stage: &'static str,
    gateway: Gateway,
}

impl EventRequest {
    /// A request without a body, whose content type is JSON.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
            is_base64: false,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            cookies: Vec::new(),
            source_ip: "192.0.2.1".to_owned(),
            stage: "$default",
            gateway: Gateway::HttpApi,
        }
    }

    /// A `GET`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A `POST` of JSON.
    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).with_body(body.to_string())
    }

    /// A sign-in.
    pub fn sign_in(email: &str, password: &str) -> Self {
        Self::post("/signin", &json!({"email": email, "password": password}))
    }

    /// A refresh.
    pub fn refresh(token: &str) -> Self {
        Self::post("/refresh", &json!({"refresh_token": token}))
    }

    /// A `POST` of a form.
    pub fn post_form(path: &str, form: impl Into<String>) -> Self {
        let request = Self::new("POST", path).with_header("content-type", "application/x-www-form-urlencoded");
        request.with_body(form)
    }

    /// With this header, in place of one of the name.
    #[must_use]
    pub fn with_header(self, name: &str, value: &str) -> Self {
        let mut request = self.without_header(name);
        request.headers.push((name.to_owned(), value.to_owned()));
        request
    }

    /// Without a header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With an access token.
    #[must_use]
    pub fn with_bearer(self, token: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {token}"))
    }

    /// With one more cookie.
    #[must_use]
    pub fn with_cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.push(format!("{name}={value}"));
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(self, body: impl Into<String>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// With a body that the event calls base64.
    #[must_use]
    pub fn with_base64(self, body: impl Into<String>) -> Self {
        Self { is_base64: true, ..self.with_body(body) }
    }

    /// From this address.
    #[must_use]
    pub fn with_source_ip(self, address: &str) -> Self {
        Self { source_ip: address.to_owned(), ..self }
    }

    /// At a stage of the API.
    #[must_use]
    pub fn with_stage(self, stage: &'static str) -> Self {
        Self { stage, ..self }
    }

    /// From this gateway.
    #[must_use]
    pub fn with_gateway(self, gateway: Gateway) -> Self {
        Self { gateway, ..self }
    }

    /// The event. It matches no route, so that the function has to look at the path itself.
    pub fn event(&self) -> Value {
        match self.gateway {
            Gateway::HttpApi => self.http_api_event(),
            Gateway::RestApi => self.rest_api_event(),
        }
    }

    fn http_api_event(&self) -> Value {
        let headers: Value = self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let raw_path =
            if self.stage == "$default" { self.path.clone() } else { format!("/{}{}", self.stage, self.path) };
        let mut event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": raw_path, "headers": headers,
            "requestContext": {
                "http": {"method": self.method, "sourceIp": self.source_ip}, "stage": self.stage,
            },
            "isBase64Encoded": self.is_base64,
        });
        // An HTTP API leaves out what a request does not have.
        if !self.cookies.is_empty() {
            event["cookies"] = json!(self.cookies);
        }
        if let Some(body) = &self.body {
            event["body"] = json!(body);
        }
        event
    }

    fn rest_api_event(&self) -> Value {
        let mut headers: Value = self.headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
        if !self.cookies.is_empty() {
            headers["Cookie"] = json!([self.cookies.join("; ")]);
        }
        json!({
            "resource": "/{proxy+}", "path": self.path, "httpMethod": self.method, "multiValueHeaders": headers,
            "requestContext": {"identity": {"sourceIp": self.source_ip}, "stage": self.stage},
            "body": self.body, "isBase64Encoded": self.is_base64,
        })
    }

    /// Hands the event to a function.
    pub async fn send<H: Handler>(&self, function: &Function<H>) -> Response {
        let payload = function.respond(&self.event().to_string()).await.unwrap();
        Response::from_payload(self.gateway, &serde_json::to_value(payload).unwrap())
    }

    /// Hands the event to a function that polls a Runtime API; at once, before it is awaited.
    pub fn send_through(&self, runtime: &RuntimeApi) -> impl Future<Output = Response> + use<> {
        let (gateway, payload) = (self.gateway, runtime.send(&self.event()));
        async move { Response::from_payload(gateway, &payload.await) }
    }
}
