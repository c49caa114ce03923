//! What the functions work on: the local stack's database behind TLS, its keys and a user.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relatch::session::{EndedBy, SessionId};
use relatch::user::UserId;
use relatch_baseline::{read_user, rotate_session};
use relatch_cli::dev::demo;
use relatch_tests::{Client, TestStack, claims};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Binaries, Process};
use crate::tls::TlsFront;

/// The certificates that a function trusts besides the database's, as many as in a deployment.
const ROOTS: &str = include_str!("../../shared/src/aws/roots.pem");

/// The baseline's key for tokens.
const MAC_KEY: [u8; 32] = [7; 32];

/// A running stack, and the environment of the binaries that work on its database.
pub struct Bench {
    stack: TestStack,
    environment: BTreeMap<String, String>,
    _folder: TempDir,
}

impl Bench {
    /// Starts it, with this bcrypt cost.
    pub async fn start(cost: u32) -> Self {
        let (folder, most) = (tempfile::tempdir().unwrap(), "1000000");
        let stack = TestStack::start(&[
            ("BCRYPT_COST", &cost.to_string()),
            // Every refresh rotates: otherwise the second one within the window only reads.
            ("REFRESH_RETRY_WINDOW", "0"),
            ("SIGNIN_FREE_ATTEMPTS", most),
            ("SIGNIN_ATTEMPTS_PER_EMAIL", most),
            ("SIGNIN_ATTEMPTS_PER_ADDRESS", most),
        ])
        .await;
        let front = TlsFront::start(stack.stack().dynamodb_url()).await;
        let bundle = folder.path().join("roots.pem");
        std::fs::write(&bundle, format!("{ROOTS}\n{}", front.root())).unwrap();
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let mut environment = stack.stack().environment().clone();
        environment.extend(
            [
                ("AWS_ENDPOINT_URL_DYNAMODB", front.url().to_owned()),
                ("SSL_CERT_FILE", bundle.display().to_string()),
                ("BASELINE_MAC_KEY", URL_SAFE_NO_PAD.encode(MAC_KEY)),
                ("BASELINE_RSA_KEY", URL_SAFE_NO_PAD.encode(rsa.serialize_der())),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Self { stack, environment, _folder: folder }
    }

    /// Starts a function, or a program of the baseline.
    pub async fn process(&self, binaries: &Binaries, name: &str) -> Process {
        Process::start(&binaries.path(name), &self.environment).await
    }

    /// A client of the stack.
    pub fn client(&self) -> Client {
        self.stack.client()
    }

    /// Refreshes that follow each other, by the function.
    pub async fn refreshes(&self) -> Refreshes {
        Refreshes { token: self.client().sign_in().await.refresh_token() }
    }

    /// The same, by the baseline.
    pub async fn baseline_refreshes(&self) -> Refreshes {
        let SessionOf { sub, sid } = SessionOf::of(&self.client().sign_in().await.access_token());
        let message =
            format!("e30.{}", URL_SAFE_NO_PAD.encode(json!({"sub": sub, "sid": sid, "gen": 0}).to_string()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &MAC_KEY), message.as_bytes());
        Refreshes { token: format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)) }
    }

    /// The same, by the bare SDK.
    pub async fn bare_refreshes(&self) -> BareRefreshes {
        let session = SessionOf::of(&self.client().sign_in().await.access_token());
        BareRefreshes { database: self.stack.database(), session, generation: 0 }
    }

    /// A sign-in by the function, whose session is ended behind its back, so that the next one
    /// finds no more of them.
    pub async fn sign_in_by(&self, function: &Process) {
        let body = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
        let answer = function.answer(&event("POST /signin", &body)).await;
        let SessionOf { sub, sid } = SessionOf::of(body_of(&answer)["access_token"].as_str().unwrap());
        let (user, session) = (UserId::parse(&sub).unwrap(), SessionId::parse(&sid).unwrap());
        self.stack.stack().store().revoke_session(&user, &session, EndedBy::User).await.unwrap();
    }
}

/// Whose session it is, and its id.
struct SessionOf {
    sub: String,
    sid: String,
}

impl SessionOf {
    /// What an access token says.
    fn of(access_token: &str) -> Self {
        let claims = claims(access_token);
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        Self { sub: claim("sub"), sid: claim("sid") }
    }
}

/// Refreshes of one session.
pub struct Refreshes {
    token: String,
}

impl Refreshes {
    /// The next one, by a process.
    pub async fn refresh_by(&mut self, function: &Process) {
        let answer = function.answer(&event("POST /refresh", &json!({"refresh_token": self.token}))).await;
        self.rotated(body_of(&answer)["refresh_token"].as_str().unwrap().to_owned());
    }

    /// The next one, by the local stack.
    pub async fn refresh_at(&mut self, stack: &Client) {
        self.rotated(stack.refresh(&self.token).await.refresh_token());
    }

    fn rotated(&mut self, next: String) {
        assert_ne!(next, self.token, "the session was not rotated");
        self.token = next;
    }
}

/// The calls of refreshes of one session, and nothing else.
pub struct BareRefreshes {
    database: aws_sdk_dynamodb::Client,
    session: SessionOf,
    generation: u64,
}

impl BareRefreshes {
    /// Those of the next one, both at once.
    pub async fn refresh(&mut self) {
        let SessionOf { sub, sid } = &self.session;
        let read = read_user(&self.database, sub);
        let write = rotate_session(&self.database, sub, sid, self.generation);
        tokio::try_join!(read, write).unwrap();
        self.generation += 1;
    }
}

fn body_of(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// A request with as much in it as API Gateway puts there.
pub fn event(route: &str, body: &Value) -> Value {
    const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let mut event = relatch_tests::event(route, body);
    event["rawQueryString"] = "".into();
    event["headers"] = json!({
        "accept": "application/json", "content-type": "application/json", "host": "auth.example.com",
        "user-agent": AGENT, "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
        "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
    });
    event["requestContext"] = json!({
        "accountId": "123456789012", "apiId": "abcdefghij", "domainName": "auth.example.com",
        "domainPrefix": "auth", "requestId": "JKJaXmPLvHcESHA=", "routeKey": route, "stage": "$default",
        "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1_773_119_783_000_i64,
        "http": {
            "method": event["requestContext"]["http"]["method"], "path": event["rawPath"],
            "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": AGENT,
        },
    });
    event
}
