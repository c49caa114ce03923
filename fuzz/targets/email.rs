//! Any text as an email: what is accepted has one normal form, the same for every spelling.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relatch::Email;
use relatch::user::UserId;

fuzz_target!(|text: &str| {
    let Ok(email) = Email::parse(text) else { return };
    let normal = email.as_str();
    assert!(normal.len() <= Email::MAX_BYTES);
    assert!(normal.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()));
    assert_eq!(normal.matches('@').count(), 1);
    for spelling in [normal, &text.to_ascii_uppercase(), &format!(" {text} ")] {
        assert!(Email::parse(spelling).is_ok_and(|other| other == email), "{spelling:?}");
    }
    assert!(UserId::parse(normal).is_err(), "an email is no id");
});
