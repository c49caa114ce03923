//! Issued tokens with anything changed: none verifies. With the changed claims signed
//! again, what verifies says what a token of ours may say.
#![no_main]

mod deployment;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deployment::{ISSUED_TOKENS, KEYS, Kind, NOW};
use libfuzzer_sys::fuzz_target;
use relatch::time::Timestamp;
use serde_json::Value;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: Kind,
    edits: Vec<Edit<'a>>,
    /// Whether the key signs what the edits have made of the header and the claims.
    is_signed_again: bool,
    /// When it is verified, in seconds after it was issued.
    seconds_after_issue: i32,
}

/// Replaces some bytes by others.
#[derive(Arbitrary, Debug)]
struct Edit<'a> {
    part: Part,
    start: u16,
    removed: u16,
    inserted: &'a [u8],
}

#[derive(Arbitrary, Debug, PartialEq)]
enum Part {
    Header,
    Claims,
    Signature,
    /// The whole text.
    Text,
}

impl Input<'_> {
    /// Makes all edits of one part.
    fn apply_edits(&self, part: &Part, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for edit in self.edits.iter().filter(|edit| edit.part == *part) {
            let start = usize::from(edit.start).min(bytes.len());
            let end = (start + usize::from(edit.removed)).min(bytes.len());
            bytes.splice(start..end, edit.inserted.iter().copied());
        }
        bytes
    }

    fn token(&self) -> String {
        let parts: Vec<Vec<u8>> =
            ISSUED_TOKENS[&self.kind].split('.').filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("a token has three parts") };
        let encode = |part, bytes| URL_SAFE_NO_PAD.encode(self.apply_edits(&part, bytes));
        let input = format!("{}.{}", encode(Part::Header, header), encode(Part::Claims, claims));
        if self.is_signed_again {
            let signature = self.kind.signing_key(&KEYS).sign(input.as_bytes()).unwrap_or_default();
            return format!("{input}.{signature}");
        }
        let token = format!("{input}.{}", encode(Part::Signature, signature));
        String::from_utf8_lossy(&self.apply_edits(&Part::Text, token.as_bytes())).into_owned()
    }
}

fuzz_target!(|input: Input| {
    let token = input.token();
    let now = Timestamp::from_seconds(NOW.seconds() + i64::from(input.seconds_after_issue));
    for kind in [Kind::Access, Kind::Refresh] {
        let (is_verified, may_end) = kind.verify(&token, now);
        assert!(may_end.is_none_or(|may_end| may_end || !is_verified), "what may refresh may also end");
        if may_end.unwrap_or(is_verified) {
            assert!(kind == input.kind, "one kind is no other");
            assert!(input.is_signed_again || token == ISSUED_TOKENS[&kind], "{token} was never issued");
            check_claims(&token, kind, may_end.is_some() && !is_verified, now.seconds());
        }
        if token == ISSUED_TOKENS[&kind] {
            let is_valid_now = now.seconds() >= NOW.seconds() - 5 && now < NOW + kind.lifetime();
            assert_eq!(is_verified, is_valid_now);
        }
    }
});

/// A token that verifies has exactly the header of one that was issued, and claims that
/// hold, read from the text by themselves.
fn check_claims(token: &str, kind: Kind, is_expired: bool, now: i64) {
    let decode_part = |text: &str, index| -> Value {
        let bytes = text.split('.').nth(index).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    };
    let issued = &ISSUED_TOKENS[&kind];
    assert_eq!(decode_part(token, 0), decode_part(issued, 0));
    let (claims, issued_claims) = (decode_part(token, 1), decode_part(issued, 1));
    assert_eq!((&claims["iss"], &claims["aud"]), (&issued_claims["iss"], &issued_claims["aud"]));
    for (name, value) in issued_claims.as_object().into_iter().flatten() {
        let has_same_type = std::mem::discriminant(value) == std::mem::discriminant(&claims[name]);
        assert!(has_same_type || (name == "scope" && claims[name].is_null()), "{name}: {}", claims[name]);
    }
    let seconds = |name: &str| claims[name].as_i64();
    let (Some(exp), Some(iat)) = (seconds("exp"), seconds("iat")) else { panic!("{claims}") };
    assert!((exp <= now) == is_expired && iat < exp && iat <= now + 5);
    assert!(claims.get("nbf").is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= now + 5)));
}
