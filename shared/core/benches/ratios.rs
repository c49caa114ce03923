//! What the library adds to the raw operation: a signature against the same one by a parsed key,
//! a comparison of a password against `bcrypt` itself. The two take turns; the ratio is the
//! median of the turns'.
//!
//! ```sh
//! cargo bench -p relatch --bench ratios [-- TURNS]
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark says what it found")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use jsonwebtoken::{EncodingKey, Header};
use pkcs1::der::Decode as _;
use relatch::keys::{Algorithm, KeySet, Purpose, generate};
use relatch::password::{self, PasswordHash};
use relatch::time::Timestamp;
use relatch::token::{AccessClaims, NumericDate, sign};

/// How long one turn of one operation takes, about.
const TURN_DURATION: Duration = Duration::from_millis(20);

fn main() {
    let turns = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(50);
    let generator = SystemRandom::new();
    println!("{:<36} {:>10} {:>10} {:>8}", "operation", "raw µs", "µs", "ratio");

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let sign_rsa = |message: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &generator, message, &mut signature).unwrap();
        signature
    };
    let pkcs8: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let pkcs1 = pkcs8::PrivateKeyInfoRef::from_der(pkcs8.as_ref()).unwrap().private_key;
    let stock_key = EncodingKey::from_rsa_der(pkcs1.as_bytes());
    compare_signatures(Algorithm::RS256, sign_rsa, (jsonwebtoken::Algorithm::RS256, &stock_key), turns);

    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let sign_p256 = |message: &[u8]| p256.sign(&generator, message).unwrap().as_ref().to_vec();
    let stock_key = EncodingKey::from_ec_der(p256.to_pkcs8v1().unwrap().as_ref());
    compare_signatures(Algorithm::ES256, sign_p256, (jsonwebtoken::Algorithm::ES256, &stock_key), turns);

    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let sign_ed25519 = |message: &[u8]| ed25519.sign(message).as_ref().to_vec();
    let stock_key = EncodingKey::from_ed_der(ed25519.to_pkcs8().unwrap().as_ref());
    compare_signatures(Algorithm::EdDSA, sign_ed25519, (jsonwebtoken::Algorithm::EdDSA, &stock_key), turns);

    let hash = raw_bcrypt("correct horse battery staple");
    let stored = PasswordHash::parse(&hash).unwrap();
    compare(
        "verify, cost 8, against bcrypt",
        || drop(black_box(raw_bcrypt("correct horse battery staple"))),
        || assert!(password::verify("correct horse battery staple", Some(&stored), 8)),
        turns,
    );
}

fn raw_bcrypt(password: &str) -> String {
    bcrypt::hash_with_salt(password, 8, [7; 16]).unwrap().to_string()
}

fn compare_signatures(
    algorithm: Algorithm,
    raw: impl Fn(&[u8]) -> Vec<u8>,
    (stock_algorithm, stock_key): (jsonwebtoken::Algorithm, &EncodingKey),
    turns: usize,
) {
    let now = Timestamp::from_seconds(1_800_000_000);
    let keys = KeySet::parse(generate(algorithm, now).unwrap().expose()).unwrap();
    let key = keys.signing_key(Purpose::Access, now).unwrap();
    let claims = AccessClaims {
        iss: "https://auth.example.com".to_owned(),
        aud: "https://api.example.com".to_owned(),
        sub: "BMm9yqGPnV2hTjZ0wYyWcQ".to_owned(),
        exp: NumericDate::from_timestamp(now + Duration::from_secs(900)),
        iat: NumericDate::from_timestamp(now),
        nbf: None,
        jti: "o1xJm3s1S0v6xg9cHq2n4A".to_owned(),
        client_id: "relatch".to_owned(),
        scope: None,
        sid: "Zm9vYmFyYmF6cXV4Zm9vYg".to_owned(),
        auth_time: NumericDate::from_timestamp(now),
        user_email: "ada@example.com".to_owned(),
    };
    let token = sign(&claims, key).unwrap();
    let message = token.rsplit_once('.').unwrap().0;
    let name = algorithm.name();
    compare(
        &format!("sign, {name}"),
        || drop(black_box(raw(message.as_bytes()))),
        || drop(black_box(sign(&claims, key).unwrap())),
        turns,
    );
    let mut header = Header::new(stock_algorithm);
    header.kid = Some(key.kid().to_owned());
    #[expect(clippy::disallowed_methods, reason = "what is not used is measured here")]
    let sign_stock = || drop(black_box(jsonwebtoken::encode(&header, &claims, stock_key).unwrap()));
    compare(
        &format!("jsonwebtoken::encode, {name}"),
        || drop(black_box(raw(message.as_bytes()))),
        sign_stock,
        turns,
    );
}

fn compare(operation: &str, raw: impl Fn(), ours: impl Fn(), turns: usize) {
    let time_once = |work: &dyn Fn()| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    // The first one of each fills caches.
    let slowest = time_once(&raw).max(time_once(&ours)).max(time_once(&raw));
    let repetitions = (TURN_DURATION.as_nanos() / slowest.as_nanos()).clamp(1, 10_000);
    let time_turn = |work: &dyn Fn()| {
        let started = Instant::now();
        (0..repetitions).for_each(|_| work());
        started.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(repetitions).unwrap())
    };
    let pairs: Vec<(f64, f64)> = (0..turns).map(|_| (time_turn(&raw), time_turn(&ours))).collect();
    let median_of = |figure: fn(&(f64, f64)) -> f64| {
        let mut figures: Vec<f64> = pairs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    println!(
        "{operation:<36} {:>10.1} {:>10.1} {:>8.3}",
        median_of(|pair| pair.0),
        median_of(|pair| pair.1),
        median_of(|pair| pair.1 / pair.0)
    );
}
