//! Walks the table "Wrong input" of docs/api.md: each row has its request here, and each
//! request its row there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_tests::{FaultyDatabase, TestStack, event};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;

const DOCUMENT: &str = include_str!("../docs/api.md");

/// The rows of the table: what is sent, to its status and `error`.
fn documented() -> BTreeMap<String, (u64, String)> {
    let section = DOCUMENT.split("## Wrong input").nth(1).expect("the section");
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter(|cells| cells[0] != "what is sent")
        .map(|cells| (cells[0].to_owned(), (cells[1].parse().unwrap(), cells[2].trim_matches('`').to_owned())))
        .collect()
}

/// A route that takes a body, with the member that it needs first.
#[derive(Clone, Copy)]
struct Route {
    path: &'static str,
    member: &'static str,
    longest: usize,
}

const SIGN_IN: Route = Route { path: "/signin", member: "email", longest: 254 };
const REFRESH: Route = Route { path: "/refresh", member: "refresh_token", longest: 4096 };
const SIGN_OUT: Route = Route { path: "/signout", ..REFRESH };

impl Route {
    /// A body of good form whose member has this JSON text.
    fn body_with(self, value: &str) -> String {
        format!("{{\"{}\":{value},\"password\":\"x\"}}", self.member)
    }

    fn with_body(self, body: impl Display) -> Value {
        event(&format!("POST {}", self.path), body)
    }

    fn with_content_type(self, content_type: &str) -> Value {
        let mut event = self.with_body(self.body_with("\"a@example.com\""));
        event["headers"] = json!({ "content-type": content_type });
        event
    }

    fn with_base64(self, base64: &str) -> Value {
        let mut event = self.with_body(base64);
        event["isBase64Encoded"] = json!(true);
        event
    }

    /// A body of so many bytes.
    fn of_length(self, bytes: usize) -> Value {
        let body = self.body_with("\"a@example.com\"");
        self.with_body(format!("{body}{}", " ".repeat(bytes - body.len())))
    }

    fn requests(self) -> BTreeMap<&'static str, Value> {
        let member = self.member;
        let mut another_method = self.with_body("");
        another_method["requestContext"]["http"]["method"] = json!("PUT");
        let mut another_path = self.with_body("{}");
        another_path["routeKey"] = json!("$default");
        another_path["rawPath"] = json!(format!("{}/", self.path));
        let mut no_body = self.with_body("");
        no_body.as_object_mut().unwrap().remove("body");
        let mut no_content_type = self.with_body(self.body_with("\"a@example.com\""));
        no_content_type["headers"] = json!({});
        BTreeMap::from([
            ("no body", no_body),
            ("an empty body", self.with_body("")),
            ("`null`", self.with_body("null")),
            ("a list", self.with_body("[]")),
            ("a number", self.with_body("7")),
            ("a string", self.with_body("\"text\"")),
            ("no JSON", self.with_body("email=a@example.com")),
            ("JSON that is cut off", self.with_body("{\"email\":")),
            ("bytes after the JSON", self.with_body(format!("{}x", self.body_with("\"a\"")))),
            ("a byte order mark", self.with_body(format!("\u{feff}{}", self.body_with("\"a\"")))),
            ("not UTF-8", self.with_base64("eyJhIjoi/yJ9")),
            ("a lone surrogate", self.with_body(self.body_with("\"\\ud800\""))),
            ("a number beyond all numbers", self.with_body("{\"x\":1e999}")),
            (
                "four thousand nested lists",
                self.with_body(format!("{{\"x\":{}{}}}", "[".repeat(4000), "]".repeat(4000))),
            ),
            ("a member missing", self.with_body("{\"password\":\"x\"}")),
            ("a member `null`", self.with_body(self.body_with("null"))),
            ("a member that is a number", self.with_body(self.body_with("7"))),
            ("a member that is a list", self.with_body(self.body_with("[\"a\"]"))),
            ("a member that is an object", self.with_body(self.body_with("{}"))),
            (
                "a member twice",
                self.with_body(format!("{{\"{member}\":\"a\",\"{member}\":\"b\",\"password\":\"x\"}}")),
            ),
            (
                "an unknown member twice",
                self.with_body(format!("{{\"{member}\":\"a\",\"x\":1,\"x\":2,\"password\":\"x\"}}")),
            ),
            (
                "a member in another case",
                self.with_body(self.body_with("\"a\"").replace(member, &member.to_uppercase())),
            ),
            (
                "a member that is too long",
                self.with_body(self.body_with(&format!("\"{}\"", "a".repeat(self.longest + 1)))),
            ),
            ("8193 bytes", self.of_length(8193)),
            ("six megabytes", self.of_length(6_000_000)),
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
    let rows: BTreeSet<String> = documented().into_keys().collect();
    for route in [SIGN_IN, REFRESH, SIGN_OUT] {
        let requests: BTreeSet<String> = route.requests().into_keys().map(str::to_owned).collect();
        assert_eq!(requests, rows);
    }
}

#[tokio::test]
async fn every_row_is_answered_as_documented_and_reaches_no_database() {
    let stack = TestStack::start(&[]).await;
    let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
    let through_proxy = [("AWS_ENDPOINT_URL_DYNAMODB", database.url())];
    walk(SIGN_IN, &stack.function::<SignIn>(&through_proxy)).await;
    walk(REFRESH, &stack.function::<Refresh>(&through_proxy)).await;
    walk(SIGN_OUT, &stack.function::<SignOut>(&through_proxy)).await;
    assert_eq!(database.calls(), [""; 0]);
}

async fn walk<H: Handler>(route: Route, function: &Function<H>) {
    let requests = route.requests();
    for (what, (status, error)) in documented() {
        let answer = function.answer(&requests[what.as_str()].to_string()).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&answer["statusCode"], &body["error"]),
            (&json!(status), &json!(error)),
            "{} {what}",
            route.path
        );
        assert_eq!(answer["headers"]["cache-control"], "no-store", "{} {what}", route.path);
    }
}

/// The longest body and the longest members of good form are looked at.
#[tokio::test]
async fn what_is_just_within_the_limits_is_read() {
    let stack = TestStack::start(&[]).await;
    let sign_in = stack.function::<SignIn>(&[]);
    let status = async |event: &Value| {
        serde_json::to_value(sign_in.answer(&event.to_string()).await.unwrap()).unwrap()["statusCode"].clone()
    };
    assert_eq!(status(&SIGN_IN.of_length(8192)).await, 401);
    let password = "x".repeat(1024);
    let with_password =
        |password: &str| SIGN_IN.with_body(json!({"email": "a@example.com", "password": password}).to_string());
    assert_eq!(status(&with_password(&password)).await, 401);
    assert_eq!(status(&with_password(&format!("{password}x"))).await, 400);
}
