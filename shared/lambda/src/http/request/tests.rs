use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn payload_v2() -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /signin", "rawPath": "/signin", "rawQueryString": "",
        "headers": {"Content-Type": "application/json", "authorization": "Bearer abc"},
        "requestContext": {
            "http": {"method": "POST", "path": "/signin", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            "requestId": "id", "routeKey": "POST /signin", "stage": "$default",
        },
        "body": "{\"email\":\"a\"}", "isBase64Encoded": false,
    })
}

fn payload_v1() -> Value {
    json!({
        "resource": "/signin", "path": "/signin", "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "AUTHORIZATION": ["Bearer abc"]},
        "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "requestId": "id", "stage": "prod"},
        "body": "{\"email\":\"a\"}", "isBase64Encoded": false,
    })
}

fn read(event: &Value) -> Request {
    Request::from_event(&event.to_string()).unwrap()
}

fn with(member: &str, value: Value) -> Value {
    let mut event = payload_v2();
    event[member] = value;
    event
}

fn code(result: Result<impl Sized, Rejection>) -> &'static str {
    result.err().map_or("ok", |refusal| refusal.code())
}

#[test]
fn both_payloads_read_alike() {
    for event in [payload_v2(), payload_v1()] {
        let request = read(&event);
        assert_eq!(
            (request.method.as_str(), request.path(), request.address(0).prefix(), request.id()),
            ("POST", "/signin", "192.0.2.1", "id")
        );
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.bearer_token().ok().unwrap().expose(), "abc");
        assert_eq!(request.json().ok().unwrap().text("email", 254).ok().unwrap().expose(), "a");
    }
}

#[test]
fn a_base64_body_reads_like_its_text() {
    let mut event = with("body", json!(STANDARD.encode("{\"email\":\"a\"}")));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(code(read(&event).json()), "ok");
    for broken in ["e30", "e3=0", "e30=\n", "!", "{\"email\":\"a\"}"] {
        event["body"] = json!(broken);
        assert_eq!(code(read(&event).json()), "invalid_request", "{broken}");
    }
    event["body"] = json!(STANDARD.encode([0xff, 0xfe]));
    assert_eq!(code(read(&event).json()), "invalid_request");
}

#[test]
fn the_body_is_at_most_8192_bytes() {
    let body = |bytes: usize| format!("{{\"x\":\"{}\"}}", "x".repeat(bytes - 8));
    for (bytes, expected) in [(8192, "ok"), (8193, "payload_too_large"), (6_000_000, "payload_too_large")] {
        assert_eq!(code(read(&with("body", json!(body(bytes)))).json()), expected);
        let mut event = with("body", json!(STANDARD.encode(body(bytes))));
        event["isBase64Encoded"] = json!(true);
        assert_eq!(code(read(&event).json()), expected);
    }
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    let deep = format!("{}{}", "[".repeat(4000), "]".repeat(4000));
    for body in [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"text\"",
        "[]",
        "{",
        "{}x",
        "{\"a\":1,}",
        "{'a':1}",
        "\u{feff}{}",
        "{\"a\":1e999}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"a\":\"\u{0}\"}",
        &format!("{{\"a\":{deep}}}"),
    ] {
        assert_eq!(code(read(&with("body", json!(body))).json()), "invalid_request", "{body:?}");
    }
    let mut without = payload_v2();
    without.as_object_mut().unwrap().remove("body");
    assert_eq!(code(read(&without).json()), "invalid_request");
    assert_eq!(code(read(&with("body", Value::Null)).json()), "invalid_request");
}

#[test]
fn the_content_type_is_json() {
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert_eq!(code(read(&with("headers", json!({"content-type": good}))).json()), "ok", "{good}");
    }
    for bad in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/json,application/json",
        "application/json, text/plain",
        "text/json",
        "multipart/form-data; boundary=x",
    ] {
        assert_eq!(
            code(read(&with("headers", json!({"content-type": bad}))).json()),
            "unsupported_media_type",
            "{bad}"
        );
    }
    assert_eq!(code(read(&with("headers", Value::Null)).json()), "unsupported_media_type");
}

#[test]
fn a_form_is_read_like_json_each_member_once() {
    let form = |body: &str| {
        let mut event = with("headers", json!({"content-type": "application/x-www-form-urlencoded"}));
        event["body"] = json!(body);
        read(&event).form().and_then(|mut members| members.text("token", 3))
    };
    for (body, token) in [("token=abc", "abc"), ("a=1&token=%C3%A4&b", "ä"), ("token=a+b", "a b")] {
        assert_eq!(form(body).ok().unwrap().expose(), token, "{body}");
    }
    for body in ["", "x=1", "token", "token=", "token=abcd", "token=a&token=b", "token=a&token=", "Token=a"] {
        assert_eq!(code(form(body)), "invalid_request", "{body}");
    }
    assert_eq!(code(read(&payload_v2()).form()), "unsupported_media_type");
}

#[test]
fn a_flag_is_true_or_false_or_not_there() {
    let flag = |body: &str| read(&with("body", json!(body))).json().ok().unwrap().flag("x");
    assert_eq!(flag("{}").ok(), Some(false));
    assert_eq!(flag("{\"x\":true}").ok(), Some(true));
    assert_eq!(flag("{\"x\":false}").ok(), Some(false));
    for wrong in ["null", "0", "\"true\"", "[]"] {
        assert_eq!(code(flag(&format!("{{\"x\":{wrong}}}"))), "invalid_request");
    }
}

#[test]
fn a_member_is_a_string_of_its_length() {
    let text = |body: &str| read(&with("body", json!(body))).json().ok().unwrap().text("email", 3).map(drop);
    assert_eq!(code(text("{\"email\":\"abc\",\"user_id\":7,\"nested\":{\"email\":1}}")), "ok");
    for body in [
        "{}",
        "{\"email\":\"abcd\"}",
        "{\"email\":7}",
        "{\"email\":null}",
        "{\"email\":[\"a\"]}",
        "{\"Email\":\"a\"}",
    ] {
        assert_eq!(code(text(body)), "invalid_request", "{body}");
    }
}

#[test]
fn an_error_never_repeats_a_value() {
    for body in
        ["{\"password\":\"hunter2", "{\"password\":hunter2}", "\"hunter2\"", "{\"hunter2\":1,\"hunter2\":2}"]
    {
        let refusal = read(&with("body", json!(body))).json().err().unwrap();
        assert!(!format!("{refusal:?}").contains("hunter2"), "{refusal:?}");
    }
}

#[test]
fn the_bearer_token_is_one_word_after_the_scheme() {
    let token = |header: &str| code(read(&with("headers", json!({"authorization": header}))).bearer_token());
    for good in ["Bearer abc", "bearer abc", "BEARER  abc", " Bearer abc "] {
        assert_eq!(token(good), "ok", "{good}");
    }
    for missing in ["", "Basic abc", "abc", "Bearerabc", "DPoP abc"] {
        assert_eq!(token(missing), "invalid_token", "{missing}");
    }
    for wrong in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "Bearer a, Bearer b"] {
        assert_eq!(token(wrong), "invalid_request", "{wrong}");
    }
    assert_eq!(code(read(&with("headers", json!({}))).bearer_token()), "invalid_token");
    let mut twice = payload_v1();
    twice["multiValueHeaders"]["authorization"] = json!(["Bearer b"]);
    assert_eq!(code(read(&twice).bearer_token()), "invalid_request");
}

#[test]
fn the_route_comes_from_the_gateway_or_from_the_path_without_its_stage() {
    let path = |key: &str, raw: &str, stage: &str| {
        let mut event = payload_v2();
        event["routeKey"] = json!(key);
        event["rawPath"] = json!(raw);
        event["requestContext"]["stage"] = json!(stage);
        read(&event).path().to_owned()
    };
    assert_eq!(path("POST /signin", "/prod/signin", "prod"), "/signin");
    assert_eq!(path("POST /signin", "/mapped/signin", "$default"), "/signin");
    assert_eq!(path("$default", "/prod/signin", "prod"), "/signin");
    assert_eq!(path("$default", "/signin", "$default"), "/signin");
    assert_eq!(path("ANY /{proxy+}", "/signin", "$default"), "/signin");
    for odd in ["/signin/", "//signin", "/SIGNIN", "/%2e%2e/signin", "signin", "", "/production/signin"] {
        assert_eq!(path("$default", odd, "prod"), odd, "{odd}");
    }
    let mut proxy = payload_v1();
    proxy["resource"] = json!("/{proxy+}");
    assert_eq!(read(&proxy).path(), "/signin");
}

#[test]
fn the_path_and_the_method_are_expected() {
    assert_eq!(code(read(&payload_v2()).expect("POST", "/signin")), "ok");
    assert_eq!(code(read(&payload_v2()).expect("GET", "/signin")), "method_not_allowed");
    assert_eq!(code(read(&payload_v2()).expect("POST", "/refresh")), "not_found");
}

#[test]
fn what_clients_send_in_headers_never_loses_the_event() {
    let request = read(&with(
        "headers",
        json!({"host": "a b", "user-agent": "Zoë\u{7}’s phone", "x-odd\u{1}": "\u{1}", "empty": null}),
    ));
    assert_eq!(request.user_agent(128).as_deref(), Some("Zoë’s phone"));
    assert_eq!(request.user_agent(7).as_deref(), Some("Zoë’"));
    assert_eq!(request.user_agent(3).as_deref(), Some("Zo"));
}

#[test]
fn the_user_agent_is_put_between_quotes_as_it_is() {
    let hostile = json!({"user-agent": "phone\",\"sub\":\"eve\\u0022<$.x>\n\u{85}"});
    assert_eq!(read(&with("headers", hostile)).user_agent(128).as_deref(), Some("phone,sub:eveu0022$.x"));
    assert_eq!(read(&with("headers", json!({"user-agent": "\"\n"}))).user_agent(128), None);
}

#[test]
fn what_is_no_event_of_a_gateway_is_an_error() {
    for event in
        ["", "{}", "[]", "null", "{\"requestContext\":{}}", "{\"requestContext\":null,\"httpMethod\":\"GET\"}"]
    {
        assert!(Request::from_event(event).is_err(), "{event}");
    }
}

#[test]
fn the_answer_has_the_form_of_the_event() {
    for (event, multi_value) in [(payload_v2(), false), (payload_v1(), true)] {
        let response = Rejection::MethodNotAllowed("POST").response();
        let answer = serde_json::to_value(read(&event).payload(response)).unwrap();
        assert_eq!(answer["statusCode"], 405);
        assert_eq!(answer["isBase64Encoded"], false);
        let allow =
            if multi_value { &answer["multiValueHeaders"]["allow"][0] } else { &answer["headers"]["allow"] };
        assert_eq!(allow, "POST");
        assert!(answer["body"].as_str().unwrap().contains("method_not_allowed"));
    }
}

proptest! {
    #[test]
    fn no_body_or_header_panics(body in "\\PC{0,300}", name in "\\PC{0,20}", value in "\\PC{0,60}", base64: bool) {
        let mut event = with("headers", json!({"content-type": "application/json", &name: value, "authorization": value}));
        event["body"] = json!(body);
        event["isBase64Encoded"] = json!(base64);
        let request = read(&event);
        let _ = (request.json().map(drop), request.bearer_token().map(drop), request.user_agent(128));
    }

    #[test]
    fn no_event_panics(text in "\\PC{0,300}") {
        let _ = Request::from_event(&text);
    }
}

/// An event of a peer, with this `X-Forwarded-For`.
fn forwarded(source_ip: &str, forwarded: &str) -> Request {
    let event = json!({
        "requestContext": {"http": {"method": "POST", "sourceIp": source_ip}},
        "headers": {"x-forwarded-for": forwarded},
    });
    Request::from_event(&event.to_string()).unwrap()
}

#[test]
fn no_header_says_who_calls_unless_a_proxy_is_trusted() {
    let spoofed = forwarded("203.0.113.7", "198.51.100.1, 203.0.113.7");
    assert_eq!(spoofed.address(0).prefix(), "203.0.113.7");
}

#[test]
fn the_first_trusted_proxy_says_who_calls() {
    // A client, which sent the first address itself; then one proxy, or two.
    let one = forwarded("192.0.2.1", "198.51.100.1, 203.0.113.7, 192.0.2.1");
    assert_eq!(one.address(1).prefix(), "203.0.113.7");
    let two = forwarded("192.0.2.2", "198.51.100.1,203.0.113.7 , 192.0.2.1");
    assert_eq!(two.address(2).prefix(), "203.0.113.7", "also where the gateway adds no peer");
    for (header, address) in
        [("", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("x, 192.0.2.1", "unknown"), (",,", "192.0.2.1")]
    {
        assert_eq!(forwarded("192.0.2.1", header).address(1).prefix(), address, "{header:?}");
    }
}
