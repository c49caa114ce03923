//! Any text as an event, read in every way that a handler reads one.
#![no_main]

mod checks;

use libfuzzer_sys::fuzz_target;
use relatch_lambda::http::Request;
use serde::Deserialize;

/// What of an event is compared with what was read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventBody {
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

fuzz_target!(|text: &str| {
    let Ok(request) = Request::from_event(text) else { return };
    let Ok(event) = serde_json::from_str::<EventBody>(text) else { panic!("what was read is JSON") };
    checks::check_request(&request, &event.body.unwrap_or_default(), event.is_base64_encoded.unwrap_or(false));
});
