//! Issued tokens with anything changed: none verifies. With the changed claims signed
//! again, what verifies says what a token of ours may say.
#![no_main]

mod issued;

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use issued::{ISSUED, KEYS, Kind, NOW};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: Kind,
    edits: Vec<Edit<'a>>,
    /// Whether the key signs what the edits have made of the header and the claims.
    signed_again: bool,
    /// When it is verified, in seconds after it was issued.
    later: i32,
}

/// Some bytes in place of others.
#[derive(Arbitrary, Debug)]
struct Edit<'a> {
    part: Part,
    at: u16,
    cut: u16,
    put: &'a [u8],
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
    /// The bytes with all edits of one part.
    fn edited(&self, part: &Part, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for edit in self.edits.iter().filter(|edit| edit.part == *part) {
            let at = usize::from(edit.at).min(bytes.len());
            let end = (at + usize::from(edit.cut)).min(bytes.len());
            bytes.splice(at..end, edit.put.iter().copied());
        }
        bytes
    }

    fn token(&self) -> String {
        let parts: Vec<Vec<u8>> =
            ISSUED[&self.kind].split('.').filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok()).collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("a token has three parts") };
        let encode = |part, bytes| URL_SAFE_NO_PAD.encode(self.edited(&part, bytes));
        let input = format!("{}.{}", encode(Part::Header, header), encode(Part::Claims, claims));
        if self.signed_again {
            let signature = self.kind.key(&KEYS).sign(input.as_bytes()).unwrap_or_default();
            return format!("{input}.{signature}");
        }
        let token = format!("{input}.{}", encode(Part::Signature, signature));
        String::from_utf8_lossy(&self.edited(&Part::Text, token.as_bytes())).into_owned()
    }
}

fuzz_target!(|input: Input| {
    let token = input.token();
    let now = NOW.plus_seconds(input.later.into());
    for kind in [Kind::Access, Kind::Refresh] {
        let (verified, to_end) = kind.verify(&token, now);
        assert!(to_end.is_none_or(|to_end| to_end || !verified), "what may refresh may also end");
        if to_end.unwrap_or(verified) {
            assert!(kind == input.kind, "one kind is no other");
            assert!(input.signed_again || token == ISSUED[&kind], "{token} was never issued");
            check(&token, kind, to_end.is_some() && !verified, now.seconds());
        }
        if token == ISSUED[&kind] {
            let is_of_its_time = (-5..kind.life()).contains(&i64::from(input.later));
            assert_eq!(verified, is_of_its_time);
        }
    }
});

/// A token that verifies has exactly the header of one that was issued, and claims that
/// hold, read from the text by themselves.
fn check(token: &str, kind: Kind, is_expired: bool, now: i64) {
    let part = |text: &str, number| -> Value {
        let bytes = text.split('.').nth(number).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    };
    let issued = &ISSUED[&kind];
    assert_eq!(part(token, 0), part(issued, 0));
    let (claims, good) = (part(token, 1), part(issued, 1));
    assert_eq!((&claims["iss"], &claims["aud"]), (&good["iss"], &good["aud"]));
    for (name, value) in good.as_object().into_iter().flatten() {
        let same_type = std::mem::discriminant(value) == std::mem::discriminant(&claims[name]);
        assert!(same_type || (name == "scope" && claims[name].is_null()), "{name}: {}", claims[name]);
    }
    let seconds = |name: &str| claims[name].as_i64();
    let (Some(exp), Some(iat)) = (seconds("exp"), seconds("iat")) else { panic!("{claims}") };
    assert!((exp <= now) == is_expired && iat < exp && iat <= now + 5);
    assert!(claims.get("nbf").is_none_or(|nbf| nbf.as_i64().is_some_and(|nbf| nbf <= now + 5)));
}
