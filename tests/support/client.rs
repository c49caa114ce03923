//! A client of a deployment, over HTTP.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::form;
use crate::response::Response;

/// A deployment's URL with a user's email and password.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    /// The API's URL, without a slash at the end.
    pub url: String,
    /// A user who can sign in.
    pub email: String,
    /// Their password.
    pub password: String,
    /// Whether a JSON post that is answered 429 is sent again after its `Retry-After`.
    is_patient: bool,
}

impl Client {
    /// A client of a deployment.
    pub fn new(url: &str, email: &str, password: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: url.trim_end_matches('/').to_owned(),
            email: email.to_owned(),
            password: password.to_owned(),
            is_patient: false,
        }
    }

    /// A client that waits after a 429 and tries again: for tests that share a user with tests
    /// that guess their password.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    /// A request of any form.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url))
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection breaks before the response is complete.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        Response::read(request.send().await?).await
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Response {
        self.try_send(request).await.unwrap()
    }

    /// Posts a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        loop {
            let response = self.send(self.request("POST", path).json(body)).await;
            if !self.is_patient || response.status != 429 {
                return response;
            }
            let wait = Duration::from_secs(response.header("retry-after").parse().unwrap());
            assert!(wait <= Duration::from_mins(1), "{response:?}");
            tokio::time::sleep(wait).await;
        }
    }

    /// Posts a JSON body as a page of this origin does, with its cookie if it has one.
    pub async fn post_from(&self, origin: &str, path: &str, body: &Value, cookie: Option<&str>) -> Response {
        let request = self.request("POST", path).header("origin", origin).header("sec-fetch-site", "same-site");
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
        self.send(request.json(body)).await
    }

    /// Posts a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form::encode(fields))).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request("GET", path)).await
    }

    /// The body of the user's sign-in.
    pub fn credentials(&self) -> Value {
        json!({"email": self.email, "password": self.password})
    }

    /// Signs the user in.
    pub async fn sign_in(&self) -> Response {
        self.sign_in_with(&self.email, &self.password).await
    }

    /// Tries to sign in.
    pub async fn sign_in_with(&self, email: &str, password: &str) -> Response {
        self.post("/signin", &json!({"email": email, "password": password})).await
    }

    /// Refreshes without a key.
    pub async fn refresh(&self, token: &str) -> Response {
        self.post("/refresh", &json!({"refresh_token": token})).await
    }

    /// Refreshes with an `Idempotency-Key`.
    pub async fn refresh_with_key(&self, token: &str, key: &str) -> Response {
        let request = self.request("POST", "/refresh").header("Idempotency-Key", key);
        self.send(request.json(&json!({"refresh_token": token}))).await
    }

    /// Refreshes as RFC 6749 has it, with these fields besides the grant type.
    pub async fn refresh_by_form(&self, fields: &[(&str, &str)]) -> Response {
        self.post_form("/token", &[&[("grant_type", "refresh_token")], fields].concat()).await
    }

    /// Ends the session of a token, or all of its user.
    pub async fn sign_out(&self, token: &str, is_everywhere: bool) -> Response {
        self.post("/signout", &json!({"refresh_token": token, "everywhere": is_everywhere})).await
    }

    /// Ends the session of a token, as RFC 7009 has it.
    pub async fn revoke(&self, token: &str) -> Response {
        self.post_form("/revoke", &[("token", token), ("token_type_hint", "refresh_token")]).await
    }

    /// Calls a route of the user's sessions.
    pub async fn sessions(&self, method: &str, path: &str, token: &str) -> Response {
        self.send(self.request(method, &format!("/sessions{path}")).bearer_auth(token)).await
    }

    /// Calls the guarded route.
    pub async fn user_info(&self, token: &str) -> Response {
        self.send(self.request("GET", "/userinfo").bearer_auth(token)).await
    }
}
