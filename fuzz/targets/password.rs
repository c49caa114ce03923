//! Any text as a stored hash, and a password after the first line break.
//!
//! Only hashes of the lowest cost are verified: the others take too long to be tried often.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch::Email;
use relatch::password::{self, MAX_BYTES, MIN_COST, NewPassword, PasswordHash};

fuzz_target!(|text: &str| {
    let (stored, presented) = text.split_once('\n').unwrap_or((text, ""));
    let parsed = PasswordHash::parse(stored);
    assert_eq!(parsed.as_ref().ok().map(PasswordHash::cost), parse_cost(stored), "{stored:?}");
    let Ok(hash) = parsed else { return };
    assert_eq!(hash.expose(), stored);
    if hash.cost() > MIN_COST {
        return;
    }
    if password::verify(presented, Some(&hash), MIN_COST) {
        assert!(presented.len() <= MAX_BYTES && !presented.contains('\0'));
    }
    let Ok(email) = Email::parse("ada@example.com") else { panic!("an email address") };
    if let Ok(new) = NewPassword::parse(presented, &email) {
        let Ok(hash) = PasswordHash::create(&new, MIN_COST, [7; 16]) else {
            panic!("the cost is one of bcrypt's")
        };
        assert!(password::verify(presented, Some(&hash), MIN_COST));
        assert!(!password::verify(&format!("{presented}x"), Some(&hash), MIN_COST));
    }
});

/// The cost of a bcrypt hash, read without any library; `None` of what is no such hash.
fn parse_cost(hash: &str) -> Option<u32> {
    let [b'$', b'2', b'a' | b'b' | b'y', b'$', tens, units, b'$', salt_and_hash @ ..] = hash.as_bytes() else {
        return None;
    };
    let values: Option<Vec<usize>> = salt_and_hash.iter().map(|b| ALPHABET.iter().position(|a| a == b)).collect();
    let values = values.filter(|values| values.len() == 53)?;
    // 22 characters hold 128 bits, and 31 hold 184: the bits beyond are zero.
    if values[21] % 16 != 0 || values[52] % 4 != 0 {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(10);
    Some(digit(*tens)? * 10 + digit(*units)?).filter(|cost| (4..=31).contains(cost))
}

/// bcrypt's own base64.
const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
