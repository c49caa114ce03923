//! A client that shows everything of an answer.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

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

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A header's text, or "".
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A member of the body that is a string.
    pub fn text_of(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {self:?}")).to_owned()
    }

    /// The `refresh_token` of a 200.
    pub fn refresh_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text_of("refresh_token")
    }

    /// The `access_token` of a 200.
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text_of("access_token")
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

    /// A client that waits when it is told to: for tests that share a user with tests that
    /// guess his password.
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    /// A request of any form.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url))
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// Posts a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        loop {
            let answer = self.send(self.request("POST", path).json(body)).await;
            if !self.is_patient || answer.status != 429 {
                return answer;
            }
            let seconds = answer.header("retry-after").parse().unwrap();
            assert!(seconds <= 60, "{answer:?}");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    /// Posts a JSON body as a page of this origin does, with its cookie if it has one.
    pub async fn post_from(&self, origin: &str, path: &str, body: &Value, cookie: Option<&str>) -> Answer {
        let request = self.request("POST", path).header("origin", origin).header("sec-fetch-site", "same-site");
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
        self.send(request.json(body)).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// Signs the user in.
    pub async fn sign_in(&self) -> Answer {
        self.sign_in_with(&self.email, &self.password).await
    }

    /// Tries to sign in.
    pub async fn sign_in_with(&self, email: &str, password: &str) -> Answer {
        self.post("/signin", &json!({"email": email, "password": password})).await
    }

    /// Refreshes without a key.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/refresh", &json!({"refresh_token": token})).await
    }

    /// Refreshes with an `Idempotency-Key`.
    pub async fn refresh_with_key(&self, token: &str, key: &str) -> Answer {
        let request = self.request("POST", "/refresh").header("Idempotency-Key", key);
        self.send(request.json(&json!({"refresh_token": token}))).await
    }

    /// Ends the session of a token, or all of its user.
    pub async fn sign_out(&self, token: &str, is_everywhere: bool) -> Answer {
        self.post("/signout", &json!({"refresh_token": token, "everywhere": is_everywhere})).await
    }

    /// Ends the session of a token, as RFC 7009 has it.
    pub async fn revoke(&self, token: &str) -> Answer {
        self.post_form("/revoke", &[("token", token), ("token_type_hint", "refresh_token")]).await
    }

    /// Refreshes as RFC 6749 has it, with what is sent besides the grant type.
    pub async fn token(&self, members: &[(&str, &str)]) -> Answer {
        self.post_form("/token", &[&[("grant_type", "refresh_token")], members].concat()).await
    }

    /// Posts a form.
    pub async fn post_form(&self, path: &str, members: &[(&str, &str)]) -> Answer {
        let encoded = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let bytes = text.bytes();
            let encoded = bytes.map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
            encoded.collect::<String>()
        };
        let form: Vec<_> = members.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(form.join("&"))).await
    }

    /// Calls a route of the user's sessions.
    pub async fn sessions(&self, method: &str, path: &str, token: &str) -> Answer {
        self.send(self.request(method, &format!("/sessions{path}")).bearer_auth(token)).await
    }

    /// Calls the guarded route.
    pub async fn user_info(&self, token: &str) -> Answer {
        self.send(self.request("GET", "/userinfo").bearer_auth(token)).await
    }
}

/// The claims of a token, as anyone who holds it can read them.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}
