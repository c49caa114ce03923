//! Any text as a set of keys: a set that is taken can be used and kept, and its public
//! half shows nothing private.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch::time::Timestamp;
use relatch::token::{KeySet, KeySetError, Purpose, StoredKeys};
use serde_json::Value;

/// The members of a public key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).
const PUBLIC: [&str; 9] = ["kid", "alg", "use", "kty", "n", "e", "crv", "x", "y"];

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fuzz_target!(|text: &str| {
    let (keys, stored) = match (KeySet::parse(text), StoredKeys::parse(text)) {
        (Ok(keys), Ok(stored)) => (keys, stored),
        (Err(KeySetError::Empty), Ok(stored)) => return assert!(stored.list(NOW).is_empty()),
        (Err(keys), Err(stored)) => return assert_eq!(keys, stored),
        (keys, stored) => panic!("a function and a command differ: {keys:?} {stored:?}"),
    };
    let list = stored.list(NOW);
    for info in &list {
        let Some(key) = keys.find(info.purpose, &info.kid) else { panic!("{} is gone", info.kid) };
        assert_eq!(key.algorithm(), info.algorithm);
        let signs = keys.signing_key(info.purpose, NOW).is_some_and(|signing| signing.kid() == info.kid);
        assert_eq!(signs, info.signs);
        let Some(signature) = key.sign(b"input") else { panic!("{} cannot sign", info.kid) };
        assert!(key.has_signed(b"input", &signature) && !key.has_signed(b"other input", &signature));
    }

    let public = serde_json::to_value(keys.public()).unwrap_or_default();
    let Some(public) = public["keys"].as_array() else { panic!("the public half is a JWK Set") };
    let access = list.iter().filter(|info| info.purpose == Purpose::Access);
    assert!(access.map(|info| info.kid.as_str()).eq(public.iter().filter_map(|key| key["kid"].as_str())));
    for key in public {
        let members = key.as_object().into_iter().flatten();
        for (name, value) in members {
            assert!(PUBLIC.contains(&name.as_str()) && value.is_string(), "{name}");
        }
        assert!(key["kty"] != "EC" || ["x", "y"].iter().all(|name| is_coordinate(&key[name])), "{key}");
    }

    let Ok(again) = stored.to_text() else { panic!("a set can be written") };
    assert_eq!(StoredKeys::parse(again.expose()).map(|again| again.list(NOW)).ok(), Some(list));
});

/// 32 bytes (RFC 7518 §6.2.1.2) are 43 characters.
fn is_coordinate(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 43)
}
