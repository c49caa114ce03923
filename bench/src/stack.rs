//! What the functions work on: the local stack's database behind TLS, its keys and a user.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::hmac;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relatch::session::{EndedBy, SessionId};
use relatch::telemetry::Log;
use relatch::time::Clock;
use relatch::user::UserId;
use relatch_baseline::{read_user, rotate_session};
use relatch_cli::dev::chaos::Chaos;
use relatch_cli::dev::engine::Storage;
use relatch_cli::dev::{Stack, StackOptions, demo};
use relatch_tests::{Client, claims};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::tls::TlsFront;

/// The baseline's key for tokens.
const MAC_KEY: [u8; 32] = [7; 32];

/// A running database with what belongs to it.
pub struct Bench {
    stack: Stack,
    front: TlsFront,
    _folder: TempDir,
}

impl Bench {
    /// Starts it, with this bcrypt cost; functions trust the certificates in `roots` besides.
    pub async fn start(cost: u32, roots: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let most = "1000000".to_owned();
        let overrides = [
            ("BCRYPT_COST", cost.to_string()),
            // Every refresh rotates: otherwise the second one within the window only reads.
            ("REFRESH_RETRY_WINDOW", "0".to_owned()),
            ("SIGNIN_FREE_ATTEMPTS", most.clone()),
            ("SIGNIN_ATTEMPTS_PER_EMAIL", most.clone()),
            ("SIGNIN_ATTEMPTS_PER_ADDRESS", most),
        ];
        let options = StackOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            dynamodb: "127.0.0.1:0".parse().unwrap(),
            storage: Storage::Memory,
            keys_file: folder.path().join("keys.json"),
            template: include_str!("../../template.yaml").to_owned(),
            overrides: overrides.map(|(name, value)| (name.to_owned(), value)).into(),
            elsewhere: BTreeMap::new(),
            chaos: Chaos::default(),
            demo: true,
            clock: Clock::system(),
            log: Log::to(std::io::sink()),
        };
        let stack = Stack::start(options).await.unwrap();
        let roots = std::fs::read_to_string(roots).unwrap();
        let front = TlsFront::start(stack.dynamodb_url(), folder.path(), &roots).await;
        Self { stack, front, _folder: folder }
    }

    /// The environment of its functions, and of the baseline.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.stack.environment().clone();
        let bundle = self.front.bundle().display().to_string();
        let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let of_the_baseline = [("BASELINE_MAC_KEY", MAC_KEY.to_vec()), ("BASELINE_RSA_KEY", rsa.serialize_der())]
            .map(|(name, bytes)| (name.to_owned(), URL_SAFE_NO_PAD.encode(bytes)));
        environment.extend(of_the_baseline);
        environment.insert("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.front.url().to_owned());
        environment.insert("SSL_CERT_FILE".to_owned(), bundle);
        environment
    }

    /// A session, by the access token and the refresh token that a sign-in gave.
    async fn sign_in(&self) -> (String, String) {
        let answer = Client::new(self.stack.url(), demo::EMAIL, demo::PASSWORD).sign_in().await;
        (answer.access_token(), answer.refresh_token())
    }

    /// Refreshes that follow each other, by the function.
    pub async fn refreshes(&self) -> Refreshes {
        Refreshes { token: self.sign_in().await.1 }
    }

    /// The same, by the baseline.
    pub async fn baseline_refreshes(&self) -> Refreshes {
        let claims = claims(&self.sign_in().await.0);
        let claims = json!({"sub": claims["sub"], "sid": claims["sid"], "gen": 0});
        let message = format!("e30.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &MAC_KEY), message.as_bytes());
        Refreshes { token: format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac)) }
    }

    /// A sign-in by the function, whose session is ended behind its back, so that the next one
    /// finds no more of them.
    pub async fn sign_in_by(&self, function: &Process) {
        let body = json!({"email": demo::EMAIL, "password": demo::PASSWORD});
        let answer = function.answer(&event("/signin", &body)).await;
        let claims = claims(body_of(&answer)["access_token"].as_str().unwrap());
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        let (user, session) = (UserId::parse(&claim("sub")).unwrap(), SessionId::parse(&claim("sid")).unwrap());
        self.stack.store().revoke_session(&user, &session, EndedBy::User).await.unwrap();
    }
}

impl Bench {
    /// A client of the local stack with a session of its own.
    pub async fn client(&self) -> StackClient {
        let client = Client::new(self.stack.url(), demo::EMAIL, demo::PASSWORD);
        let token = client.sign_in().await.refresh_token();
        StackClient { client, token }
    }

    /// A client of its database that knows a session.
    pub async fn bare_client(&self) -> BareClient {
        let claims = claims(&self.sign_in().await.0);
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "bench"))
            .endpoint_url(self.stack.dynamodb_url())
            .build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        BareClient { client, sub: claim("sub"), sid: claim("sid"), generation: 0 }
    }
}

/// A client of the local stack.
#[derive(Clone)]
pub struct StackClient {
    client: Client,
    token: String,
}

impl StackClient {
    /// One refresh, which rotates.
    pub async fn refresh(&mut self) {
        let next = self.client.refresh(&self.token).await.refresh_token();
        assert_ne!(next, self.token, "the session was not rotated");
        self.token = next;
    }
}

/// A client of the database.
#[derive(Clone)]
pub struct BareClient {
    client: aws_sdk_dynamodb::Client,
    sub: String,
    sid: String,
    generation: u64,
}

impl BareClient {
    /// The calls of one refresh, both at once.
    pub async fn refresh(&mut self) {
        let read = read_user(&self.client, &self.sub);
        let write = rotate_session(&self.client, &self.sub, &self.sid, self.generation);
        tokio::try_join!(read, write).unwrap();
        self.generation += 1;
    }
}

/// Refreshes of one session.
pub struct Refreshes {
    token: String,
}

impl Refreshes {
    /// The next one.
    pub async fn refresh_by(&mut self, function: &Process) {
        let answer = function.answer(&event("/refresh", &json!({"refresh_token": self.token}))).await;
        let next = body_of(&answer)["refresh_token"].as_str().unwrap().to_owned();
        assert_ne!(next, self.token, "the session was not rotated");
        self.token = next;
    }
}

fn body_of(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

/// A request as API Gateway hands it to a function.
pub fn event(path: &str, body: &Value) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": {
            "accept": "application/json", "content-type": "application/json", "host": "auth.example.com",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678", "x-forwarded-for": "192.0.2.1",
            "x-forwarded-port": "443", "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012", "apiId": "abcdefghij", "domainName": "auth.example.com",
            "domainPrefix": "auth", "requestId": "JKJaXmPLvHcESHA=", "routeKey": format!("POST {path}"),
            "stage": "$default", "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1_773_119_783_000_i64,
            "http": {
                "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            },
        },
        "body": body.to_string(), "isBase64Encoded": false,
    })
}

/// A request for the public keys.
pub fn jwks_event() -> Value {
    let path = "/.well-known/jwks.json";
    let mut event = event(path, &Value::Null);
    event["routeKey"] = format!("GET {path}").into();
    event["requestContext"]["http"]["method"] = "GET".into();
    event
}
