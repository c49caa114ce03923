//! The event that an HTTP API makes of a request: payload format 2.0.

use std::collections::BTreeMap;
use std::net::IpAddr;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relatch::time::Timestamp;
use serde_json::{Map, Value, json};

use super::cookie;

/// What the gateway adds to a request.
pub(super) struct RequestMeta<'a> {
    /// The key of the matching route, such as `POST /signin`.
    pub(super) route_key: &'a str,
    /// The values of the route's variables.
    pub(super) parameters: &'a BTreeMap<String, String>,
    /// The address of the peer.
    pub(super) source_ip: IpAddr,
    /// The id that the gateway gave the request.
    pub(super) request_id: &'a str,
    /// When the request arrived.
    pub(super) now: Timestamp,
}

/// The payload 2.0 event of a request.
pub(super) fn payload_v2(parts: &Parts, body: &[u8], meta: &RequestMeta<'_>) -> Value {
    let mut headers = join_headers(&parts.headers);
    let cookies: Vec<String> = headers
        .remove("cookie")
        .map(|all| all.split(';').map(|cookie| cookie::to_function(cookie.trim())).collect())
        .unwrap_or_default();
    let host = headers.get("host").cloned().unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": meta.route_key,
        "rawPath": parts.uri.path(),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": parts.uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": meta.source_ip.to_string(),
                "userAgent": headers.get("user-agent").cloned().unwrap_or_default(),
            },
            "requestId": meta.request_id,
            "routeKey": meta.route_key,
            "stage": "$default",
            "time": common_log_time(meta.now),
            "timeEpoch": meta.now.millis(),
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        set_field(&mut event, "cookies", json!(cookies));
    }
    if !meta.parameters.is_empty() {
        set_field(&mut event, "pathParameters", json!(meta.parameters));
    }
    if !query.is_empty() {
        set_field(&mut event, "queryStringParameters", query_parameters(query));
    }
    if !body.is_empty() {
        let content_type = headers.get(header::CONTENT_TYPE.as_str()).map_or("", String::as_str);
        match std::str::from_utf8(body) {
            Ok(text) if is_text(content_type) => set_field(&mut event, "body", json!(text)),
            _ => {
                set_field(&mut event, "body", json!(STANDARD.encode(body)));
                set_field(&mut event, "isBase64Encoded", json!(true));
            }
        }
    }
    event
}

fn set_field(event: &mut Value, name: &str, value: Value) {
    if let Some(fields) = event.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// The headers by lower-case name; several values of one name are joined by commas.
fn join_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let separator = if name == header::COOKIE { "; " } else { "," };
        all.entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push_str(separator);
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    all
}

/// Query parameters, still percent-encoded where the real gateway decodes them: no
/// function of ours reads them.
fn query_parameters(query: &str) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let joined = match all.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.to_owned(),
        };
        all.insert(name.to_owned(), Value::String(joined));
    }
    Value::Object(all)
}

/// The content types whose bodies an HTTP API passes on as text.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.starts_with("text/")
        || matches!(media_type.as_str(), "application/json" | "application/javascript" | "application/xml")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

/// `12/Mar/2020:19:03:58 +0000`, as in a web server's log.
fn common_log_time(now: Timestamp) -> String {
    // An HTTP date has the same parts: `Thu, 12 Mar 2020 19:03:58 GMT`.
    let date = DateTime::from_secs(now.seconds()).fmt(DateTimeFormat::HttpDate).unwrap_or_default();
    match date.split(' ').collect::<Vec<_>>().as_slice() {
        [_, day, month, year, time, _] => format!("{day}/{month}/{year}:{time} +0000"),
        _ => date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn event(request: Request<()>, body: &[u8]) -> Value {
        let meta = RequestMeta {
            route_key: "POST /signin",
            parameters: &BTreeMap::new(),
            source_ip: IpAddr::from([192, 0, 2, 1]),
            request_id: "id",
            now: Timestamp::from_millis(1_583_348_638_390),
        };
        payload_v2(&request.into_parts().0, body, &meta)
    }

    #[test]
    fn it_matches_a_real_event() {
        let request = Request::post("/signin?a=1&a=2&b")
            .header("Host", "127.0.0.1:3000")
            .header("User-Agent", "curl")
            .header("Content-Type", "application/json")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "local-c=3")
            .body(())
            .unwrap();
        assert_eq!(
            event(request, b"{}"),
            json!({
                "version": "2.0", "routeKey": "POST /signin", "rawPath": "/signin", "rawQueryString": "a=1&a=2&b",
                "cookies": ["a=1", "b=2", "__Host-c=3"],
                "headers": {"host": "127.0.0.1:3000", "user-agent": "curl", "content-type": "application/json", "x-twice": "1,2"},
                "queryStringParameters": {"a": "1,2", "b": ""},
                "requestContext": {
                    "accountId": "000000000000", "apiId": "local", "domainName": "127.0.0.1:3000", "domainPrefix": "127",
                    "http": {"method": "POST", "path": "/signin", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl"},
                    "requestId": "id", "routeKey": "POST /signin", "stage": "$default",
                    "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64,
                },
                "body": "{}", "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn a_body_that_is_not_text_is_base64() {
        let with_type = |content_type: &str, body: &[u8]| {
            event(Request::post("/x").header("content-type", content_type).body(()).unwrap(), body)
        };
        for text in ["application/json", "text/plain; charset=utf-8", "application/problem+json"] {
            assert_eq!(with_type(text, b"hi")["body"], "hi", "{text}");
        }
        for binary in ["application/x-www-form-urlencoded", "application/octet-stream", ""] {
            let event = with_type(binary, b"hi");
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("aGk="), &json!(true)), "{binary}");
        }
        assert_eq!(with_type("application/json", &[0xff])["isBase64Encoded"], true);
        assert!(with_type("application/json", b"").get("body").is_none());
    }

    #[test]
    fn times_follow_the_calendar() {
        for (seconds, text) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400, "29/Feb/2000:00:00:00 +0000"),
            (1_735_689_599, "31/Dec/2024:23:59:59 +0000"),
            (4_107_542_400, "01/Mar/2100:00:00:00 +0000"),
        ] {
            assert_eq!(common_log_time(Timestamp::from_seconds(seconds)), text);
        }
    }
}
