//! Project Wycheproof's vectors for JSON Web Signatures and JSON Web Keys.
//!
//! The data is not in this repository: `WYCHEPROOF_DIR` names the folder that has
//! `json_web_signature_test.json` and `json_web_key_test.json`. Without it nothing is run, and
//! the test says so.
//!
//! Tokens of ours have a `typ` and claims, which no vector has. So each vector is tried
//! twice: on the whole verifiers, which must refuse all of them, and on what comes before the
//! claims (the three parts, base64url, the key's algorithm, the signature), which must accept
//! what is valid and refuse the rest, but for the exceptions below.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::config::Place;
use crate::token::{PublicKeySet, Purpose};

/// Valid for Wycheproof, and refused here: a character outside of the alphabet in the header
/// or the payload, as the vectors' own comments call it.
const STRICTER: [u64; 2] = [372, 373];

/// Said to be invalid, and the very text of 357, which is valid: the padding that their comments
/// speak of is not in the data.
const MISTAKEN: [u64; 2] = [367, 370];

/// Invalid for Wycheproof, and taken here: a key made by a library with the flaw ROCA. Keys of
/// ours are made by ourselves.
const KEYS_TAKEN: [&str; 1] = ["jws_rsa_roca_key"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    comment: String,
    private: Option<Value>,
    public: Option<Value>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u64,
    jws: Value,
    result: String,
}

/// The header of any JWS, of which ours is a special case.
#[derive(Deserialize)]
struct AnyHeader {
    alg: String,
}

/// A file of vectors, or `None` where there is no folder of them.
fn vectors(name: &str) -> Option<File> {
    #[allow(clippy::disallowed_methods, reason = "the tests' own setting")]
    let folder = std::env::var("WYCHEPROOF_DIR").ok().filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        eprintln!("SKIPPED: WYCHEPROOF_DIR names no folder with {name}; no vector was run");
        return None;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join(name)).unwrap();
    let file: File = serde_json::from_str(&text).unwrap();
    assert!(file.number_of_tests > 0 && !file.test_groups.is_empty());
    Some(file)
}

/// A JWK as a set of ours, with a purpose, a start and a name that we allow; none of an
/// algorithm that we do not have, or for another use.
fn as_ours(jwk: &Value) -> Option<KeySet> {
    if jwk.get("key_ops").is_some_and(|uses| *uses != json!(["verify"]) && *uses != json!(["sign"])) {
        return None;
    }
    let mut jwk = jwk.clone();
    jwk["kid"] = json!("k");
    if jwk["kty"] == "oct" {
        jwk["purpose"] = json!("refresh");
        jwk["nbf"] = json!(0);
        return KeySet::parse(&json!({"keys": [jwk]}).to_string()).ok();
    }
    jwk["use"] = jwk.get("use").cloned().unwrap_or(json!("sig"));
    let set: PublicKeySet = serde_json::from_value(json!({"keys": [jwk]})).ok()?;
    KeySet::from_public(set).ok()
}

/// Everything before the claims.
fn is_signed(jws: &str, keys: &KeySet) -> bool {
    let purpose = if keys.find(Purpose::Access, "k").is_some() { Purpose::Access } else { Purpose::Refresh };
    let key = keys.find(purpose, "k").unwrap();
    let Ok(parts) = Parts::of(jws) else { return false };
    // Our own header is exactly `alg`, `kid` and `typ`; of any other, a key of its own is the
    // one member that these vectors have.
    let Ok(header) = serde_json::from_slice::<AnyHeader>(&parts.header) else { return false };
    parts.expect_signed(&header.alg, key).is_ok()
}

fn issuance() -> Issuance {
    let config = Config::from_lookup(Place::Local, |name| match name {
        "TOKEN_ISSUER" => Some("https://auth.example.com".to_owned()),
        name if name.starts_with("AWS_ENDPOINT") => None,
        name if name.ends_with("_TABLE") || name.starts_with("AWS_") => Some("x".to_owned()),
        "KEYS_FILE" | "TOKEN_AUDIENCE" => Some("x".to_owned()),
        _ => None,
    });
    Issuance::new(&config.unwrap())
}

#[test]
fn signatures() {
    let Some(file) = vectors("json_web_signature_test.json") else { return };
    let (issuance, now) = (issuance(), Timestamp::from_seconds(1_800_000_000));
    let (mut run, mut accepted, mut refused, mut left_out) = (0, 0, 0, Vec::new());
    for group in &file.test_groups {
        let jwk = group.public.as_ref().or(group.private.as_ref()).unwrap();
        let keys = as_ours(jwk);
        for vector in &group.tests {
            run += 1;
            let jws = vector.jws.as_str().map_or_else(|| vector.jws.to_string(), str::to_owned);
            if let Some(keys) = &keys {
                assert!(verify_access(&jws, keys, &issuance, now).is_err(), "{}", vector.tc_id);
                assert!(verify_refresh(&jws, keys, &issuance, now).is_err(), "{}", vector.tc_id);
                assert!(verify_refresh_to_end(&jws, keys, &issuance, now).is_err(), "{}", vector.tc_id);
                let is_valid = vector.result == "valid" || MISTAKEN.contains(&vector.tc_id);
                let expected = is_valid && !STRICTER.contains(&vector.tc_id);
                assert_eq!(is_signed(&jws, keys), expected, "{} {}", vector.tc_id, group.comment);
                if expected { accepted += 1 } else { refused += 1 }
            } else if vector.result == "valid" {
                // Of an algorithm that no key of ours can have.
                left_out.push((vector.tc_id, jwk["alg"].as_str().unwrap_or_default()));
            } else {
                refused += 1;
            }
        }
    }
    assert_eq!(run, file.number_of_tests);
    let ours = ["HS256", "RS256", "ES256", "EdDSA"];
    assert!(left_out.iter().all(|(_, alg)| !ours.contains(alg)), "{left_out:?}");
    eprintln!("{run} signatures: {accepted} accepted, {refused} refused, {} of other algorithms", left_out.len());
    assert!(accepted > 0 && refused > 300);
}

#[test]
fn keys() {
    let Some(file) = vectors("json_web_key_test.json") else { return };
    let (mut run, mut accepted, mut refused, mut other) = (0, 0, 0, 0);
    for group in &file.test_groups {
        let mut set = group.private.clone().unwrap();
        let keys = set["keys"].as_array_mut().unwrap();
        let mut has_other_algorithm = false;
        for key in keys.iter_mut() {
            key["purpose"] = json!(if key["kty"] == "oct" { "refresh" } else { "access" });
            key["nbf"] = json!(0);
            has_other_algorithm |= ["HS384", "HS512"].contains(&key["alg"].as_str().unwrap_or_default());
        }
        let is_taken = KeySet::parse(&set.to_string()).is_ok();
        for vector in &group.tests {
            run += 1;
            let is_valid = match vector.result.as_str() {
                "valid" if has_other_algorithm => {
                    other += 1;
                    false
                }
                // Of a good set and a bad token: the set is what is tried here.
                "invalid" if group.comment == "jws_keyset" => true,
                result => result == "valid" || KEYS_TAKEN.contains(&group.comment.as_str()),
            };
            assert_eq!(is_taken, is_valid, "{} {}", vector.tc_id, group.comment);
            if is_taken { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!(run, file.number_of_tests);
    eprintln!("{run} sets of keys: {accepted} taken, {refused} refused, {other} of them of other algorithms");
    assert!(accepted > 0 && refused > 10);
}
