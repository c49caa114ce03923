//! Every route of every function, in both payloads, against methods, paths, headers and
//! bodies that are not its own: a clear 4xx, never a 5xx, no panic, and no call to the store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use jwks::Jwks;
use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_tests::{FaultyDatabase, Sent, TestStack};
use serde_json::{Value, json};
use sessions::Sessions;
use signin::SignIn;
use signout::SignOut;
use userinfo::UserInfo;

const SID: &str = "/sessions/AAAAAAAAAAAAAAAAAAAAAA";

/// On every answer, whatever its status.
const ALWAYS: [(&str, &str); 5] = [
    ("strict-transport-security", "max-age=63072000"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("vary", "origin"),
];

/// A function under attack.
struct Target<H> {
    database: FaultyDatabase,
    function: Function<H>,
    _stack: TestStack,
}

impl<H: Handler> Target<H> {
    async fn start() -> Self {
        let stack = TestStack::start(&[]).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let function = stack.function(&[("AWS_ENDPOINT_URL_DYNAMODB", database.url())]);
        Self { database, function, _stack: stack }
    }

    /// The status, the same for both payloads.
    async fn status(&self, sent: &Sent) -> u64 {
        let mut statuses = Vec::new();
        for event in sent.events() {
            let answer = serde_json::to_value(self.function.answer(&event.to_string()).await.unwrap()).unwrap();
            let status = answer["statusCode"].as_u64().unwrap();
            let header = |name: &str| match &answer["headers"][name] {
                Value::Null => answer["multiValueHeaders"][name].clone(),
                value => value.clone(),
            };
            let is_kept = H::NAME == "jwks" && status == 200;
            assert_eq!(header("cache-control").to_string().contains("no-store"), !is_kept);
            assert_eq!(header("allow").is_null(), status != 405);
            for (name, value) in ALWAYS {
                assert_eq!(header(name).to_string().trim_matches(['[', '"', ']']), value, "{name}: {status}");
            }
            let is_json = header("content-type").to_string().contains("application/json; charset=utf-8");
            assert!(is_json, "{status}");
            assert!(header("set-cookie").is_null() && answer["cookies"].as_array().is_none_or(Vec::is_empty));
            if status >= 400 {
                let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
                assert!(body["error"].is_string() && body["error_description"].is_string(), "{body}");
            }
            statuses.push(status);
        }
        assert_eq!(statuses[0], statuses[1], "{} {}", sent.method, sent.path);
        assert!(statuses[0] < 500, "{} {}", sent.method, sent.path);
        assert_eq!(self.database.calls(), [""; 0], "{} {}", sent.method, sent.path);
        statuses[0]
    }

    /// What is not the route's own method or path.
    async fn methods_and_paths(&self, methods: &[&str], path: &str) {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "", "get", "Post",
            "🐴", "\0",
        ] {
            if !methods.contains(&method) {
                assert_eq!(self.status(&Sent::to(method, path)).await, 405, "{method:?} {path}");
            }
        }
        let upper = path.to_uppercase();
        for odd in [
            "",
            "/",
            "\0",
            "/..",
            &upper,
            &path[1..],
            &format!("/{path}"),
            &format!("{path}/"),
            &format!("{path}//"),
            &format!("{path}/.."),
            &format!("{path}\0"),
            &format!("{path}?x=y"),
            &format!("{path}%2f"),
            &format!("{path};x"),
            &format!("/%2e%2e{path}"),
            &format!("/./{path}"),
            &format!("/other{path}"),
            &format!("{path}{}", "a".repeat(9000)),
        ] {
            assert_eq!(self.status(&Sent::to(methods[0], odd)).await, 404, "{odd:?}");
        }
    }

    /// Bodies that are no JSON object; a body on a route that takes none changes nothing.
    async fn bodies(&self, sent: &Sent, expected: impl Fn(u64) -> u64) {
        let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
        for (body, status) in [
            ("", 400),
            ("null", 400),
            ("[]", 400),
            ("{}", 400),
            ("7", 400),
            ("\"text\"", 400),
            ("{\"a\":1", 400),
            ("{} {}", 400),
            ("\u{feff}{}", 400),
            ("{\"a\":1e999}", 400),
            ("{\"a\":\"\\ud800\"}", 400),
            ("\0", 400),
            (&deep, 400),
            (&"x".repeat(8193), 413),
            (&"x".repeat(6_000_000), 413),
        ] {
            let sent = sent.clone().with_body(body);
            assert_eq!(self.status(&sent).await, expected(status), "{:?} {body:.40}", sent.path);
        }
        for base64 in ["e3=0", "!", "e30=\n", "e30", "/w=="] {
            let sent = Sent { is_base64: true, ..sent.clone().with_body(base64) };
            assert_eq!(self.status(&sent).await, expected(400), "{base64:?}");
        }
    }

    /// `Authorization` headers that hold no token, or none of ours.
    async fn tokens(&self, method: &str, path: &str) {
        let sent = Sent::to(method, path);
        assert_eq!(self.status(&sent).await, 401, "{path} without a header");
        let long = format!("Bearer {}", "x".repeat(5000));
        let dots = format!("Bearer {}", ".".repeat(4096));
        for (header, status) in [
            ("", 401),
            ("Bearer", 400),
            ("Bearer ", 400),
            ("Bearer x", 401),
            ("bearer a.b.c", 401),
            ("Basic eDp5", 401),
            ("Bearer a b", 400),
            ("Bearer a,Bearer b", 400),
            ("Bearer a, Bearer a", 400),
            ("Bearer \0", 401),
            ("Bearer ü.é.🐴", 401),
            (&long, 401),
            (&dots, 401),
        ] {
            let sent = sent.clone().with_header("Authorization", header);
            assert_eq!(self.status(&sent).await, status, "{path} {header:.40}");
        }
        let staged = Sent { stage: "prod", ..sent };
        assert_eq!(self.status(&staged).await, 401, "behind a stage");
    }
}

#[tokio::test]
async fn sign_in() {
    let target = Target::<SignIn>::start().await;
    target.methods_and_paths(&["POST"], "/signin").await;
    target.bodies(&Sent::to("POST", "/signin"), |status| status).await;
    let body = json!({"email": "no address", "password": "x"}).to_string();
    let staged = Sent { stage: "prod", ..Sent::to("POST", "/signin").with_body(body) };
    assert_eq!(target.status(&staged).await, 400, "behind a stage");
}

#[tokio::test]
async fn refresh_route() {
    let target = Target::<Refresh>::start().await;
    target.methods_and_paths(&["POST"], "/refresh").await;
    target.bodies(&Sent::to("POST", "/refresh"), |status| status).await;
    let sent = Sent::to("POST", "/refresh").with_body("{\"refresh_token\":\"x\"}");
    let short = "k".repeat(21);
    let long = "k".repeat(65);
    let two = format!("{short}k,{short}k");
    target.methods_and_paths(&["POST"], "/token").await;
    target.bodies(&Sent::to("POST", "/token"), |_| 415).await;
    let form = Sent::to("POST", "/token").with_header("content-type", "application/x-www-form-urlencoded");
    let grant = "grant_type=refresh_token";
    for body in ["", "=", "&&&", "grant_type", "refresh_token=x", "grant_type=refresh_token&grant_type=x", grant] {
        assert_eq!(target.status(&form.clone().with_body(body)).await, 400, "{body}");
    }
    for more in
        ["refresh_token=", "refresh_token=%00%ff", "refresh_token=x&client_id=", "refresh_token=x&scope=%20"]
    {
        assert_eq!(target.status(&form.clone().with_body(format!("{grant}&{more}"))).await, 400, "{more}");
    }
    let basic = form.with_header("authorization", "Basic eDp5").with_header("cookie", "refresh_token=x");
    assert_eq!(target.status(&basic.with_body(format!("{grant}&refresh_token=x"))).await, 400, "never 401");
    for key in ["", "x", &short, &long, &two, "spaces in a key of its own", "kkkkkkkkkkkkkkkkkkkkkkü"] {
        let sent = sent.clone().with_header("Idempotency-Key", key);
        assert_eq!(target.status(&sent).await, 400, "{key:?}");
    }
}

#[tokio::test]
async fn sign_out_and_revoke() {
    let target = Target::<SignOut>::start().await;
    target.methods_and_paths(&["POST"], "/signout").await;
    target.bodies(&Sent::to("POST", "/signout"), |status| status).await;
    target.methods_and_paths(&["POST"], "/revoke").await;
    // A form: JSON is refused, and what is no form has no token in it.
    target.bodies(&Sent::to("POST", "/revoke"), |_| 415).await;
    let form = Sent::to("POST", "/revoke").with_header("content-type", "application/x-www-form-urlencoded");
    let long = format!("token={}", "x".repeat(4097));
    for body in ["", "=", "&&&", "token=", "tokens=x", "token=x&token=y", "a=1&a=2&token=x", &long] {
        assert_eq!(target.status(&form.clone().with_body(body)).await, 400, "{body:.40}");
    }
    assert_eq!(target.status(&form.clone().with_body("x".repeat(8193))).await, 413);
    for nonsense in ["token=%ff%fe", "token=%", "token=%00", "token=a.b.c&token_type_hint=x"] {
        assert_eq!(target.status(&form.clone().with_body(nonsense)).await, 200, "{nonsense}: RFC 7009 §2.2");
    }
}

#[tokio::test]
async fn sessions_of_a_user() {
    let target = Target::<Sessions>::start().await;
    target.methods_and_paths(&["GET", "DELETE"], "/sessions").await;
    for path in ["/sessions", SID] {
        target.tokens("DELETE", path).await;
        target.bodies(&Sent::to("DELETE", path), |_| 401).await;
    }
    target.tokens("GET", "/sessions").await;
    for odd in [
        "",
        "x",
        "..",
        "%2e%2e",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA/",
        "AAAAAAAAAAAAAAAAAAAAA\0",
    ] {
        assert_eq!(target.status(&Sent::to("DELETE", &format!("/sessions/{odd}"))).await, 404, "{odd:?}");
    }
    assert_eq!(target.status(&Sent::to("GET", SID)).await, 405);
}

#[tokio::test]
async fn user_info() {
    let target = Target::<UserInfo>::start().await;
    target.methods_and_paths(&["GET"], "/userinfo").await;
    target.tokens("GET", "/userinfo").await;
    target.bodies(&Sent::to("GET", "/userinfo"), |_| 401).await;
}

#[tokio::test]
async fn metadata() {
    let target = Target::<Jwks>::start().await;
    for path in
        ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
    {
        target.methods_and_paths(&["GET"], path).await;
        target.bodies(&Sent::to("GET", path), |_| 200).await;
    }
}
