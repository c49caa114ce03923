//! A page, the functions that it calls, and their responses to it.

use refresh::Refresh;
use relatch_lambda::Function;
use relatch_tests::{EventRequest, FaultyDatabase, Gateway, Response, TestStack};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;

pub(crate) const PAGE: &str = "https://app.example.com";
pub(crate) const OTHER_PAGE: &str = "http://localhost:5173";
pub(crate) const NAME: &str = "__Host-relatch_refresh";
const REMOVED: &str = "__Host-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";

/// A stack behind a gateway, with a faulty way to its database.
pub(crate) struct Site {
    pub(crate) stack: TestStack,
    pub(crate) database: FaultyDatabase,
    sign_in: Function<SignIn>,
    refresh: Function<Refresh>,
    sign_out: Function<SignOut>,
    gateway: Gateway,
}

/// A page's request.
pub(crate) fn post(path: &str, body: &Value) -> EventRequest {
    EventRequest::post(path, body).with_header("origin", PAGE)
}

impl Site {
    pub(crate) async fn start(gateway: Gateway, settings: &[(&str, &str)]) -> Self {
        let origins = format!("{PAGE},{OTHER_PAGE}");
        let stack = TestStack::start(&[&[("CORS_ALLOWED_ORIGINS", origins.as_str())], settings].concat()).await;
        let database = stack.faulty_database().await;
        let settings = [database.setting()];
        let (sign_in, refresh, sign_out) =
            (stack.function(&settings), stack.function(&settings), stack.function(&settings));
        Self { stack, database, sign_in, refresh, sign_out, gateway }
    }

    pub(crate) async fn send(&self, request: &EventRequest) -> Response {
        let request = request.clone().with_gateway(self.gateway);
        match request.path.as_str() {
            "/signin" => request.send(&self.sign_in).await,
            "/refresh" | "/token" => request.send(&self.refresh).await,
            "/signout" | "/revoke" => request.send(&self.sign_out).await,
            other => panic!("{other}"),
        }
    }

    /// The request of a sign-in that wants a cookie.
    pub(crate) fn sign_in_request(&self) -> EventRequest {
        let client = self.stack.client();
        post("/signin", &json!({"email": client.email, "password": client.password, "cookie": true}))
    }

    /// Signs in; returns the refresh token of the cookie and an access token.
    pub(crate) async fn sign_in(&self) -> (String, String) {
        let response = self.send(&self.sign_in_request()).await;
        (response.cookie_token(), response.access_token())
    }

    pub(crate) async fn refresh(&self, token: &str) -> Response {
        self.send(&post("/refresh", &json!({})).with_cookie(NAME, token)).await
    }

    pub(crate) async fn sign_out(&self, token: &str, is_everywhere: bool) -> Response {
        self.send(&post("/signout", &json!({"everywhere": is_everywhere})).with_cookie(NAME, token)).await
    }

    /// Whether a refresh accepts a token; in body mode, without faults.
    pub(crate) async fn is_good(&self, token: &str) -> bool {
        self.stack.client().refresh(token).await.status == 200
    }
}

/// What a page makes of a response.
pub(crate) trait PageResponse {
    /// The refresh token in the cookie of a 200, which has all that a page needs and no more.
    fn cookie_token(&self) -> String;
    /// Asserts an error that leaves the cookie as it is.
    fn expect_refusal(&self, status: u16, code: &str);
    /// Asserts that the session is over and the cookie removed.
    fn expect_over(&self);
    /// Asserts a sign-out, which removes the cookie.
    fn expect_signed_out(&self);
}

impl PageResponse for Response {
    #[track_caller]
    fn cookie_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let body = self.json();
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["access_token", "expires_in", "refresh_expires_in", "token_type"]);
        let [cookie] = self.cookies()[..] else { panic!("{self:?}") };
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        let max_age = &body["refresh_expires_in"];
        assert_eq!(attributes, format!("Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite=Strict"));
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(cookie.len() < 4096, "{cookie}");
        pair.split_once('=').filter(|(name, _)| *name == NAME).unwrap().1.to_owned()
    }

    #[track_caller]
    fn expect_refusal(&self, status: u16, code: &str) {
        self.expect_error(status, code);
        assert_eq!(self.cookies(), [""; 0], "{self:?}");
    }

    #[track_caller]
    fn expect_over(&self) {
        self.expect_error(400, "invalid_grant");
        assert_eq!(self.cookies(), [REMOVED]);
    }

    #[track_caller]
    fn expect_signed_out(&self) {
        assert_eq!((self.status, self.text.as_str()), (204, ""), "{self:?}");
        assert_eq!(self.cookies(), [REMOVED]);
    }
}
