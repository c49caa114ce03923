//! Every route of every function, in both payloads, against methods, paths, headers and
//! bodies that are not its own: a clear 4xx, never a 5xx, no panic, and no call to the store.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use jwks::Jwks;
use refresh::Refresh;
use relatch_lambda::{Function, Handler};
use relatch_tests::{EventRequest, FaultyDatabase, Gateway, Response, TestStack};
use serde_json::json;
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
        let database = stack.faulty_database().await;
        let function = stack.function(&[database.setting()]);
        Self { database, function, _stack: stack }
    }

    /// The status, the same for both payloads.
    async fn status(&self, request: &EventRequest) -> u16 {
        let mut statuses = Vec::new();
        for gateway in Gateway::ALL {
            let response = request.clone().with_gateway(gateway).send(&self.function).await;
            expect_safe_headers(&response, H::NAME == "jwks");
            if response.status >= 400 {
                assert!(!response.field("error").is_empty() && !response.field("error_description").is_empty());
            }
            statuses.push(response.status);
        }
        assert_eq!(statuses[0], statuses[1], "{} {}", request.method, request.path);
        assert!(statuses[0] < 500, "{} {}", request.method, request.path);
        assert_eq!(self.database.take_calls(), [""; 0], "{} {}", request.method, request.path);
        statuses[0]
    }

    /// Methods and paths that are not the route's own.
    async fn try_methods_and_paths(&self, methods: &[&str], path: &str) {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "", "get", "Post",
            "🐴", "\0",
        ] {
            if !methods.contains(&method) {
                assert_eq!(self.status(&EventRequest::new(method, path)).await, 405, "{method:?} {path}");
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
            assert_eq!(self.status(&EventRequest::new(methods[0], odd)).await, 404, "{odd:?}");
        }
    }

    /// Bodies that are no JSON object; a body on a route that takes none changes nothing.
    async fn try_bodies(&self, request: &EventRequest, expected: impl Fn(u16) -> u16) {
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
            let request = request.clone().with_body(body);
            assert_eq!(self.status(&request).await, expected(status), "{:?} {body:.40}", request.path);
        }
        for base64 in ["e3=0", "!", "e30=\n", "e30", "/w=="] {
            let request = request.clone().with_base64(base64);
            assert_eq!(self.status(&request).await, expected(400), "{base64:?}");
        }
    }

    /// `Authorization` headers that hold no token, or none of ours.
    async fn try_tokens(&self, method: &str, path: &str) {
        let request = EventRequest::new(method, path);
        assert_eq!(self.status(&request).await, 401, "{path} without a header");
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
            let request = request.clone().with_header("Authorization", header);
            assert_eq!(self.status(&request).await, status, "{path} {header:.40}");
        }
        let staged = request.with_stage("prod");
        assert_eq!(self.status(&staged).await, 401, "behind a stage");
    }
}

/// Asserts the headers that every response has.
#[track_caller]
fn expect_safe_headers(response: &Response, is_cacheable: bool) {
    let may_be_kept = is_cacheable && response.status == 200;
    assert_eq!(response.header("cache-control").contains("no-store"), !may_be_kept, "{response:?}");
    assert_eq!(response.headers.contains_key("allow"), response.status == 405, "{response:?}");
    for (name, value) in ALWAYS {
        assert_eq!(response.header(name), value, "{name}: {response:?}");
    }
    assert_eq!(response.header("content-type"), "application/json; charset=utf-8", "{response:?}");
    assert_eq!(response.cookies(), [""; 0], "{response:?}");
}

#[tokio::test]
async fn sign_in() {
    let target = Target::<SignIn>::start().await;
    target.try_methods_and_paths(&["POST"], "/signin").await;
    target.try_bodies(&EventRequest::new("POST", "/signin"), |status| status).await;
    let body = json!({"email": "no address", "password": "x"}).to_string();
    let staged = EventRequest::new("POST", "/signin").with_body(body).with_stage("prod");
    assert_eq!(target.status(&staged).await, 400, "behind a stage");
}

#[tokio::test]
async fn refresh_route() {
    let target = Target::<Refresh>::start().await;
    target.try_methods_and_paths(&["POST"], "/refresh").await;
    target.try_bodies(&EventRequest::new("POST", "/refresh"), |status| status).await;
    let request = EventRequest::new("POST", "/refresh").with_body("{\"refresh_token\":\"x\"}");
    let short = "k".repeat(21);
    let long = "k".repeat(65);
    let two = format!("{short}k,{short}k");
    target.try_methods_and_paths(&["POST"], "/token").await;
    target.try_bodies(&EventRequest::new("POST", "/token"), |_| 415).await;
    let form = EventRequest::post_form("/token", "");
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
        let request = request.clone().with_header("Idempotency-Key", key);
        assert_eq!(target.status(&request).await, 400, "{key:?}");
    }
}

#[tokio::test]
async fn sign_out_and_revoke() {
    let target = Target::<SignOut>::start().await;
    target.try_methods_and_paths(&["POST"], "/signout").await;
    target.try_bodies(&EventRequest::new("POST", "/signout"), |status| status).await;
    target.try_methods_and_paths(&["POST"], "/revoke").await;
    // A form: JSON is refused, and what is no form has no token in it.
    target.try_bodies(&EventRequest::new("POST", "/revoke"), |_| 415).await;
    let form = EventRequest::post_form("/revoke", "");
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
    target.try_methods_and_paths(&["GET", "DELETE"], "/sessions").await;
    for path in ["/sessions", SID] {
        target.try_tokens("DELETE", path).await;
        target.try_bodies(&EventRequest::new("DELETE", path), |_| 401).await;
    }
    target.try_tokens("GET", "/sessions").await;
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
        assert_eq!(target.status(&EventRequest::new("DELETE", &format!("/sessions/{odd}"))).await, 404, "{odd:?}");
    }
    assert_eq!(target.status(&EventRequest::new("GET", SID)).await, 405);
}

#[tokio::test]
async fn user_info() {
    let target = Target::<UserInfo>::start().await;
    target.try_methods_and_paths(&["GET"], "/userinfo").await;
    target.try_tokens("GET", "/userinfo").await;
    target.try_bodies(&EventRequest::new("GET", "/userinfo"), |_| 401).await;
}

#[tokio::test]
async fn metadata() {
    let target = Target::<Jwks>::start().await;
    for path in
        ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
    {
        target.try_methods_and_paths(&["GET"], path).await;
        target.try_bodies(&EventRequest::new("GET", path), |_| 200).await;
    }
}
