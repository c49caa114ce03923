use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::keys::private_key_set::PrivateKeySet;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The stored form of one good key.
fn stored(purpose: Purpose, algorithm: Algorithm) -> Value {
    let mut keys = PrivateKeySet::default();
    keys.add(purpose, algorithm, NOW).unwrap();
    serde_json::from_str(keys.to_text().unwrap().expose()).unwrap()
}

fn access(algorithm: Algorithm) -> Value {
    stored(Purpose::Access, algorithm)
}

fn symmetric() -> Value {
    stored(Purpose::Refresh, Algorithm::HS256)
}

/// What becomes of a good set when members of its key are other ones.
fn changed(mut set: Value, members: &[(&str, Value)]) -> Result<KeySet, KeySetError> {
    for (name, value) in members {
        set["keys"][0][name] = value.clone();
    }
    KeySet::parse(&set.to_string())
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a result is made for it")]
fn expect_unusable(result: Result<KeySet, KeySetError>) {
    assert!(matches!(result, Err(KeySetError::Unusable(_))), "{result:?}");
}

#[test]
fn every_algorithm_is_read_back() {
    for set in [access(Algorithm::RS256), access(Algorithm::ES256), access(Algorithm::EdDSA), symmetric()] {
        assert!(changed(set, &[]).is_ok());
    }
}

#[test]
fn an_empty_or_short_symmetric_key_is_refused() {
    for octets in [0, 1, 16, 31] {
        expect_unusable(changed(symmetric(), &[("k", json!(encoding::encode(vec![7; octets])))]));
    }
    assert!(changed(symmetric(), &[("k", json!(encoding::encode([7; 32])))]).is_ok());
    expect_unusable(changed(symmetric(), &[("k", json!("not base64url!"))]));
}

#[test]
fn the_two_halves_of_a_key_belong_together() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let other = access(algorithm)["keys"][0].clone();
        let public = if algorithm == Algorithm::RS256 { "n" } else { "x" };
        expect_unusable(changed(access(algorithm), &[(public, other[public].clone())]));
        expect_unusable(changed(access(algorithm), &[("d", other["d"].clone())]));
    }
}

#[test]
fn an_rsa_key_has_at_least_2048_bits() {
    // openssl genrsa 1024
    let weak = [
        (
            "n",
            json!(
                "t13T4Mlt-XPhkc9pcM4VwJwLH7yomQRzUsUnm36XZcF46FUmA0pVVGDNMsonAQnqksSKu2rdgTOMKhgXmwADH_wbmrphCdUDsJpUbuXXZpLWysKP004WZtJRNzOx1LdbT1dy8Fumu06yWcMjDQq74gA4IX4UzuZH9tvtR9pMxL0"
            ),
        ),
        ("e", json!("AQAB")),
        (
            "d",
            json!(
                "HAP05EpCSDOhSiLTbE3AWw48UNwFMmPQrtu6gnJj9UMLEww3Y5dO1DZ6A4GJVgpK0aO_woTAVQYoKyJFMQRedZkUwoihRkt2gIW-w-fFeXkFUPHb2d_a6SpD7SLHqx5Kq1Y81MWnLqv4gtmMitHwCQPOQ4nlzd3rvRZrwadNfK0"
            ),
        ),
        ("p", json!("7bFXvhVjToyrtdLeIBeuCFANxjZQEj6fhzAwYYOoaqv09TBIg5rv0kPfk4ui-eMq1BODyGxLkO0UBbWuLE72Rw")),
        ("q", json!("xX1RmYk3mQgV1kicmJ0l-tIpOx8MWxdJKwpWsvflvH5tgpkYvAAgzGZTee35VGXLTCvKoFOpt1ZCHrqAD2w62w")),
        ("dp", json!("WIJ1Pd8Q_6r6NdazyBeJQqcsueZ3opOXK-wR1_4CtNYbfUHhfsAvFYkYtASHR64DwL0TkYpiCTF_BzFEDlPI-Q")),
        ("dq", json!("W0IJjvVFZ8XAsYBkPHGBt2GeA9_ZCc681NK2NYUv9-ZEHHE6aMV2Yn12XYWGDWXsh4pE28lNR5bofuKXgoj0uQ")),
        ("qi", json!("6rDe_bJHgCZVtTB1k23O4tG3wR1dalxElxIJTPUHafsiYGRYZb6_l-i1Q2QilllzqLfMGRba7-M5Lp96IeUE6w")),
    ];
    expect_unusable(changed(access(Algorithm::RS256), &weak));
}

/// The bytes of a key's member with one zero in front, as libraries for big integers write them.
fn with_a_zero(set: &Value, member: &str) -> Value {
    let bytes = encoding::decode(set["keys"][0][member].as_str().unwrap()).unwrap();
    json!(encoding::encode([vec![0], bytes].concat()))
}

/// RFC 7518 §6.3.1.1: verifiers take it in different ways, and ours takes no such number.
#[test]
fn the_numbers_of_an_rsa_key_begin_with_no_zero() {
    for member in ["n", "e"] {
        let set = access(Algorithm::RS256);
        let value = with_a_zero(&set, member);
        expect_unusable(changed(set, &[(member, value)]));
    }
}

/// RFC 7518 §6.2.1.2 and §6.2.1.3: the bytes of both together may be right and each be wrong.
#[test]
fn each_coordinate_of_a_point_has_its_own_32_bytes() {
    let set = access(Algorithm::ES256);
    let bytes = |member: &str| encoding::decode(set["keys"][0][member].as_str().unwrap()).unwrap();
    let point = [bytes("x"), bytes("y")].concat();
    for length in [0, 31, 32, 33, 64] {
        let (x, y) = point.split_at(length);
        let result = changed(set.clone(), &[("x", json!(encoding::encode(x))), ("y", json!(encoding::encode(y)))]);
        assert_eq!(result.is_ok(), length == 32, "{length}");
    }
}

#[test]
fn an_rsa_key_without_random_primes_is_refused() {
    // Both primes are a multiple of 2·3·5·…·167, plus a power of 65537 modulo that product.
    let weak = [
        (
            "n",
            json!(
                "9QAMNmoVFoJua3cVTSLxGXqoYKcMA7Cd7CaMFf8A4YHOurVJw3GoVuFghourPRHE-_Gd3UAhN18uSV5rpOShoqMpZe_eGEYt12WAFvj8gns9GxwPvIQYYerwNUorOhvP3iS65m9eVpKT_xlr3miUnM6Pa2b2OrIoaYnj2qu64izzkYj0nhEhYPU-bverCWEr7-i66lEaXIhVJD43AlRo6IVA4OSNttN9wjXDBFR-30Efj64QzfCMEQS2lkswLsJ-UCcTjzJdHkeiAWgaO7aUyQTK6OC9wzfk0UWRekP1zUuqhF7VF5emu5TWCr5coevwIg9JwZoQqsfyhYhBzLaKsw"
            ),
        ),
        ("e", json!("AQAB")),
        (
            "d",
            json!(
                "CZe04rSImtcEh8Sj2t9RXVQGH7Kqr8JMjKB9v6a6XBn_BCRw_OwIUU6Fvv7c94kok0zEh5MpOcfKQikmQdCJ25pT1p_rrDujM9nPiBa7nEhC_jq9Cv6JDdxrB0seIipQmzwI7VjS8sTOcqCGLrEdkH4t82CWp3muR2OUvk0XBh_01H2AtqYCKH3PZr6N9lc9ytZc7TIEMPRYcLYRHBa8-7QU5DEHStnd0CsaYjHd7ejQ2FYQQFun0QBjynJ4Xg43Coq0q9coxMZsGnL0kp_hZBoF5GM9LR1SC1tlYISivUaMciaKzr86JydyI-lGTDGocqf0JtCcAbwzYEwMJbCsMQ"
            ),
        ),
        (
            "p",
            json!(
                "9z8Hajqj9kw-LNtxghM0se4MR3NjPZ56XdmzVYan_d_yGNbPaZ7oP7O_xNfuFmxDKTGt_twI77i_kPNH0CmuZtruSGl74grcY5DhI2F--Wz0psgnpbHjZsq8iT0hsgrAFX_s5Lihw0sttwS0ykIV5HzFEgTwGWDjQ_34DMzx6U8"
            ),
        ),
        (
            "q",
            json!(
                "_aypU7ORAO4CTZSGsCe8uaZ1tyZsbU52YbxsxO83yMUG02kRZr_PPdp9uDUniv2Xuf5VaUxNWtUoIsKDZMGUFPzt2Q9h0XrbfjP2mbZ0qYc4coDI5oxkVtl_Lo69xkNQjF4i1Bu28iqbRP-18mcGEZmtTgIGd422ra6HlTMqZ10"
            ),
        ),
        (
            "dp",
            json!(
                "wX9odDC0hVuiBUUwjlYtlVrx7TFW57CRn8Vy3mpmKwAK3nmvFcAxjzlDyfAb-xx7a0_gFmdp7wKtmelruHQGc6S_e5hiRcOuO5X1PNVepCIrTiOzM7AGgjoEV3uqVUaokaruYQpGPysk-ekK_Ie_znP_X1zR82qqMloeuRXj9W0"
            ),
        ),
        (
            "dq",
            json!(
                "RboV-Pncm6LQYz62HultSKJmrOcU2p68j3TZePBAJyFxFN9GdzW140yRTfbeXagC8o7kL0NX5-W7WIKa1zEWYQZ84jMGMixQ9MmXuPyb6JVQgLjBgA2K7wxtlwCJTVvnYg3mCONtT_dCIp8fBfgnhOL27gBEgswjMG5OukYMG8k"
            ),
        ),
        (
            "qi",
            json!(
                "1XCfzhCjdTcUoeei430ChfiGuXwH8nb22CEZU7OcPPf07ZLRex8Hl7coee6_vibfLTRDqttdK2W_sTsLWx0sSiQ0ck0ucPGY4I3Mdf5wiZRECADBBgtC7o4SLzfgSDk8pgYQRTVkWt1WNBptr9WPhBD1e4Q_VOjunRl2Iya9yGI"
            ),
        ),
    ];
    expect_unusable(changed(access(Algorithm::RS256), &weak));
}

#[test]
fn a_key_is_of_its_purpose_and_algorithm_only() {
    expect_unusable(changed(symmetric(), &[("purpose", json!("access"))]));
    expect_unusable(changed(access(Algorithm::ES256), &[("purpose", json!("refresh"))]));
    expect_unusable(changed(access(Algorithm::ES256), &[("alg", json!("RS256"))]));
    expect_unusable(changed(access(Algorithm::RS256), &[("alg", json!("HS256"))]));
    expect_unusable(changed(access(Algorithm::ES256), &[("crv", json!("P-384"))]));
    expect_unusable(changed(access(Algorithm::EdDSA), &[("crv", json!("X25519"))]));
    for unknown in ["none", "PS256", "RS512", "HS384"] {
        assert_eq!(changed(symmetric(), &[("alg", json!(unknown))]).unwrap_err(), KeySetError::Malformed);
    }
}

#[test]
fn a_key_that_others_use_for_something_else_does_not_sign() {
    for set in [symmetric(), access(Algorithm::RS256), access(Algorithm::ES256), access(Algorithm::EdDSA)] {
        for (member, other) in [
            ("use", json!("enc")),
            ("use", json!("")),
            ("key_ops", json!(["encrypt", "decrypt"])),
            ("key_ops", json!(["verify"])),
            ("key_ops", json!(["sign, verify"])),
            ("key_ops", json!([])),
        ] {
            expect_unusable(changed(set.clone(), &[(member, other)]));
        }
        assert!(changed(set, &[("use", json!("sig")), ("key_ops", json!(["verify", "sign"]))]).is_ok());
    }
    for (member, no_form) in [("use", json!(["sig"])), ("key_ops", json!("sign"))] {
        let result = changed(symmetric(), &[(member, no_form)]);
        assert_eq!(result.unwrap_err(), KeySetError::Malformed, "{member}");
    }
}

#[test]
fn a_key_id_has_a_form_and_is_there_once_for_a_purpose() {
    for kid in ["", "a b", "../x", "ä", &"k".repeat(65)] {
        assert_eq!(changed(symmetric(), &[("kid", json!(kid))]).unwrap_err(), KeySetError::KeyId);
    }
    let (mut twice, other) = (symmetric(), stored(Purpose::Attempts, Algorithm::HS256));
    let first = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(first.clone());
    assert!(matches!(KeySet::parse(&twice.to_string()), Err(KeySetError::Duplicate(_))));
    twice["keys"][1] = other["keys"][0].clone();
    twice["keys"][1]["kid"] = first["kid"].clone();
    assert!(KeySet::parse(&twice.to_string()).is_ok());
}

/// RFC 4231 §4.7.
#[test]
fn a_mac_is_hmac_sha_256() {
    let set = changed(symmetric(), &[("k", json!(encoding::encode([0xaa; 131])))]).unwrap();
    let key = set.signing_key(Purpose::Refresh, NOW).unwrap();
    let mac = key.mac(b"Test Using Larger Than Block-Size Key - Hash Key First").unwrap();
    assert_eq!(mac[..6], [0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0]);
    assert_eq!(mac[26..], [0x04, 0x0f, 0x0e, 0xe3, 0x7f, 0x54]);
    let pair = changed(access(Algorithm::ES256), &[]).unwrap();
    assert_eq!(pair.signing_key(Purpose::Access, NOW).unwrap().mac(b"x"), None);
}

#[test]
fn the_oldest_key_of_a_purpose_stays_the_same() {
    let mut keys = PrivateKeySet::default();
    keys.add(Purpose::Refresh, Algorithm::HS256, NOW - Duration::from_secs(99)).unwrap();
    let newer = keys.add(Purpose::Attempts, Algorithm::HS256, NOW).unwrap();
    let oldest = keys.add(Purpose::Attempts, Algorithm::HS256, NOW - Duration::from_secs(9)).unwrap();
    let set = KeySet::parse(keys.to_text().unwrap().expose()).unwrap();
    assert_eq!(set.oldest_key(Purpose::Attempts).map(Key::kid), Some(oldest.as_str()));
    assert_eq!(set.signing_key(Purpose::Attempts, NOW).map(Key::kid), Some(newer.as_str()));
    assert!(set.oldest_key(Purpose::Access).is_none());
    assert_eq!(set.purposes().collect::<Vec<_>>(), [Purpose::Refresh, Purpose::Attempts, Purpose::Attempts]);
    assert_eq!(
        format!("{:?}", set.oldest_key(Purpose::Attempts).unwrap()),
        format!("Key(Attempts HS256 {oldest})")
    );
}

#[test]
fn each_refusal_says_what_is_wrong() {
    let kid = || "the-kid".to_owned();
    for (error, part) in [
        (KeySetError::Malformed, "private JWK Set"),
        (KeySetError::Empty, "no keys"),
        (KeySetError::KeyId, "1 to 64"),
        (KeySetError::Duplicate(kid()), "the-kid"),
        (KeySetError::Unusable(kid()), "the-kid"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn algorithms_have_their_registered_names() {
    let all = [
        (Algorithm::RS256, "RS256"),
        (Algorithm::ES256, "ES256"),
        (Algorithm::EdDSA, "EdDSA"),
        (Algorithm::HS256, "HS256"),
    ];
    for (algorithm, name) in all {
        assert_eq!(algorithm.name(), name);
        assert_eq!(serde_json::to_value(algorithm).unwrap(), name);
    }
    let set = |algorithm| changed(access(algorithm), &[]).unwrap();
    let both = set(Algorithm::RS256).merged(set(Algorithm::ES256)).merged(set(Algorithm::RS256));
    assert_eq!(both.public().algorithms(), ["ES256", "RS256"]);
}

#[test]
fn the_public_half_has_no_private_member() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let set = access(algorithm);
        let public = serde_json::to_value(changed(set.clone(), &[]).unwrap().public()).unwrap();
        let key = public["keys"][0].as_object().unwrap();
        for (name, value) in set["keys"][0].as_object().unwrap() {
            let is_public = ["kty", "kid", "alg", "crv", "n", "e", "x", "y"].contains(&name.as_str());
            assert_eq!(key.get(name), is_public.then_some(value), "{name}");
        }
        assert_eq!(key["use"], "sig");
    }
    let both = changed(symmetric(), &[]).unwrap().merged(changed(access(Algorithm::ES256), &[]).unwrap());
    assert_eq!(serde_json::to_value(both.public()).unwrap()["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn neither_debug_nor_an_error_shows_a_key() {
    let set = symmetric();
    let secret = set["keys"][0]["k"].as_str().unwrap().to_owned();
    assert!(!format!("{:?}", changed(set.clone(), &[]).unwrap()).contains(&secret));
    let error = changed(set, &[("alg", json!("RS256"))]).unwrap_err();
    assert!(!format!("{error:?}{error}").contains(&secret));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", member in "[a-z]{1,3}", value in "\\PC{0,40}") {
        let _ = KeySet::parse(&text);
        let _ = changed(symmetric(), &[(&member, json!(value))]);
        let _ = changed(access(Algorithm::ES256), &[(&member, json!(value))]);
    }
}

#[test]
fn a_public_set_verifies_and_signs_nothing() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let private = KeySet::parse(&access(algorithm).to_string()).unwrap();
        let public = KeySet::from_public(private.public()).unwrap();
        let now = Timestamp::from_seconds(i64::MAX / 1000);
        let (signer, kid) = private.signing_key(Purpose::Access, now).map(|key| (key, key.kid())).unwrap();
        let verifier = public.find(Purpose::Access, kid).unwrap();
        let signature = signer.sign(b"input").unwrap();
        assert!(
            verifier.verify_signature(b"input", &signature) && !verifier.verify_signature(b"other", &signature)
        );
        assert_eq!(verifier.sign(b"input"), None);
        assert!(public.signing_key(Purpose::Access, now).is_none());
        assert_eq!(public.public(), private.public());
    }
}

#[test]
fn a_public_set_that_cannot_be_used_is_refused() {
    let good =
        serde_json::to_value(KeySet::parse(&access(Algorithm::ES256).to_string()).unwrap().public()).unwrap();
    let read = |set: Value| {
        let set: Option<PublicKeySet> = serde_json::from_value(set).ok();
        set.is_some_and(|set| KeySet::from_public(set).is_ok())
    };
    assert!(read(good.clone()));
    for (member, value) in [
        ("use", json!("enc")),
        ("alg", json!("RS256")),
        ("alg", json!("HS256")),
        ("crv", json!("P-384")),
        ("kid", json!("../x")),
        ("x", json!("AAAA")),
        ("y", json!(encoding::encode([1; 33]))),
        ("kty", json!("oct")),
    ] {
        let mut set = good.clone();
        set["keys"][0][member] = value.clone();
        assert!(!read(set), "{member} {value}");
    }
    let twice = json!({"keys": [good["keys"][0], good["keys"][0]]});
    assert!(!read(twice) && !read(json!({"keys": []})));
}
