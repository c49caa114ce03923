//! Each way a token can be wrong: one name, one broken thing.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::encoding::encode;
use crate::keys::{Algorithm, Key, Purpose, generate};

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "https://api.example.com";

static KEYS: LazyLock<KeySet> = LazyLock::new(|| keys(Algorithm::ES256));

fn keys(algorithm: Algorithm) -> KeySet {
    KeySet::parse(generate(algorithm, Timestamp::from_seconds(NOW - 1000)).unwrap().expose()).unwrap()
}

fn access_tokens() -> ExpectedClaims {
    ExpectedClaims { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned() }
}

fn refresh_tokens() -> ExpectedClaims {
    ExpectedClaims { audience: format!("{ISSUER}/refresh"), ..access_tokens() }
}

/// Both kinds of token, each with the claims of a good one.
#[derive(Clone, Copy)]
enum Kind {
    Access,
    Refresh,
}
use Kind::{Access, Refresh};

impl Kind {
    fn key(self, keys: &KeySet) -> &Key {
        let purpose = match self {
            Access => Purpose::Access,
            Refresh => Purpose::Refresh,
        };
        keys.signing_key(purpose, Timestamp::from_seconds(NOW)).unwrap()
    }

    fn header(self) -> Value {
        let key = self.key(&KEYS);
        let typ = match self {
            Access => "at+jwt",
            Refresh => "rt+jwt",
        };
        json!({"alg": key.algorithm().name(), "kid": key.kid(), "typ": typ})
    }

    fn claims(self) -> Value {
        match self {
            Access => json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 900, "iat": NOW, "jti": "j",
                "client_id": "relatch", "sid": "s", "auth_time": NOW, "user_email": "ada@example.com",
            }),
            Refresh => json!({
                "iss": ISSUER, "aud": format!("{ISSUER}/refresh"), "sub": "ada", "exp": NOW + 900, "iat": NOW,
                "gen": 1, "secret": "AAAAAAAAAAAAAAAAAAAAAA",
            }),
        }
    }

    fn verify(self, token: &str) -> Result<(), TokenError> {
        self.verify_at(token, Timestamp::from_seconds(NOW))
    }

    fn verify_at(self, token: &str, now: Timestamp) -> Result<(), TokenError> {
        match self {
            Access => verify_access(token, &KEYS, &access_tokens(), now).map(drop),
            Refresh => verify_refresh(token, &KEYS, &refresh_tokens(), now).map(drop),
        }
    }

    /// A token with this header and payload, signed by the right key.
    fn forge(self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(payload));
        let signature = self.key(&KEYS).sign(input.as_bytes()).unwrap();
        format!("{input}.{signature}")
    }

    fn good(self) -> String {
        self.forge(&self.header().to_string(), &self.claims().to_string())
    }

    fn with_header(self, member: &str, value: Value) -> String {
        let mut header = self.header();
        header[member] = value;
        self.forge(&header.to_string(), &self.claims().to_string())
    }

    fn with_claim(self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.forge(&self.header().to_string(), &claims.to_string())
    }

    fn without_claim(self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        self.forge(&self.header().to_string(), &claims.to_string())
    }
}

/// For each line a test of that name, that both kinds of token are refused for that reason.
macro_rules! refused {
    ($($name:ident: |$kind:ident| $token:expr => $error:ident;)+) => {$(
        #[test]
        fn $name() {
            for $kind in [Access, Refresh] {
                let token: String = $token;
                assert_eq!($kind.verify(&token), Err(TokenError::$error), "{token}");
            }
        }
    )+};
}

#[test]
fn a_good_token_is_accepted() {
    for kind in [Access, Refresh] {
        assert_eq!(kind.verify(&kind.good()), Ok(()));
    }
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (keys, others) = (keys(algorithm), keys(algorithm));
        let claims: AccessClaims = serde_json::from_value(Access.claims()).unwrap();
        let token = super::super::sign(&claims, Access.key(&keys)).unwrap();
        assert_eq!(*verify_access(&token, &keys, &access_tokens(), Timestamp::from_seconds(NOW)).unwrap(), claims);
        let stranger = verify_access(&token, &others, &access_tokens(), Timestamp::from_seconds(NOW));
        assert_eq!(stranger.unwrap_err(), TokenError::UnknownKey);
    }
}

refused! {
    empty: |_kind| String::new() => Malformed;
    one_part: |kind| kind.good().replace('.', "") => Malformed;
    two_parts: |kind| kind.good().rsplit_once('.').unwrap().0.to_owned() => Malformed;
    four_parts: |kind| format!("{}.AAAA", kind.good()) => Malformed;
    json_serialization: |kind| json!({"payload": kind.good()}).to_string() => Malformed;
    space_in_front: |kind| format!(" {}", kind.good()) => Malformed;
    newline_behind: |kind| format!("{}\n", kind.good()) => Signature;
    padding: |kind| format!("{}=", kind.good()) => Signature;
    standard_base64: |kind| kind.good().replacen("ey", "+y", 1) => Malformed;
    not_ascii: |kind| format!("é{}", kind.good()) => Malformed;
    only_dots: |_kind| "..".to_owned() => Malformed;
    ten_kilobytes_of_dots: |_kind| ".".repeat(10_240) => TooLong;
    longer_than_any_of_ours: |kind| format!("{}{}", kind.good(), "A".repeat(4096)) => TooLong;

    header_not_json: |kind| kind.forge("no json", &kind.claims().to_string()) => Malformed;
    header_not_an_object: |kind| kind.forge("[]", &kind.claims().to_string()) => Malformed;
    header_with_a_member_twice: |kind| {
        let header = kind.header().to_string().replacen('{', "{\"typ\":\"at+jwt\",", 1);
        kind.forge(&header, &kind.claims().to_string())
    } => Malformed;
    header_with_bytes_behind: |kind| kind.forge(&format!("{}x", kind.header()), &kind.claims().to_string()) => Malformed;
    crit: |kind| kind.with_header("crit", json!(["exp"])) => Malformed;
    b64_false: |kind| kind.with_header("b64", json!(false)) => Malformed;
    embedded_key: |kind| kind.with_header("jwk", json!({"kty": "oct", "k": "AAAA"})) => Malformed;
    key_by_url: |kind| kind.with_header("jku", json!("https://evil.example/jwks.json")) => Malformed;
    certificate_by_url: |kind| kind.with_header("x5u", json!("https://evil.example/cert.pem")) => Malformed;
    embedded_certificate: |kind| kind.with_header("x5c", json!(["MIIB"])) => Malformed;
    no_key_id: |kind| kind.with_header("kid", Value::Null) => Malformed;
    unknown_key_id: |kind| kind.with_header("kid", json!("unknown")) => UnknownKey;
    empty_key_id: |kind| kind.with_header("kid", json!("")) => UnknownKey;
    key_id_is_a_path: |kind| kind.with_header("kid", json!("../../../../dev/null")) => UnknownKey;
    key_id_is_a_query: |kind| kind.with_header("kid", json!("x' UNION SELECT 'key';--")) => UnknownKey;
    key_id_is_long: |kind| kind.with_header("kid", json!("k".repeat(65))) => UnknownKey;
    no_type: |kind| kind.with_header("typ", Value::Null) => Malformed;
    type_jwt: |kind| kind.with_header("typ", json!("JWT")) => Type;
    type_in_upper_case: |kind| kind.with_header("typ", json!("AT+JWT")) => Type;
    algorithm_none: |kind| kind.with_header("alg", json!("none")) => Algorithm;
    algorithm_none_in_another_case: |kind| kind.with_header("alg", json!("nOnE")) => Algorithm;
    algorithm_none_and_no_signature: |kind| {
        let mut header = kind.header();
        header["alg"] = json!("none");
        format!("{}.{}.", encode(header.to_string()), encode(kind.claims().to_string()))
    } => Algorithm;
    algorithm_of_another_family: |kind| kind.with_header("alg", json!("PS256")) => Algorithm;
    algorithm_of_another_length: |kind| kind.with_header("alg", json!("HS512")) => Algorithm;

    no_signature: |kind| format!("{}.", kind.good().rsplit_once('.').unwrap().0) => Signature;
    signature_cut: |kind| kind.good()[..kind.good().len() - 4].to_owned() => Signature;
    signature_with_a_bit_flipped: |kind| {
        let good = kind.good();
        let (input, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = crate::encoding::decode(signature).unwrap();
        bytes[5] ^= 1;
        format!("{input}.{}", encode(bytes))
    } => Signature;
    signature_of_another_token: |kind| {
        let (good, other) = (kind.good(), kind.with_claim("sub", json!("eve")));
        format!("{}.{}", other.rsplit_once('.').unwrap().0, good.rsplit_once('.').unwrap().1)
    } => Signature;
    signed_by_another_key_with_the_same_key_id: |kind| {
        let strangers = keys(Algorithm::ES256);
        let good = kind.good();
        let input = good.rsplit_once('.').unwrap().0;
        format!("{input}.{}", kind.key(&strangers).sign(input.as_bytes()).unwrap())
    } => Signature;

    payload_not_json: |kind| kind.forge(&kind.header().to_string(), "no json") => Claims;
    payload_not_an_object: |kind| kind.forge(&kind.header().to_string(), "[]") => Claims;
    claim_twice: |kind| {
        let claims = kind.claims().to_string().replacen('{', "{\"sub\":\"eve\",", 1);
        kind.forge(&kind.header().to_string(), &claims)
    } => Claims;
    no_issuer: |kind| kind.without_claim("iss") => Claims;
    no_audience: |kind| kind.without_claim("aud") => Claims;
    no_subject: |kind| kind.without_claim("sub") => Claims;
    no_expiry: |kind| kind.without_claim("exp") => Claims;
    no_issue_time: |kind| kind.without_claim("iat") => Claims;
    issuer_is_a_list: |kind| kind.with_claim("iss", json!([ISSUER])) => Claims;
    subject_is_a_number: |kind| kind.with_claim("sub", json!(7)) => Claims;
    audience_is_a_list: |kind| {
        let audience = kind.claims()["aud"].clone();
        kind.with_claim("aud", json!(["x", audience]))
    } => Claims;
    audience_is_an_empty_list: |kind| kind.with_claim("aud", json!([])) => Claims;
    expiry_is_a_string: |kind| kind.with_claim("exp", json!((NOW + 900).to_string())) => Claims;
    expiry_is_a_fraction: |kind| kind.with_claim("exp", json!(1_800_000_900.5)) => Claims;
    expiry_is_null: |kind| kind.with_claim("exp", Value::Null) => Claims;
    expiry_is_negative: |kind| kind.with_claim("exp", json!(-1)) => Claims;
    expiry_is_beyond_all_numbers: |kind| kind.with_claim("exp", json!(1e308)) => Claims;
    expiry_is_beyond_the_calendar: |kind| kind.with_claim("exp", json!(u64::MAX)) => Claims;
    issue_time_is_a_string: |kind| kind.with_claim("iat", json!("now")) => Claims;
    start_is_a_string: |kind| kind.with_claim("nbf", json!("now")) => Claims;
    start_is_null: |kind| kind.with_claim("nbf", Value::Null) => Claims;

    issuer_empty: |kind| kind.with_claim("iss", json!("")) => Issuer;
    issuer_of_another_deployment: |kind| kind.with_claim("iss", json!("https://evil.example")) => Issuer;
    issuer_with_a_slash_behind: |kind| kind.with_claim("iss", json!(format!("{ISSUER}/"))) => Issuer;
    issuer_in_upper_case: |kind| kind.with_claim("iss", json!(ISSUER.to_uppercase())) => Issuer;
    issuer_that_starts_alike: |kind| kind.with_claim("iss", json!(format!("{ISSUER}.evil.example"))) => Issuer;
    issuer_cut: |kind| kind.with_claim("iss", json!(&ISSUER[..ISSUER.len() - 1])) => Issuer;
    audience_empty: |kind| kind.with_claim("aud", json!("")) => Audience;
    audience_of_another_api: |kind| kind.with_claim("aud", json!("https://other.example.com")) => Audience;
    audience_that_starts_alike: |kind| kind.with_claim("aud", json!(format!("{AUDIENCE}/v2"))) => Audience;
    audience_in_upper_case: |kind| kind.with_claim("aud", json!(AUDIENCE.to_uppercase())) => Audience;
    audience_is_the_issuer: |kind| kind.with_claim("aud", json!(ISSUER)) => Audience;

    expired_this_second: |kind| kind.with_claim("exp", json!(NOW)) => Expired;
    expired_long_ago: |kind| kind.with_claim("exp", json!(0)) => Expired;
    issued_in_the_future: |kind| kind.with_claim("iat", json!(NOW + 6)) => NotYetValid;
    starts_in_the_future: |kind| kind.with_claim("nbf", json!(NOW + 6)) => NotYetValid;
    lives_longer_than_any_setting_allows: |kind| kind.with_claim("exp", json!(NOW + 31_536_001)) => Lifetime;
    expires_before_it_was_issued: |kind| {
        let mut claims = kind.claims();
        claims["iat"] = json!(NOW + 5);
        claims["exp"] = json!(NOW + 4);
        kind.forge(&kind.header().to_string(), &claims.to_string())
    } => Lifetime;
}

#[test]
fn every_claim_is_needed() {
    for kind in [Access, Refresh] {
        for name in kind.claims().as_object().unwrap().keys() {
            assert_eq!(kind.verify(&kind.without_claim(name)), Err(TokenError::Claims), "{name}");
        }
    }
}

#[test]
fn the_longest_token_and_the_longest_life() {
    for kind in [Access, Refresh] {
        let padded = |bytes: usize| format!("{}{}", kind.good(), "A".repeat(bytes - kind.good().len()));
        assert_eq!(kind.verify(&padded(MAX_TOKEN_BYTES)), Err(TokenError::Signature));
        assert_eq!(kind.verify(&padded(MAX_TOKEN_BYTES + 1)), Err(TokenError::TooLong));
        let longest = match kind {
            Access => MAX_ACCESS_TOKEN_TTL,
            Refresh => MAX_SESSION_AGE,
        };
        let longest = longest.as_secs().cast_signed();
        assert_eq!(kind.verify(&kind.with_claim("exp", json!(NOW + longest))), Ok(()));
        assert_eq!(kind.verify(&kind.with_claim("exp", json!(NOW + longest + 1))), Err(TokenError::Lifetime));
    }
    assert_eq!(TokenError::TooLong.to_string(), "too_long");
}

#[test]
fn a_token_of_one_kind_is_never_one_of_the_other() {
    assert_eq!(Refresh.verify(&Access.good()), Err(TokenError::Type));
    assert_eq!(Access.verify(&Refresh.good()), Err(TokenError::Type));
    let disguised = Access.with_header("typ", json!("rt+jwt"));
    assert_eq!(Refresh.verify(&disguised), Err(TokenError::UnknownKey));
    let disguised = Refresh.with_header("typ", json!("at+jwt"));
    assert_eq!(Access.verify(&disguised), Err(TokenError::UnknownKey));
}

#[test]
fn the_public_key_is_no_hmac_key() {
    let public = serde_json::to_value(KEYS.public()).unwrap();
    let mut header = Access.header();
    header["alg"] = json!("HS256");
    let input = format!("{}.{}", encode(header.to_string()), encode(Access.claims().to_string()));
    let as_secret = jsonwebtoken::EncodingKey::from_secret(public["keys"][0].to_string().as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(input.as_bytes(), &as_secret, jsonwebtoken::Algorithm::HS256).unwrap();
    assert_eq!(Access.verify(&format!("{input}.{signature}")), Err(TokenError::Algorithm));
}

#[test]
fn stray_bits_at_the_end_of_a_signature_do_not_make_a_second_token() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for kind in [Access, Refresh] {
        let good = kind.good();
        let (rest, last) = good.split_at(good.len() - 1);
        let accepted = ALPHABET.iter().filter(|b| kind.verify(&format!("{rest}{}", char::from(**b))).is_ok());
        assert_eq!(accepted.map(|b| char::from(*b).to_string()).collect::<Vec<_>>(), [last]);
    }
}

#[test]
fn the_expiry_has_no_leeway_and_the_start_five_seconds() {
    for kind in [Access, Refresh] {
        let at = |millis| kind.verify_at(&kind.good(), Timestamp::from_millis(millis));
        assert_eq!(at((NOW + 900) * 1000 - 1), Ok(()));
        assert_eq!(at((NOW + 900) * 1000), Err(TokenError::Expired));
        assert_eq!(at((NOW - 5) * 1000), Ok(()));
        assert_eq!(at((NOW - 5) * 1000 - 1), Err(TokenError::NotYetValid));
        assert_eq!(kind.verify(&kind.with_claim("nbf", json!(NOW + 5))), Ok(()));
        assert_eq!(kind.verify(&kind.with_claim("iat", json!(NOW + 5))), Ok(()));
    }
}

#[test]
fn an_expired_refresh_token_still_ends_its_session_but_nothing_else_is_let_through() {
    let end = |token: &str, now| verify_refresh_to_end(token, &KEYS, &refresh_tokens(), now).map(drop);
    let much_later = Timestamp::from_seconds(NOW + 100_000);
    assert_eq!(end(&Refresh.good(), much_later), Ok(()));
    for (token, error) in [
        (Access.good(), TokenError::Type),
        (Refresh.with_claim("iss", json!("https://evil.example")), TokenError::Issuer),
        (Refresh.with_claim("aud", json!(AUDIENCE)), TokenError::Audience),
        (Refresh.with_claim("iat", json!(NOW + 100_006)), TokenError::NotYetValid),
        (Refresh.with_claim("exp", json!(NOW + 31_536_001)), TokenError::Lifetime),
        (Refresh.with_header("kid", json!("unknown")), TokenError::UnknownKey),
        (format!("{}x", Refresh.good()), TokenError::Signature),
    ] {
        assert_eq!(end(&token, much_later), Err(error), "{token}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", parts in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        for kind in [Access, Refresh] {
            prop_assert!(kind.verify(&text).is_err());
            prop_assert!(kind.verify(&parts).is_err());
        }
    }

    #[test]
    fn no_header_or_payload_panics(header in "\\PC{0,80}", payload in "\\PC{0,80}") {
        for kind in [Access, Refresh] {
            prop_assert!(kind.verify(&kind.forge(&header, &payload)).is_err());
        }
    }

    #[test]
    fn no_other_text_of_a_good_token_verifies(index in 0usize..400, byte in "[A-Za-z0-9_.-]") {
        for kind in [Access, Refresh] {
            let good = kind.good();
            let index = index % good.len();
            let mut changed = good.clone();
            changed.replace_range(index..=index, &byte);
            prop_assert_eq!(kind.verify(&changed).is_ok(), changed == good);
        }
    }
}
