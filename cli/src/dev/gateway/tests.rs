use super::super::playground::FILES;
use super::*;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A gateway with a function that answers with its event, one that fails, one that
/// panics and one that answers nonsense.
async fn gateway(cors: Option<Cors>) -> (Gateway, SocketAddr) {
    gateway_with(&[], &[], cors, Chaos::default()).await
}

/// The same with files, and with more routes that answer as the first one.
async fn gateway_with(
    files: &'static [File],
    more: &[(&str, &str)],
    cors: Option<Cors>,
    chaos: Chaos,
) -> (Gateway, SocketAddr) {
    let echo: Invoke = Arc::new(|event| {
        Box::pin(async move {
            Ok(json!({
                "statusCode": 201, "headers": {"x-own": "1", "content-type": "application/json", "access-control-allow-origin": "*"}, "body": event.to_string(),
                "cookies": ["a=1", "__Host-b=2; Path=/; Secure; HttpOnly"], "isBase64Encoded": false,
            }))
        })
    });
    let fails: Invoke = Arc::new(|_| Box::pin(async { Err("failed".to_owned()) }));
    let panics: Invoke = Arc::new(|_| Box::pin(async { panic!("the function's own") }));
    let nonsense: Invoke = Arc::new(|_| Box::pin(async { Ok(json!({"status": "good"})) }));
    let routes = [
        ("POST", "/echo", Arc::clone(&echo)),
        ("GET", "/things/{id}", Arc::clone(&echo)),
        ("GET", "/things/special", echo),
        ("ANY", "/fails", fails),
        ("GET", "/panics", panics),
        ("GET", "/nonsense", nonsense),
    ]
    .map(|(method, path, invoke)| (method.to_owned(), path.to_owned(), invoke));
    let guarded = guarded(Arc::clone(&routes[0].2));
    let echo = Arc::clone(&routes[0].2);
    let more = more.iter().map(|(method, path)| ServedRoute {
        method: (*method).to_owned(),
        path: (*path).to_owned(),
        invoke: Arc::clone(&echo),
        guard: None,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = routes.map(|(method, path, invoke)| ServedRoute { method, path, invoke, guard: None });
    let routes = routes.into_iter().chain([guarded]).chain(more).collect();
    (Gateway::start(listener, routes, files, cors, chaos, Clock::system()), address)
}

/// A route behind an authorizer that lets everybody through.
fn guarded(invoke: Invoke) -> ServedRoute {
    let invoke_guard: Invoke = Arc::new(|request| {
        Box::pin(async move {
            let context = json!({"sub": "ada", "asked": request["type"], "source": request["identitySource"]});
            Ok(json!({"isAuthorized": true, "context": context}))
        })
    });
    let guard = Guard {
        invoke: invoke_guard,
        identity_sources: vec!["$request.header.Authorization".to_owned()],
        ttl: Duration::ZERO,
        cache: std::sync::Mutex::default(),
    };
    ServedRoute { method: "GET".to_owned(), path: "/guarded".to_owned(), invoke, guard: Some(Arc::new(guard)) }
}

/// Sends raw HTTP and reads the whole answer.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

async fn send(address: SocketAddr, line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    exchange(address, &request).await
}

#[tokio::test]
async fn a_declared_route_calls_its_function() {
    let (gateway, address) = gateway(None).await;
    let response = send(address, "POST /echo?q=1", "content-type: application/json\r\n", "{\"a\":1}").await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    for part in [
        "x-own: 1",
        "set-cookie: a=1",
        "set-cookie: local-b=2; Path=/; HttpOnly",
        "apigw-requestid: local-",
        "\"routeKey\":\"POST /echo\"",
        "\"body\":\"{\\\"a\\\":1}\"",
    ] {
        assert!(response.contains(part), "{part} in {response}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_route_with_a_variable_yields_to_an_exact_one() {
    let (gateway, address) = gateway(None).await;
    let some = send(address, "GET /things/7", "", "").await;
    assert!(
        some.contains("\"routeKey\":\"GET /things/{id}\"") && some.contains("\"pathParameters\":{\"id\":\"7\"}"),
        "{some}"
    );
    let special = send(address, "GET /things/special", "", "").await;
    assert!(
        special.contains("\"routeKey\":\"GET /things/special\"") && !special.contains("pathParameters"),
        "{special}"
    );
    for line in ["GET /things", "GET /things/", "GET /things/7/8", "POST /things/7"] {
        assert!(send(address, line, "", "").await.starts_with("HTTP/1.1 404 "), "{line}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_undeclared_route_is_a_404() {
    let (gateway, address) = gateway(None).await;
    for line in ["GET /echo", "POST /echo/", "POST /other", "OPTIONS /echo", "HEAD /panics"] {
        let response = send(address, line, "", "").await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{line}: {response}");
    }
    assert!(send(address, "GET /", "", "").await.ends_with("{\"message\":\"Not Found\"}"));
    gateway.stop().await;
}

const POLICY: &str = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n";

#[tokio::test]
async fn the_playground_is_served_with_the_routes() {
    let (gateway, address) = gateway_with(&FILES, &[], None, Chaos::default()).await;
    for (path, content_type, part) in [
        ("/", "text/html", "<title>Relatch playground</title>"),
        ("/?a=b", "text/html", "<title>Relatch playground</title>"),
        ("/playground/style.css", "text/css", "prefers-color-scheme"),
        ("/playground/page.js", "text/javascript", "/relatch.js"),
        ("/playground/session.js", "text/javascript", "createClient"),
        ("/playground/device.js", "text/javascript", "class Device"),
        ("/playground/network.js", "text/javascript", "createNetwork"),
        ("/playground/token.js", "text/javascript", "decode"),
        ("/playground/view.js", "text/javascript", "textContent"),
        ("/relatch.js", "text/javascript", "export function createClient"),
    ] {
        let response = send(address, &format!("GET {path}"), "", "").await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        for expected in [
            &format!("content-type: {content_type}; charset=utf-8\r\n"),
            POLICY,
            "cache-control: no-store\r\n",
            "x-content-type-options: nosniff\r\n",
            "referrer-policy: no-referrer\r\n",
            part,
        ] {
            assert!(response.contains(expected), "{path}: {expected} in {response}");
        }
    }
    assert!(send(address, "POST /echo", "", "").await.starts_with("HTTP/1.1 201 "));
    gateway.stop().await;
}

#[tokio::test]
async fn the_playground_serves_no_other_method_or_path() {
    let (gateway, address) = gateway_with(&FILES, &[], None, Chaos::default()).await;
    for line in [
        "HEAD /",
        "POST /",
        "PUT /",
        "DELETE /",
        "OPTIONS /",
        "POST /relatch.js",
        "GET /index.html",
        "GET /playground",
        "GET /playground/",
        "GET /playground/index.html",
        "GET /playground/../page.js",
        "GET /playground/%70age.js",
        "GET //",
        "GET /relatch.js/",
        "GET /Relatch.js",
        "GET /relatch.d.ts",
    ] {
        let response = send(address, line, "", "").await;
        assert!(response.starts_with("HTTP/1.1 404 "), "{line}: {response}");
        assert!(
            line.starts_with("HEAD") || response.ends_with("{\"message\":\"Not Found\"}"),
            "{line}: {response}"
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_route_of_the_template_wins_over_the_playground() {
    for route in [("GET", "/"), ("ANY", "/"), ("ANY", "$default")] {
        let (gateway, address) = gateway_with(&FILES, &[route], None, Chaos::default()).await;
        let response = send(address, "GET /", "", "").await;
        assert!(response.starts_with("HTTP/1.1 201 ") && !response.contains("Relatch playground"), "{response}");
        gateway.stop().await;
    }
    let (gateway, address) = gateway_with(&FILES, &[("POST", "/")], None, Chaos::default()).await;
    assert!(send(address, "GET /", "", "").await.starts_with("HTTP/1.1 200 "), "one of another method does not");
    assert!(send(address, "POST /", "", "").await.starts_with("HTTP/1.1 201 "));
    gateway.stop().await;
}

#[tokio::test]
async fn the_playground_has_no_faults() {
    let (gateway, address) = gateway_with(&FILES, &[], None, "throttle=100%".parse().unwrap()).await;
    assert!(send(address, "GET /", "", "").await.starts_with("HTTP/1.1 200 "));
    assert!(send(address, "POST /echo", "", "").await.starts_with("HTTP/1.1 429 "));
    gateway.stop().await;
}

#[tokio::test]
async fn a_function_that_fails_is_an_internal_server_error() {
    let (gateway, address) = gateway(None).await;
    for line in ["PUT /fails", "GET /panics", "GET /nonsense"] {
        let response = send(address, line, "", "").await;
        assert!(
            response.starts_with("HTTP/1.1 500 ") && response.ends_with("{\"message\":\"Internal Server Error\"}"),
            "{line}: {response}"
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn headers_and_bodies_have_the_limits_of_api_gateway() {
    let (gateway, address) = gateway(None).await;
    let long = format!("x-long: {}\r\n", "x".repeat(10_240));
    assert!(send(address, "POST /echo", &long, "").await.starts_with("HTTP/1.1 431 "));
    let declared = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10485761\r\n\r\n";
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(declared.as_bytes()).await.unwrap();
    let _ = stream.write_all(&vec![b'x'; MAX_BODY_BYTES + 1]).await;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    gateway.stop().await;
}

#[tokio::test]
async fn cors_is_for_the_listed_origins_only() {
    let cors = Cors {
        allow_origins: vec!["https://app.example".to_owned()],
        allow_methods: vec!["POST".to_owned()],
        allow_headers: vec!["content-type".to_owned(), "idempotency-key".to_owned()],
        expose_headers: vec!["retry-after".to_owned()],
        max_age: Some(Duration::from_secs(60)),
        allow_credentials: true,
    };
    let (gateway, address) = gateway(Some(cors)).await;
    let request_method = "access-control-request-method: POST\r\n";
    let allowed =
        send(address, "OPTIONS /echo", &format!("origin: https://app.example\r\n{request_method}"), "").await;
    assert!(allowed.starts_with("HTTP/1.1 204 "), "{allowed}");
    for part in [
        "access-control-allow-origin: https://app.example",
        "access-control-allow-methods: POST",
        "access-control-max-age: 60",
        "access-control-allow-headers: content-type,idempotency-key",
        "access-control-allow-credentials: true",
        "vary: origin",
    ] {
        assert!(allowed.contains(part), "{part} in {allowed}");
    }
    for origin in [
        "https://app.example.evil",
        "http://app.example",
        "https://APP.example",
        "null",
        "https://app.example:444",
        "https://evil-app.example",
        "https://x.app.example",
        "*",
        "",
    ] {
        let rejected = send(address, "OPTIONS /echo", &format!("origin: {origin}\r\n{request_method}"), "").await;
        assert!(rejected.starts_with("HTTP/1.1 204 "), "{rejected}");
        assert!(!rejected.contains("access-control-"), "{origin}: {rejected}");
        let hidden = send(address, "POST /echo", &format!("origin: {origin}\r\n"), "").await;
        assert!(hidden.starts_with("HTTP/1.1 201 ") && hidden.contains("vary: origin"), "{origin}: {hidden}");
        assert!(!hidden.contains("access-control-allow-origin:"), "not the function's own either: {hidden}");
    }
    let response = send(address, "POST /echo", "origin: https://app.example\r\n", "").await;
    assert!(response.contains("access-control-allow-origin: https://app.example"), "{response}");
    for part in
        ["access-control-expose-headers: retry-after", "vary: origin", "access-control-allow-credentials: true"]
    {
        assert!(response.contains(part), "{part} in {response}");
    }
    assert_eq!(response.matches("access-control-allow-origin:").count(), 1, "{response}");
    let own = send(address, "POST /nowhere", "origin: https://app.example\r\n", "").await;
    assert!(own.contains("access-control-allow-origin: https://app.example"), "the gateway's own 404: {own}");
    gateway.stop().await;
}

/// Which no browser would take, and API Gateway refuses.
#[tokio::test]
async fn any_origin_never_goes_with_credentials() {
    let cors = Cors { allow_origins: vec!["*".to_owned()], allow_credentials: true, ..Cors::default() };
    let (gateway, address) = gateway(Some(cors)).await;
    let request_method = "access-control-request-method: POST\r\n";
    for (line, headers) in [("OPTIONS /echo", request_method), ("POST /echo", "cookie: a=1\r\n")] {
        let response = send(address, line, &format!("origin: https://evil.example\r\n{headers}"), "").await;
        assert!(response.contains("access-control-allow-origin: *"), "{response}");
        assert!(!response.contains("access-control-allow-credentials"), "{response}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_guarded_route_gets_the_authorizers_context() {
    let (gateway, address) = gateway(None).await;
    let response = send(address, "GET /guarded", "authorization: Bearer x\r\n", "").await;
    for part in ["\"lambda\":{", "\"sub\":\"ada\"", "\"asked\":\"REQUEST\"", "\"source\":[\"Bearer x\"]"] {
        assert!(response.contains(part), "{part} in {response}");
    }
    let response = send(address, "GET /guarded", "", "").await;
    assert!(
        response.starts_with("HTTP/1.1 401 ") && response.ends_with("{\"message\":\"Unauthorized\"}"),
        "{response}"
    );
    gateway.stop().await;
}
