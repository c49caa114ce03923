//! What a token says to everyone who holds it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The header of a token.
pub fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A claim that is a string.
#[track_caller]
pub fn claim(token: &str, name: &str) -> String {
    claims(token)[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
}

/// The `gen` of a refresh token.
#[track_caller]
pub fn generation(token: &str) -> u64 {
    claims(token)["gen"].as_u64().expect("gen")
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
