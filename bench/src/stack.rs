//! What the functions work on: the local stack's database behind TLS, its keys and a user.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relatch::session::{EndedBy, SessionId};
use relatch::user::UserId;
use relatch_baseline::{read_user, rotate_session};
use relatch_cli::dev::demo;
use relatch_tests::{Client, TestStack, claim};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Binaries, Process};
use crate::tls::TlsFront;

/// The certificates that a function trusts besides the database's, as many as in a deployment.
const ROOTS: &str = include_str!("../../shared/store/src/aws/roots.pem");

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
        let (folder, unlimited) = (tempfile::tempdir().unwrap(), "1000000");
        let stack = TestStack::start(&[
            ("BCRYPT_COST", &cost.to_string()),
            // Every refresh rotates: otherwise the second one within the window only reads.
            ("REFRESH_RETRY_WINDOW", "0"),
            ("SIGNIN_FREE_ATTEMPTS", unlimited),
            ("SIGNIN_ATTEMPTS_PER_EMAIL", unlimited),
            ("SIGNIN_ATTEMPTS_PER_ADDRESS", unlimited),
        ])
        .await;
        let front = TlsFront::start(stack.stack().dynamodb_url()).await;
        let bundle = folder.path().join("roots.pem");
        std::fs::write(&bundle, format!("{ROOTS}\n{}", front.root())).unwrap();
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let mut environment = stack.environment().clone();
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
    pub async fn start_process(&self, binaries: &Binaries, name: &str) -> Process {
        Process::start(&binaries.path(name), &self.environment).await
    }

    /// A client of the stack.
    pub fn client(&self) -> Client {
        self.stack.client()
    }

    /// Refreshes of a new session, for the function.
    pub async fn refresh_chain(&self) -> RefreshChain {
        RefreshChain { token: self.client().sign_in().await.refresh_token() }
    }

    /// The same, for the baseline.
    pub async fn baseline_refresh_chain(&self) -> RefreshChain {
        let SessionKey { sub, sid } = SessionKey::from_access_token(&self.client().sign_in().await.access_token());
        let message =
            format!("e30.{}", URL_SAFE_NO_PAD.encode(json!({"sub": sub, "sid": sid, "gen": 0}).to_string()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &MAC_KEY), message.as_bytes());
        RefreshChain { token: format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)) }
    }

    /// The same, for the bare SDK.
    pub async fn bare_refresh_chain(&self) -> BareRefreshChain {
        let session = SessionKey::from_access_token(&self.client().sign_in().await.access_token());
        BareRefreshChain { database: self.stack.database(), session, generation: 0 }
    }

    /// Signs in with a process of the function, and then revokes the session in the table, so that
    /// the next sign-in does not find it.
    pub async fn sign_in_with(&self, function: &Process) {
        let body = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
        let response = function.invoke(&event("POST /signin", &body)).await;
        let SessionKey { sub, sid } =
            SessionKey::from_access_token(parse_body(&response)["access_token"].as_str().unwrap());
        let (user_id, session_id) = (UserId::parse(&sub).unwrap(), SessionId::parse(&sid).unwrap());
        let sessions = &self.stack.tables().sessions;
        sessions.revoke(&user_id, &session_id, EndedBy::User).await.unwrap();
    }
}

/// The user's id, and the session's.
struct SessionKey {
    sub: String,
    sid: String,
}

impl SessionKey {
    /// The session that an access token belongs to.
    fn from_access_token(access_token: &str) -> Self {
        Self { sub: claim(access_token, "sub"), sid: claim(access_token, "sid") }
    }
}

/// The refreshes of one session, one after another.
pub struct RefreshChain {
    token: String,
}

impl RefreshChain {
    /// Makes the next one with a process.
    pub async fn refresh_with_process(&mut self, function: &Process) {
        let response = function.invoke(&event("POST /refresh", &json!({"refresh_token": self.token}))).await;
        self.replace_token(parse_body(&response)["refresh_token"].as_str().unwrap().to_owned());
    }

    /// Makes the next one with the local stack.
    pub async fn refresh_with_client(&mut self, client: &Client) {
        self.replace_token(client.refresh(&self.token).await.refresh_token());
    }

    fn replace_token(&mut self, next: String) {
        assert_ne!(next, self.token, "the session was not rotated");
        self.token = next;
    }
}

/// The calls to the database of the refreshes of one session, and nothing else.
pub struct BareRefreshChain {
    database: aws_sdk_dynamodb::Client,
    session: SessionKey,
    generation: u64,
}

impl BareRefreshChain {
    /// Makes the calls of the next one, both at once.
    pub async fn refresh(&mut self) {
        let SessionKey { sub, sid } = &self.session;
        let read = read_user(&self.database, sub);
        let write = rotate_session(&self.database, sub, sid, self.generation);
        tokio::try_join!(read, write).unwrap();
        self.generation += 1;
    }
}

fn parse_body(response: &Value) -> Value {
    serde_json::from_str(response["body"].as_str().unwrap()).unwrap()
}

/// The event of a request to a route, such as `POST /signin`, with as much in it as API Gateway
/// puts there.
pub fn event(route: &str, body: &Value) -> Value {
    const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let (method, path) = route.split_once(' ').expect("a method and a path");
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "",
        "headers": {
            "accept": "application/json", "content-type": "application/json", "host": "auth.example.com",
            "user-agent": AGENT, "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
            "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdefghij", "domainName": "auth.example.com",
            "domainPrefix": "auth", "requestId": "JKJaXmPLvHcESHA=", "routeKey": route, "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1_773_119_783_000_i64,
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                "userAgent": AGENT,
            },
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}
