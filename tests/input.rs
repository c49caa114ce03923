//! Walks the table "Wrong input" of docs/api.md: each row has its request here, and each
//! request its row there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use refresh::Refresh;
use relatch_lambda::{Function, Handler};
use relatch_tests::{EventRequest, TestStack};
use serde_json::json;
use signin::SignIn;
use signout::SignOut;

const DOCUMENT: &str = include_str!("../docs/api.md");

/// The rows of the table: what is sent, to its status and `error`.
fn documented_rows() -> BTreeMap<String, (u16, String)> {
    let section = DOCUMENT.split("## Wrong input").nth(1).expect("the section");
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter(|cells| cells[0] != "what is sent")
        .map(|cells| (cells[0].to_owned(), (cells[1].parse().unwrap(), cells[2].trim_matches('`').to_owned())))
        .collect()
}

/// A route that takes a body, with the field that it needs first.
#[derive(Clone, Copy)]
struct Route {
    path: &'static str,
    field: &'static str,
    max_length: usize,
}

const SIGN_IN: Route = Route { path: "/signin", field: "email", max_length: 254 };
const REFRESH: Route = Route { path: "/refresh", field: "refresh_token", max_length: 4096 };
const SIGN_OUT: Route = Route { path: "/signout", ..REFRESH };

impl Route {
    /// A well-formed body whose field has this JSON text.
    fn body_text(self, value: &str) -> String {
        format!("{{\"{}\":{value},\"password\":\"x\"}}", self.field)
    }

    fn request(self) -> EventRequest {
        EventRequest::new("POST", self.path)
    }

    fn with_body(self, body: impl Into<String>) -> EventRequest {
        self.request().with_body(body)
    }

    fn with_content_type(self, content_type: &str) -> EventRequest {
        self.with_body(self.body_text("\"a@example.com\"")).with_header("content-type", content_type)
    }

    /// A request whose body has this length in bytes.
    fn with_body_length(self, bytes: usize) -> EventRequest {
        let body = self.body_text("\"a@example.com\"");
        self.with_body(format!("{body}{}", " ".repeat(bytes - body.len())))
    }

    fn requests(self) -> BTreeMap<&'static str, EventRequest> {
        let field = self.field;
        let another_method = EventRequest::new("PUT", self.path).with_body("");
        let another_path = EventRequest::new("POST", &format!("{}/", self.path)).with_body("{}");
        let no_content_type = self.with_body(self.body_text("\"a@example.com\"")).without_header("content-type");
        BTreeMap::from([
            ("no body", self.request()),
            ("an empty body", self.with_body("")),
            ("`null`", self.with_body("null")),
            ("a list", self.with_body("[]")),
            ("a number", self.with_body("7")),
            ("a string", self.with_body("\"text\"")),
            ("no JSON", self.with_body("email=a@example.com")),
            ("JSON that is cut off", self.with_body("{\"email\":")),
            ("bytes after the JSON", self.with_body(format!("{}x", self.body_text("\"a\"")))),
            ("a byte order mark", self.with_body(format!("\u{feff}{}", self.body_text("\"a\"")))),
            ("not UTF-8", self.request().with_base64("eyJhIjoi/yJ9")),
            ("a lone surrogate", self.with_body(self.body_text("\"\\ud800\""))),
            ("a number beyond all numbers", self.with_body("{\"x\":1e999}")),
            (
                "four thousand nested lists",
                self.with_body(format!("{{\"x\":{}{}}}", "[".repeat(4000), "]".repeat(4000))),
            ),
            ("a member missing", self.with_body("{\"password\":\"x\"}")),
            ("a member `null`", self.with_body(self.body_text("null"))),
            ("a member that is a number", self.with_body(self.body_text("7"))),
            ("a member that is a list", self.with_body(self.body_text("[\"a\"]"))),
            ("a member that is an object", self.with_body(self.body_text("{}"))),
            (
                "a member twice",
                self.with_body(format!("{{\"{field}\":\"a\",\"{field}\":\"b\",\"password\":\"x\"}}")),
            ),
            (
                "an unknown member twice",
                self.with_body(format!("{{\"{field}\":\"a\",\"x\":1,\"x\":2,\"password\":\"x\"}}")),
            ),
            (
                "a member in another case",
                self.with_body(self.body_text("\"a\"").replace(field, &field.to_uppercase())),
            ),
            (
                "a member that is too long",
                self.with_body(self.body_text(&format!("\"{}\"", "a".repeat(self.max_length + 1)))),
            ),
            ("8193 bytes", self.with_body_length(8193)),
            ("six megabytes", self.with_body_length(6_000_000)),
            ("no content type", no_content_type),
            ("a form", self.with_content_type("application/x-www-form-urlencoded")),
            ("plain text", self.with_content_type("text/plain")),
            ("JSON in UTF-16", self.with_content_type("application/json; charset=utf-16")),
            ("two content types", self.with_content_type("application/json,application/json")),
            ("another method", another_method),
            ("another path", another_path),
        ])
    }
}

#[test]
fn every_row_has_a_request_and_every_request_a_row() {
    let rows: BTreeSet<String> = documented_rows().into_keys().collect();
    for route in [SIGN_IN, REFRESH, SIGN_OUT] {
        let requests: BTreeSet<String> = route.requests().into_keys().map(str::to_owned).collect();
        assert_eq!(requests, rows);
    }
}

#[tokio::test]
async fn every_row_is_answered_as_documented_and_reaches_no_database() {
    let stack = TestStack::start(&[]).await;
    let database = stack.faulty_database().await;
    let settings = [database.setting()];
    expect_documented_responses(SIGN_IN, &stack.function::<SignIn>(&settings)).await;
    expect_documented_responses(REFRESH, &stack.function::<Refresh>(&settings)).await;
    expect_documented_responses(SIGN_OUT, &stack.function::<SignOut>(&settings)).await;
    assert_eq!(database.take_calls(), [""; 0]);
}

async fn expect_documented_responses<H: Handler>(route: Route, function: &Function<H>) {
    let requests = route.requests();
    for (what, (status, error)) in documented_rows() {
        let response = requests[what.as_str()].send(function).await;
        assert_eq!((response.status, response.field("error")), (status, error), "{} {what}", route.path);
        assert_eq!(response.header("cache-control"), "no-store", "{} {what}", route.path);
    }
}

/// The longest body and the longest members of good form are looked at.
#[tokio::test]
async fn what_is_just_within_the_limits_is_read() {
    let stack = TestStack::start(&[]).await;
    let sign_in = stack.function::<SignIn>(&[]);
    let status = async |request: EventRequest| request.send(&sign_in).await.status;
    assert_eq!(status(SIGN_IN.with_body_length(8192)).await, 401);
    let password = "x".repeat(1024);
    let with_password =
        |password: &str| SIGN_IN.with_body(json!({"email": "a@example.com", "password": password}).to_string());
    assert_eq!(status(with_password(&password)).await, 401);
    assert_eq!(status(with_password(&format!("{password}x"))).await, 400);
}
