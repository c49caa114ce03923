use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::refresh_request::{RefreshRequest, TokenSource};
use super::super::set_cookie::{FORGET, REFRESH_COOKIE, clear_refresh_cookie};
use super::*;

const PAGE: &str = "https://app.example.com";

fn allowed() -> AllowedOrigins {
    AllowedOrigins::parse(PAGE).unwrap()
}

/// Payload 2.0 lists cookies, payload 1.0 has them in a header, once or twice.
fn events(headers: &Value, cookies: &[&str], body: &str) -> [Request; 3] {
    let mut headers = headers.clone();
    headers["content-type"] = json!("application/json");
    let http_api = json!({
        "version": "2.0", "routeKey": "POST /refresh", "headers": headers, "cookies": cookies,
        "requestContext": {"http": {"method": "POST"}}, "body": body,
    });
    let rest_api = |cookies: Vec<String>| {
        let mut several: Value =
            headers.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
        if !cookies.is_empty() {
            several["Cookie"] = json!(cookies);
        }
        json!({
            "resource": "/refresh", "httpMethod": "POST", "multiValueHeaders": several,
            "requestContext": {}, "body": body,
        })
    };
    let in_one = if cookies.is_empty() { Vec::new() } else { vec![cookies.join("; ")] };
    let in_several = cookies.iter().map(|cookie| (*cookie).to_owned()).collect();
    [http_api, rest_api(in_one), rest_api(in_several)]
        .map(|event| Request::from_event(&event.to_string()).unwrap())
}

/// What a request presents, in words; the same in both payloads.
fn presented(headers: &Value, cookies: &[&str], body: &str) -> String {
    let found = events(headers, cookies, body).map(|request| {
        let mut fields = request.json().ok().unwrap();
        match RefreshRequest::read(&request, &mut fields, &allowed()) {
            Ok(Some(RefreshRequest { token, source: TokenSource::Body, .. })) => {
                format!("body {}", token.expose())
            }
            Ok(Some(RefreshRequest { token, source: TokenSource::Cookie, .. })) => {
                format!("cookie {}", token.expose())
            }
            Ok(None) => "no cookie".to_owned(),
            Err(Rejection::OriginNotAllowed) => "foreign".to_owned(),
            Err(rejection) => rejection.code().to_owned(),
        }
    });
    assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
    found[0].clone()
}

#[test]
fn a_page_of_an_allowed_origin_presents_its_cookie() {
    let page = json!({"origin": PAGE});
    for (cookies, expected) in [
        (vec!["__Host-relatch_refresh=a.b.c"], "cookie a.b.c"),
        (vec!["x=1", "__Host-relatch_refresh=a.b.c", "y"], "cookie a.b.c"),
        (vec![" __Host-relatch_refresh = a.b.c "], "cookie a.b.c"),
        (vec!["__Host-relatch_refresh="], "cookie "),
        (vec!["__Host-relatch_refresh=a=b"], "cookie a=b"),
        (vec!["__Host-relatch_refresh=a,b"], "cookie a,b"),
        (vec![], "no cookie"),
        (vec!["__Host-relatch_refresh"], "no cookie"),
        (vec!["__host-relatch_refresh=a"], "no cookie"),
        (vec!["__Secure-relatch_refresh=a"], "no cookie"),
        (vec!["relatch_refresh=a"], "no cookie"),
        (vec!["x__Host-relatch_refresh=a"], "no cookie"),
        (vec!["x=__Host-relatch_refresh=a"], "no cookie"),
        (vec!["__Host-relatch_refresh=a", "__Host-relatch_refresh=a"], "invalid_request"),
        (vec!["__Host-relatch_refresh=a", "x=1", "__Host-relatch_refresh=b"], "invalid_request"),
        (vec!["__Host-relatch_refresh=", "__Host-relatch_refresh=b"], "invalid_request"),
    ] {
        assert_eq!(presented(&page, &cookies, "{}"), expected, "{cookies:?}");
    }
    let long = format!("__Host-relatch_refresh={}", "x".repeat(9000));
    assert!(presented(&page, &[&long], "{}").starts_with("cookie xxx"), "refused as a token, not as a request");
}

#[test]
fn no_other_page_presents_a_cookie() {
    let cookie = ["__Host-relatch_refresh=a"];
    for origin in [
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "https://example.com",
        "https://app.example.com:444",
        "https://APP.example.com",
        "http://app.example.com",
        "https://app.example.com/",
        "https://app.example.com,https://app.example.com",
        "null",
        "*",
        "",
    ] {
        assert_eq!(presented(&json!({"origin": origin}), &cookie, "{}"), "foreign", "{origin}");
        assert_eq!(presented(&json!({"origin": origin}), &[], "{}"), "invalid_request", "{origin}");
    }
    for without in
        [json!({}), json!({"sec-fetch-site": "same-origin"}), json!({"referer": "https://app.example.com/"})]
    {
        assert_eq!(presented(&without, &cookie, "{}"), "foreign", "{without}");
    }
    for (site, expected) in [("same-origin", "cookie a"), ("same-site", "cookie a"), ("cross-site", "foreign")] {
        let page = json!({"origin": PAGE, "sec-fetch-site": site});
        assert_eq!(presented(&page, &cookie, "{}"), expected, "{site}");
    }
}

#[test]
fn with_a_token_in_the_body_no_cookie_is_looked_at() {
    let twice = ["__Host-relatch_refresh=a", "__Host-relatch_refresh=b"];
    for origin in [json!({}), json!({"origin": PAGE}), json!({"origin": "https://evil.example"})] {
        for cookies in [&twice[..0], &twice[..1], &twice] {
            assert_eq!(presented(&origin, cookies, "{\"refresh_token\":\"t\"}"), "body t");
            assert_eq!(presented(&origin, cookies, "{\"refresh_token\":\"\"}"), "body ");
            for wrong in ["null", "7", "{}"] {
                let body = format!("{{\"refresh_token\":{wrong}}}");
                assert_eq!(presented(&origin, cookies, &body), "invalid_request", "{wrong}");
            }
        }
    }
}

#[test]
fn only_a_page_of_an_allowed_origin_may_ask_for_a_cookie() {
    let asks = |headers: &Value, body: &str| {
        let [request, ..] = events(headers, &[], body);
        let mut members = request.json().ok().unwrap();
        request.cookie_mode(&mut members, &allowed()).map_err(|refusal| refusal.code())
    };
    for headers in [json!({}), json!({"origin": PAGE}), json!({"origin": "https://evil.example"})] {
        assert_eq!(asks(&headers, "{}"), Ok(false));
        assert_eq!(asks(&headers, "{\"cookie\":false}"), Ok(false));
        assert_eq!(asks(&headers, "{\"cookie\":\"true\"}"), Err("invalid_request"));
        let is_allowed = headers["origin"] == PAGE;
        assert_eq!(asks(&headers, "{\"cookie\":true}").is_ok(), is_allowed, "{headers}");
    }
    assert_eq!(asks(&json!({"origin": PAGE}), "{\"cookie\":true}"), Ok(true));
}

#[test]
fn a_cookie_is_answered_in_the_form_of_the_event() {
    for request in events(&json!({}), &[], "") {
        let answer = serde_json::to_value(request.payload(clear_refresh_cookie(crate::http::empty()))).unwrap();
        if answer["cookies"].is_array() {
            assert_eq!(answer["cookies"], json!([FORGET]));
            assert!(answer["headers"].get("set-cookie").is_none(), "{answer}");
        } else {
            assert_eq!(answer["multiValueHeaders"]["set-cookie"], json!([FORGET]));
        }
        let answer = serde_json::to_value(request.payload(crate::http::empty())).unwrap().to_string();
        assert!(!answer.contains("Max-Age") && !answer.contains("set-cookie"), "{answer}");
    }
    assert!(FORGET.starts_with(&format!("{REFRESH_COOKIE}=; ")));
}

proptest! {
    #[test]
    fn no_cookie_panics(cookies in proptest::collection::vec("\\PC{0,40}", 0..4), origin in "\\PC{0,40}") {
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        for request in events(&json!({"origin": origin}), &cookies, "{}") {
            let _ = RefreshRequest::read(&request, &mut request.json().ok().unwrap(), &allowed());
        }
    }
}
