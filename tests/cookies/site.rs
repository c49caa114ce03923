//! A page, the functions that it calls, and what they answer.

use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_tests::{FaultyDatabase, Sent, TestStack};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;

pub(crate) const PAGE: &str = "https://app.example.com";
pub(crate) const OTHER_PAGE: &str = "http://localhost:5173";
pub(crate) const NAME: &str = "__Host-relatch_refresh";
pub(crate) const FORGET: &str = "__Host-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";

/// The form in which a gateway hands a request to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    HttpApi,
    RestApi,
}

pub(crate) const PAYLOADS: [Payload; 2] = [Payload::HttpApi, Payload::RestApi];

/// A stack behind a gateway, with a faulty way to its database.
pub(crate) struct Site {
    pub(crate) stack: TestStack,
    pub(crate) database: FaultyDatabase,
    sign_in: Function<SignIn>,
    refresh: Function<Refresh>,
    sign_out: Function<SignOut>,
    payload: Payload,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    pub(crate) body: Value,
    pub(crate) headers: Value,
    pub(crate) set_cookie: Vec<String>,
}

/// A page's request.
pub(crate) fn post(path: &str, body: &Value) -> Sent {
    Sent::to("POST", path).with_header("origin", PAGE).with_body(body.to_string())
}

impl Site {
    pub(crate) async fn start(payload: Payload, settings: &[(&str, &str)]) -> Self {
        let origins = format!("{PAGE},{OTHER_PAGE}");
        let stack = TestStack::start(&[&[("CORS_ALLOWED_ORIGINS", origins.as_str())], settings].concat()).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let through = [("AWS_ENDPOINT_URL_DYNAMODB", database.url())];
        let (sign_in, refresh, sign_out) =
            (stack.function(&through), stack.function(&through), stack.function(&through));
        Self { stack, database, sign_in, refresh, sign_out, payload }
    }

    pub(crate) async fn ask(&self, sent: &Sent) -> Answer {
        match sent.path.as_str() {
            "/signin" => self.answer(&self.sign_in, sent).await,
            "/refresh" | "/token" => self.answer(&self.refresh, sent).await,
            "/signout" | "/revoke" => self.answer(&self.sign_out, sent).await,
            other => panic!("{other}"),
        }
    }

    async fn answer<H: Handler>(&self, function: &Function<H>, sent: &Sent) -> Answer {
        let [http_api, rest_api] = sent.events();
        let event = match self.payload {
            Payload::HttpApi => http_api,
            Payload::RestApi => rest_api,
        };
        let answer = function.answer(&event.to_string()).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        // Each payload has its own place for cookies, and nothing in the other's.
        let (headers, set_cookie) = match self.payload {
            Payload::HttpApi => {
                assert!(answer["headers"].get("set-cookie").is_none(), "{answer}");
                (answer["headers"].clone(), texts(&answer["cookies"]))
            }
            Payload::RestApi => {
                assert!(answer.get("cookies").is_none(), "{answer}");
                let several = answer["multiValueHeaders"].as_object().unwrap();
                let headers = several.iter().map(|(name, values)| (name.clone(), values[0].clone())).collect();
                (headers, texts(&several.get("set-cookie").cloned().unwrap_or_default()))
            }
        };
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            body: serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default(),
            headers,
            set_cookie,
        }
    }

    pub(crate) fn signing_in(&self) -> Sent {
        let client = self.stack.client();
        post("/signin", &json!({"email": client.email, "password": client.password, "cookie": true}))
    }

    /// Signs in and gives the refresh token of the cookie with an access token.
    pub(crate) async fn sign_in(&self) -> (String, String) {
        let answer = self.ask(&self.signing_in()).await;
        (answer.token(), answer.body["access_token"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.ask(&post("/refresh", &json!({})).with_cookie(NAME, token)).await
    }

    pub(crate) async fn sign_out(&self, token: &str, is_everywhere: bool) -> Answer {
        self.ask(&post("/signout", &json!({"everywhere": is_everywhere})).with_cookie(NAME, token)).await
    }

    /// Whether a refresh accepts a token; asked in body mode, without faults.
    pub(crate) async fn is_good(&self, token: &str) -> bool {
        self.stack.client().refresh(token).await.status == 200
    }
}

impl Answer {
    /// The refresh token in the cookie of a 200, which has all that a page needs and no more.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let members: Vec<&str> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["access_token", "expires_in", "refresh_expires_in", "token_type"]);
        let [cookie] = self.set_cookie.as_slice() else { panic!("{self:?}") };
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        let left = &self.body["refresh_expires_in"];
        assert_eq!(attributes, format!("Path=/; Max-Age={left}; HttpOnly; Secure; SameSite=Strict"));
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(cookie.len() < 4096, "{cookie}");
        pair.split_once('=').filter(|(name, _)| *name == NAME).unwrap().1.to_owned()
    }

    #[track_caller]
    pub(crate) fn expect_error(&self, status: u64, code: &str) {
        assert_eq!((self.status, &self.body["error"]), (status, &json!(code)), "{self:?}");
        assert_eq!(self.set_cookie, [""; 0], "{self:?}");
    }

    #[track_caller]
    pub(crate) fn expect_over(&self) {
        assert_eq!((self.status, &self.body["error"]), (400, &json!("invalid_grant")), "{self:?}");
        assert_eq!(self.set_cookie, [FORGET]);
    }

    #[track_caller]
    pub(crate) fn expect_signed_out(&self) {
        assert_eq!((self.status, &self.body), (204, &Value::Null), "{self:?}");
        assert_eq!(self.set_cookie, [FORGET]);
    }
}
