//! A request as a client can send it, as either gateway's event: it is always read, and
//! both events mean the same.
#![no_main]

mod checks;

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use relatch_lambda::http::{REFRESH_COOKIE, Rejection, Request};
use serde_json::{Value, json};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    method: &'a str,
    path: &'a str,
    stage: &'a str,
    request_id: &'a str,
    headers: Vec<(HeaderName<'a>, &'a str)>,
    media_type: MediaType,
    body: Body<'a>,
    /// How many spaces follow the body, so that bodies around the longest one come up often.
    trailing_spaces: u16,
    encoding: Encoding,
}

#[derive(Arbitrary, Debug)]
enum HeaderName<'a> {
    Authorization,
    IdempotencyKey,
    UserAgent,
    ForwardedFor,
    ContentType,
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum MediaType {
    Json,
    Form,
    None,
}

#[derive(Arbitrary, Debug)]
enum Body<'a> {
    Bytes(&'a [u8]),
    Fields(Vec<(&'a str, &'a str)>),
}

#[derive(Arbitrary, Debug, PartialEq)]
enum Encoding {
    Plain,
    Base64,
    /// It says that it is base64, whatever it is.
    NotBase64,
}

impl Input<'_> {
    /// The values of every header, under its name in lower case.
    fn headers(&self) -> BTreeMap<String, Vec<&str>> {
        let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let media_type = match self.media_type {
            MediaType::Json => "application/json",
            MediaType::Form => "application/x-www-form-urlencoded",
            MediaType::None => "",
        };
        let all = self.headers.iter().map(|(name, value)| {
            let name = match name {
                HeaderName::Authorization => "authorization",
                HeaderName::IdempotencyKey => "idempotency-key",
                HeaderName::UserAgent => "user-agent",
                HeaderName::ForwardedFor => "x-forwarded-for",
                HeaderName::ContentType => "content-type",
                HeaderName::Other(name) => name,
            };
            (name, *value)
        });
        // An empty value is joined without its comma, which a gateway does not do.
        for (name, value) in all.chain([("content-type", media_type)]).filter(|(_, value)| !value.is_empty()) {
            headers.entry(name.to_ascii_lowercase()).or_default().push(value);
        }
        headers
    }

    /// The body as the event has it.
    fn encoded_body(&self) -> String {
        let mut bytes = match &self.body {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::Fields(fields) => {
                let fields: BTreeMap<_, _> = fields.iter().copied().collect();
                serde_json::to_vec(&fields).unwrap_or_default()
            }
        };
        bytes.resize(bytes.len() + usize::from(self.trailing_spaces % 10_000), b' ');
        match self.encoding {
            Encoding::Base64 => STANDARD.encode(bytes),
            Encoding::Plain | Encoding::NotBase64 => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The path without the stage in front.
    fn path_without_stage(&self) -> &str {
        let stage = format!("/{}/", self.stage);
        if self.stage.is_empty() || !self.path.starts_with(&stage) {
            self.path
        } else {
            &self.path[stage.len() - 1..]
        }
    }
}

fuzz_target!(|input: Input| {
    let (headers, body) = (input.headers(), input.encoded_body());
    let is_base64 = input.encoding != Encoding::Plain;
    let joined: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, values)| (name, values.join(if name == "cookie" { "; " } else { "," })))
        .collect();
    let separate: BTreeMap<_, _> =
        headers.iter().map(|(name, values)| (name.to_ascii_uppercase(), values)).collect();
    let requests = [
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": input.path, "headers": joined,
            "requestContext": {
                "http": {"method": input.method, "sourceIp": "192.0.2.1"}, "requestId": input.request_id, "stage": input.stage,
            },
            "body": body, "isBase64Encoded": is_base64,
        }),
        json!({
            "httpMethod": input.method, "resource": "/{proxy+}", "path": input.path, "multiValueHeaders": separate,
            "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "requestId": input.request_id, "stage": input.stage},
            "body": body, "isBase64Encoded": is_base64,
        }),
    ]
    .map(|event: Value| match Request::from_event(&event.to_string()) {
        Ok(request) => request,
        Err(error) => panic!("{error}: {event}"),
    });
    for request in &requests {
        assert_eq!(
            (request.method(), request.path(), request.address(0).prefix()),
            (input.method, input.path_without_stage(), "192.0.2.1")
        );
        assert!(
            input.request_id.starts_with(request.id())
                && (input.request_id.len() <= 64) == (input.request_id == request.id())
        );
        for (name, value) in &joined {
            assert_eq!(request.header(name), Some(value.as_str()));
        }
        checks::check_request(request, &body, is_base64);
    }
    let [v2, v1] = requests.map(|request| {
        [
            outcome(&request.json()),
            outcome(&request.form()),
            outcome(&request.bearer_token()),
            outcome(&request.idempotency_key()),
            outcome(&request.cookie(REFRESH_COOKIE)),
        ]
    });
    assert_eq!(v2, v1);
});

/// The code of the error, or `ok`.
fn outcome<T>(result: &Result<T, Rejection>) -> &'static str {
    result.as_ref().map_or_else(Rejection::code, |_| "ok")
}
