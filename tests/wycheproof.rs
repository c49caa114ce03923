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
use relatch::config::{Config, Place};
use relatch::time::Timestamp;
use relatch::token::{
    Issuance, Key, KeySet, KeySetError, Purpose, TokenError, verify_access, verify_refresh, verify_refresh_to_end,
};
use serde::Deserialize;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

const SIGNATURES: &str = "json_web_signature_test.json";
const KEYS: &str = "json_web_key_test.json";

/// Invalid vectors whose text is that of a valid one, with its number: what they are to be
/// refused for, the padding, is not in them.
const VALID_ONES_AGAIN: [(u32, u32); 2] = [(367, 357), (370, 357)];

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
struct Answer {
    /// Of `KeySet::parse`, to the key as it stands.
    key: String,
    /// Of `Key::has_signed`, with the key as one of ours.
    signature: String,
    /// Of the verifier, to the vector in our form.
    token: String,
}

impl Answer {
    fn is_accepted(&self) -> bool {
        [&self.key, &self.signature, &self.token] == ["good", "yes", "accepted"]
    }
}

/// The folder with the vectors; without one a line says so, once, that cannot be overlooked.
static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    #[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
    let folder = std::env::var_os("WYCHEPROOF_DIR").filter(|folder| !folder.is_empty());
    if folder.is_none() {
        say("SKIPPED: WYCHEPROOF_DIR names no folder; NO VECTOR of Project Wycheproof was run");
    }
    folder.map(PathBuf::from)
});

/// Writes a line that is seen also if the test passes, unlike one of `println!`.
fn say(line: &str) {
    let mut terminal = std::io::stderr();
    writeln!(terminal, "\n{line}").unwrap();
}

/// The vectors of a file; `None` if they are not at hand.
fn read(file: &str) -> Option<Vectors> {
    let path = FOLDER.as_ref()?.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

/// What the README says of a file.
fn section(file: &str) -> &'static str {
    let readme = include_str!("vectors/wycheproof/README.md");
    readme.split("\n## ").find(|section| section.starts_with(&format!("`{file}`"))).unwrap()
}

/// The answers that the README lists under the name of a file.
fn listed(file: &str) -> BTreeMap<u32, Answer> {
    let mut answers = BTreeMap::new();
    for row in section(file).lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, ids, _, key, signature, token, _] = cells.as_slice() else { panic!("{row}") };
        for id in ids.split(", ") {
            let (first, last) = id.split_once('–').unwrap_or((id, id));
            for id in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                let [key, signature, token] =
                    [key, signature, token].map(|cell| cell.trim_matches('`').to_owned());
                assert!(answers.insert(id, Answer { key, signature, token }).is_none(), "{id} is there twice");
            }
        }
    }
    answers
}

/// A group's keys as a private JWK Set of ours, with nothing changed but what ours have
/// and others have not.
fn as_it_stands(private: &Value) -> Value {
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
fn as_ours(mut set: Value) -> Value {
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
fn in_our_form(vector: &Vector, group: &Group, purpose: Purpose, key: &Key) -> Option<String> {
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
    let signature = match key.has_signed(input.as_bytes(), signature) {
        true => key.sign(ours.as_bytes()).unwrap(),
        false => signature.to_owned(),
    };
    Some(format!("{ours}.{signature}"))
}

fn name_of(result: &Result<KeySet, KeySetError>) -> &'static str {
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
    let config = Config::from_lookup(Place::Local, |name| {
        let value = match name {
            "TOKEN_ISSUER" => "https://auth.example.com",
            "TOKEN_AUDIENCE" => "https://api.example.com",
            "USERS_TABLE" | "SESSIONS_TABLE" | "ATTEMPTS_TABLE" | "KEYS_TABLE" | "KEYS_FILE" => "x",
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let issuance = Issuance::new(&config.unwrap());
    [
        verify_access(token, keys, &issuance, NOW).unwrap_err(),
        verify_refresh(token, keys, &issuance, NOW).unwrap_err(),
        verify_refresh_to_end(token, keys, &issuance, NOW).unwrap_err(),
    ]
}

fn answer(vector: &Vector, group: &Group) -> Answer {
    let set = as_it_stands(&group.private);
    let key = name_of(&KeySet::parse(&set.to_string())).to_owned();
    let ours = KeySet::parse(&as_ours(set).to_string());
    let as_it_is = verify(&vector.jws, ours.as_ref().unwrap_or(&KeySet::default()));
    assert_eq!(as_it_is, [TokenError::Malformed; 3]);
    let keys = match ours {
        Ok(keys) => keys,
        unusable => return Answer { key, signature: name_of(&unusable).to_owned(), token: "–".to_owned() },
    };
    let purpose = keys.purposes().next().unwrap();
    // Where there are two, the vector names the first.
    let key_of_vector = keys.find(purpose, keys.kids().next().unwrap()).unwrap();
    let (input, signature) = vector.jws.rsplit_once('.').unwrap_or(("", &vector.jws));
    let signature = if key_of_vector.has_signed(input.as_bytes(), signature) { "yes" } else { "no" }.to_owned();
    let token = in_our_form(vector, group, purpose, key_of_vector).unwrap_or_else(|| vector.jws.clone());
    let [access, refresh, to_end] = verify(&token, &keys);
    assert_eq!(refresh, to_end);
    let token = match if purpose == Purpose::Access { access } else { refresh } {
        // The claims come last: all else was good.
        TokenError::Claims => "accepted".to_owned(),
        error => error.to_string(),
    };
    Answer { key, signature, token }
}

/// Every vector of a file gets the answer that is listed for it. Whatever the list says, no
/// invalid one is accepted but those above.
fn every_vector_is_answered_as_listed(file: &str) {
    let Some(vectors) = read(file) else { return };
    let listed = listed(file);
    let is_valid_one_again = |id| file == SIGNATURES && VALID_ONES_AGAIN.iter().any(|(again, _)| *again == id);
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    let [mut accepted, mut refused, mut left_out] = [0; 3];
    for group in &vectors.test_groups {
        for vector in &group.tests {
            let Vector { tc_id, comment, result, .. } = vector;
            let answer = answer(vector, group);
            match (result.as_str(), answer.is_accepted()) {
                ("valid", true) => accepted += 1,
                ("invalid", false) => refused += 1,
                ("valid", false) => left_out += 1,
                ("invalid", true) if is_valid_one_again(*tc_id) => left_out += 1,
                _ => wrong.push(format!("{tc_id} {comment}: {result}, but {answer:?}")),
            }
            if listed.get(tc_id) != Some(&answer) {
                wrong.push(format!("{tc_id} {comment}: {answer:?}, but listed is {:?}", listed.get(tc_id)));
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
    assert!(section(file).contains(&counts), "the README counts otherwise: {counts}");
    say(&format!("WYCHEPROOF {file}: {counts} See tests/vectors/wycheproof/README.md"));
}

#[test]
fn every_signature_is_answered_as_the_readme_says() {
    every_vector_is_answered_as_listed(SIGNATURES);
}

#[test]
fn every_key_is_answered_as_the_readme_says() {
    every_vector_is_answered_as_listed(KEYS);
}

#[test]
fn what_is_accepted_although_invalid_is_a_valid_vector_to_the_letter() {
    let Some(vectors) = read(SIGNATURES) else { return };
    let all: BTreeMap<u32, &Vector> =
        vectors.test_groups.iter().flat_map(|group| &group.tests).map(|vector| (vector.tc_id, vector)).collect();
    for (again, valid) in VALID_ONES_AGAIN {
        assert_eq!(all[&again].jws, all[&valid].jws);
        assert_eq!([&all[&again].result, &all[&valid].result], ["invalid", "valid"]);
    }
}

/// The JWK Set shows of a key what Wycheproof gives as its public half.
#[test]
fn the_public_halves_are_the_listed_ones() {
    let Some(vectors) = read(SIGNATURES) else { return };
    let mut count = 0;
    for group in vectors.test_groups {
        let (Some(public), Ok(keys)) = (&group.public, KeySet::parse(&as_it_stands(&group.private).to_string()))
        else {
            continue;
        };
        let ours = serde_json::to_value(keys.public()).unwrap();
        for member in ["kty", "alg", "n", "e", "crv", "x", "y"] {
            assert_eq!(ours["keys"][0].get(member), public.get(member), "{member}");
        }
        count += 1;
    }
    assert_eq!(count, 5);
}
