//! Project Wycheproof's vectors for JSON Web Signatures and JSON Web Keys get the answers
//! that vectors/wycheproof/README.md lists, vector by vector. `WYCHEPROOF_DIR` names the
//! folder that holds them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use relatch::keys::{Key, KeySet, KeySetError, Purpose};
use relatch::time::Timestamp;
use relatch::token::{
    ExpectedClaims, TokenError, refresh_audience, verify_access, verify_refresh, verify_refresh_to_end,
};
use serde::Deserialize;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const SIGNATURES: &str = "json_web_signature_test.json";
const KEYS: &str = "json_web_key_test.json";

/// Invalid vectors whose text is that of a valid one, with its number: what they are to be
/// refused for, the padding, is not in them.
const REPEATED_VALID_VECTORS: [(u32, u32); 2] = [(367, 357), (370, 357)];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    private: Value,
    public: Option<Value>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    jws: String,
    result: String,
}

/// What becomes of a vector: the last three cells of its row in the README.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// Of `KeySet::parse`, to the key as it stands.
    key: String,
    /// Of `Key::verify_signature`, with the key as one of ours.
    signature: String,
    /// Of the verifier, to the vector in our form.
    token: String,
}

impl Verdict {
    fn is_accepted(&self) -> bool {
        [&self.key, &self.signature, &self.token] == ["good", "yes", "accepted"]
    }
}

/// The folder with the vectors; without one a line says so, once, that cannot be overlooked.
static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    #[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
    let folder = std::env::var_os("WYCHEPROOF_DIR").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        print_line("SKIPPED: WYCHEPROOF_DIR names no folder; NO VECTOR of Project Wycheproof was run");
    }
    folder.map(PathBuf::from)
});

/// Writes a line that is seen also if the test passes, unlike one of `println!`.
fn print_line(line: &str) {
    let mut terminal = std::io::stderr();
    writeln!(terminal, "\n{line}").unwrap();
}

/// The vectors of a file; `None` if they are not at hand.
fn read_vectors(file: &str) -> Option<Vectors> {
    let path = FOLDER.as_ref()?.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// What the README says of a file.
fn readme_section(file: &str) -> &'static str {
    let readme = include_str!("vectors/wycheproof/README.md");
    readme.split("\n## ").find(|section| section.starts_with(&format!("`{file}`"))).unwrap()
}

/// The answers that the README lists under the name of a file.
fn listed_verdicts(file: &str) -> BTreeMap<u32, Verdict> {
    let mut verdicts = BTreeMap::new();
    for row in
        readme_section(file).lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, ids, _, key, signature, token, _] = cells.as_slice() else { panic!("{row}") };
        for id in ids.split(", ") {
            let (first, last) = id.split_once('–').unwrap_or((id, id));
            for id in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                let [key, signature, token] =
                    [key, signature, token].map(|cell| cell.trim_matches('`').to_owned());
                assert!(verdicts.insert(id, Verdict { key, signature, token }).is_none(), "{id} is there twice");
            }
        }
    }
    verdicts
}

/// A group's keys as a private JWK Set of ours, with nothing changed but what ours have
/// and others have not.
fn private_jwk_set(private: &Value) -> Value {
    let mut keys = private["keys"].as_array().cloned().unwrap_or_else(|| vec![private.clone()]);
    for key in &mut keys {
        key["purpose"] = json!(if key["kty"] == "oct" { "refresh" } else { "access" });
        key["nbf"] = json!(0);
        key["kid"] = json!(our_kid(key["kid"].as_str().unwrap()));
    }
    json!({"keys": keys})
}

/// The same keys under an algorithm of ours, whatever theirs was: so the signatures are
/// checked too.
fn with_our_algorithms(mut set: Value) -> Value {
    for key in set["keys"].as_array_mut().unwrap() {
        key["alg"] = json!(match key["kty"].as_str().unwrap() {
            "RSA" => "RS256",
            "EC" => "ES256",
            _ => "HS256",
        });
    }
    set
}

/// A `kid` in our form.
fn our_kid(kid: &str) -> String {
    kid.replace(['@', '.'], "_")
}

/// A vector as a token of ours: its header says `typ`, and what was well signed before is
/// signed again. What is no base64url in the header stays in it, at the end.
fn as_our_token(vector: &Vector, group: &Group, purpose: Purpose, key: &Key) -> Option<String> {
    let (input, signature) = vector.jws.rsplit_once('.')?;
    let (header, payload) = input.split_once('.')?;
    let (text, stray): (String, String) =
        header.chars().partition(|c| c.is_ascii_alphanumeric() || "-_".contains(*c));
    let typ = if purpose == Purpose::Access { "{\"typ\":\"at+jwt\"," } else { "{\"typ\":\"rt+jwt\"," };
    let json = String::from_utf8(BASE64URL.decode(text).unwrap()).unwrap().replacen('{', typ, 1);
    let json = match group.private["kid"].as_str() {
        Some(kid) => json.replace(kid, &our_kid(kid)),
        None => json,
    };
    let ours = format!("{}{stray}.{payload}", BASE64URL.encode(json));
    let signature = match key.verify_signature(input.as_bytes(), signature) {
        true => key.sign(ours.as_bytes()).unwrap(),
        false => signature.to_owned(),
    };
    Some(format!("{ours}.{signature}"))
}

fn key_verdict(result: &Result<KeySet, KeySetError>) -> &'static str {
    match result {
        Ok(_) => "good",
        Err(KeySetError::Malformed) => "malformed",
        Err(KeySetError::Empty) => "empty",
        Err(KeySetError::KeyId) => "kid",
        Err(KeySetError::Duplicate(_)) => "duplicate",
        Err(KeySetError::Unusable(_)) => "unusable",
    }
}

/// What each public verifier says to a token; none accepts a vector, since none has our claims.
fn verify(token: &str, keys: &KeySet) -> [TokenError; 3] {
    let issuer = "https://auth.example.com".to_owned();
    let access = ExpectedClaims { issuer: issuer.clone(), audience: "https://api.example.com".to_owned() };
    let refresh = ExpectedClaims { audience: refresh_audience(&issuer), issuer };
    [
        verify_access(token, keys, &access, NOW).unwrap_err(),
        verify_refresh(token, keys, &refresh, NOW).unwrap_err(),
        verify_refresh_to_end(token, keys, &refresh, NOW).unwrap_err(),
    ]
}

fn judge(vector: &Vector, group: &Group) -> Verdict {
    let set = private_jwk_set(&group.private);
    let key = key_verdict(&KeySet::parse(&set.to_string())).to_owned();
    let ours = KeySet::parse(&with_our_algorithms(set).to_string());
    let unchanged = verify(&vector.jws, ours.as_ref().unwrap_or(&KeySet::default()));
    assert_eq!(unchanged, [TokenError::Malformed; 3]);
    let keys = match ours {
        Ok(keys) => keys,
        unusable => return Verdict { key, signature: key_verdict(&unusable).to_owned(), token: "–".to_owned() },
    };
    let purpose = keys.purposes().next().unwrap();
    // Where there are two, the vector names the first.
    let key_of_vector = keys.find(purpose, keys.kids().next().unwrap()).unwrap();
    let (input, signature) = vector.jws.rsplit_once('.').unwrap_or(("", &vector.jws));
    let signature =
        if key_of_vector.verify_signature(input.as_bytes(), signature) { "yes" } else { "no" }.to_owned();
    let token = as_our_token(vector, group, purpose, key_of_vector).unwrap_or_else(|| vector.jws.clone());
    let [access, refresh, to_end] = verify(&token, &keys);
    assert_eq!(refresh, to_end);
    let token = match if purpose == Purpose::Access { access } else { refresh } {
        // The claims come last: all else was good.
        TokenError::Claims => "accepted".to_owned(),
        error => error.to_string(),
    };
    Verdict { key, signature, token }
}

/// Every vector of a file gets the answer that is listed for it. Whatever the list says, no
/// invalid one is accepted but those above.
fn expect_listed_verdicts(file: &str) {
    let Some(vectors) = read_vectors(file) else { return };
    let listed = listed_verdicts(file);
    let is_repeated_valid_vector =
        |id| file == SIGNATURES && REPEATED_VALID_VECTORS.iter().any(|(again, _)| *again == id);
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    let [mut accepted, mut refused, mut left_out] = [0; 3];
    for group in &vectors.test_groups {
        for vector in &group.tests {
            let Vector { tc_id, comment, result, .. } = vector;
            let verdict = judge(vector, group);
            match (result.as_str(), verdict.is_accepted()) {
                ("valid", true) => accepted += 1,
                ("invalid", false) => refused += 1,
                ("valid", false) => left_out += 1,
                ("invalid", true) if is_repeated_valid_vector(*tc_id) => left_out += 1,
                _ => wrong.push(format!("{tc_id} {comment}: {result}, but {verdict:?}")),
            }
            if listed.get(tc_id) != Some(&verdict) {
                wrong.push(format!("{tc_id} {comment}: {verdict:?}, but listed is {:?}", listed.get(tc_id)));
            }
            assert!(ids.insert(*tc_id), "{tc_id} is there twice");
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    assert!(listed.keys().eq(&ids), "the README lists other vectors than there are");
    assert!(ids.len() == vectors.number_of_tests && accepted > 0 && refused > 0);
    let counts = format!(
        "{} vectors: {accepted} valid ones accepted, {refused} invalid ones refused, {left_out} left out.",
        ids.len()
    );
    assert!(readme_section(file).contains(&counts), "the README counts otherwise: {counts}");
    print_line(&format!("WYCHEPROOF {file}: {counts} See tests/vectors/wycheproof/README.md"));
}

#[test]
fn every_signature_is_answered_as_the_readme_says() {
    expect_listed_verdicts(SIGNATURES);
}

#[test]
fn every_key_is_answered_as_the_readme_says() {
    expect_listed_verdicts(KEYS);
}

#[test]
fn what_is_accepted_although_invalid_is_a_valid_vector_to_the_letter() {
    let Some(vectors) = read_vectors(SIGNATURES) else { return };
    let all: BTreeMap<u32, &Vector> =
        vectors.test_groups.iter().flat_map(|group| &group.tests).map(|vector| (vector.tc_id, vector)).collect();
    for (again, valid) in REPEATED_VALID_VECTORS {
        assert_eq!(all[&again].jws, all[&valid].jws);
        assert_eq!([&all[&again].result, &all[&valid].result], ["invalid", "valid"]);
    }
}

/// The JWK Set shows of a key what Wycheproof gives as its public half.
#[test]
fn the_public_halves_are_the_listed_ones() {
    let Some(vectors) = read_vectors(SIGNATURES) else { return };
    let mut count = 0;
    for group in vectors.test_groups {
        let (Some(public), Ok(keys)) =
            (&group.public, KeySet::parse(&private_jwk_set(&group.private).to_string()))
        else {
            continue;
        };
        let ours = serde_json::to_value(keys.public()).unwrap();
        for field in ["kty", "alg", "n", "e", "crv", "x", "y"] {
            assert_eq!(ours["keys"][0].get(field), public.get(field), "{field}");
        }
        count += 1;
    }
    assert_eq!(count, 5);
}
