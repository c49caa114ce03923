//! Any text as a set of keys: a set that is taken can be used and kept, and its public
//! half shows nothing private.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch::keys::{KeySet, KeySetError, PrivateKeySet, Purpose};
use relatch::time::Timestamp;
use serde_json::Value;

/// The fields of a public key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
const PUBLIC_FIELDS: [&str; 9] = ["kid", "alg", "use", "kty", "n", "e", "crv", "x", "y"];

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fuzz_target!(|text: &str| {
    let (keys, private_keys) = match (KeySet::parse(text), PrivateKeySet::parse(text)) {
        (Ok(keys), Ok(private_keys)) => (keys, private_keys),
        (Err(KeySetError::Empty), Ok(private_keys)) => return assert!(private_keys.list(NOW).is_empty()),
        (Err(error), Err(private_error)) => return assert_eq!(error, private_error),
        (keys, private_keys) => panic!("a function and a command differ: {keys:?} {private_keys:?}"),
    };
    let infos = private_keys.list(NOW);
    for info in &infos {
        let Some(key) = keys.find(info.purpose, &info.kid) else { panic!("{} is gone", info.kid) };
        assert_eq!(key.algorithm(), info.algorithm);
        let is_signing = keys.signing_key(info.purpose, NOW).is_some_and(|key| key.kid() == info.kid);
        assert_eq!(is_signing, info.signs);
        let Some(signature) = key.sign(b"input") else { panic!("{} cannot sign", info.kid) };
        assert!(key.verify_signature(b"input", &signature) && !key.verify_signature(b"other input", &signature));
    }

    let public = serde_json::to_value(keys.public()).unwrap_or_default();
    let Some(public) = public["keys"].as_array() else { panic!("the public half is a JWK Set") };
    let access_infos = infos.iter().filter(|info| info.purpose == Purpose::Access);
    assert!(access_infos.map(|info| info.kid.as_str()).eq(public.iter().filter_map(|key| key["kid"].as_str())));
    for key in public {
        let fields = key.as_object().into_iter().flatten();
        for (name, value) in fields {
            assert!(PUBLIC_FIELDS.contains(&name.as_str()) && value.is_string(), "{name}");
        }
        assert!(key["kty"] != "EC" || ["x", "y"].iter().all(|name| is_coordinate(&key[name])), "{key}");
    }

    let Ok(text) = private_keys.to_text() else { panic!("a set can be written") };
    assert_eq!(PrivateKeySet::parse(text.expose()).map(|reread| reread.list(NOW)).ok(), Some(infos));
});

/// 32 bytes (RFC 7518 §6.2.1.2) are 43 characters.
fn is_coordinate(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 43)
}
