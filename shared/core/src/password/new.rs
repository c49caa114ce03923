//! The rules for a password that is set (NIST SP 800-63B-4, OWASP ASVS 5.0 §6.2).
//!
//! Length, and a list of what everyone tries first. No rule about kinds of characters, no
//! change of what was typed: it is not trimmed, and its case and composition stay as they
//! are, here and at sign-in.

use crate::email::Email;
use crate::secret::Secret;

/// The most bytes of a password that bcrypt reads.
pub const MAX_BYTES: usize = 72;

/// The fewest Unicode code points of a password that is set.
pub const MIN_CODE_POINTS: usize = 8;

/// The most common passwords of 8 characters and more, in lower case.
const COMMON: &str = include_str!("../../common-passwords/common.txt");
/// The most common shorter ones, which are no better when repeated.
const SHORT: &str = include_str!("../../common-passwords/short.txt");

/// A password that satisfies the rules for setting one.
#[derive(Clone, Debug)]
pub struct NewPassword(Secret);

/// The rule that a new password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Fewer than [`MIN_CODE_POINTS`] code points.
    #[error("a password has at least {MIN_CODE_POINTS} characters")]
    TooShort,
    /// More than [`MAX_BYTES`] bytes of UTF-8.
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    /// Contains a NUL character.
    #[error("a password has no NUL character")]
    Nul,
    /// Among the most common, in any case, or one of them repeated.
    #[error("this password is among the first that everyone tries")]
    Common,
    /// The user's own email, a part of it, or this product's name, also repeated.
    #[error("this password is the email, a part of it, or the name of this product")]
    Context,
}

impl NewPassword {
    /// Checks a password that is to be set for a user.
    ///
    /// # Errors
    /// The [`PasswordRule`] it breaks.
    pub fn parse(text: &str, email: &Email) -> Result<Self, PasswordRule> {
        let password = Secret::new(text);
        if text.len() > MAX_BYTES {
            return Err(PasswordRule::TooLong);
        }
        if text.contains('\0') {
            return Err(PasswordRule::Nul);
        }
        if text.chars().count() < MIN_CODE_POINTS {
            return Err(PasswordRule::TooShort);
        }
        let lower = Secret::new(text.to_lowercase());
        let unit = repeated_unit(lower.expose());
        let is_in = |list: &str, word: &str| list.lines().any(|line| line == word);
        if is_in(COMMON, lower.expose()) || is_in(COMMON, unit) || is_in(SHORT, unit) {
            return Err(PasswordRule::Common);
        }
        let (local, domain) = email.as_str().split_once('@').unwrap_or_default();
        let mut own = domain.split('.').chain([email.as_str(), local, domain, "relatch"]);
        if own.any(|word| word == lower.expose() || word == unit) {
            return Err(PasswordRule::Context);
        }
        Ok(Self(password))
    }

    /// The password itself, to be hashed.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// The shortest text that gives this one when it is repeated: this one itself, mostly.
fn repeated_unit(text: &str) -> &str {
    let lengths = (1..=text.len() / 2).filter(|length| text.len().is_multiple_of(*length));
    let mut units = lengths.filter_map(|length| text.get(..length));
    units.find(|unit| unit.repeat(text.len() / unit.len()) == text).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn broken(text: &str) -> Option<PasswordRule> {
        NewPassword::parse(text, &Email::parse("ada.lovelace@analytical.example").unwrap()).err()
    }

    #[test]
    fn it_has_eight_characters_and_seventy_two_bytes() {
        assert_eq!(broken("1v3r~5x"), Some(PasswordRule::TooShort));
        assert_eq!(broken("🐴🐴🐴🐴🐴🐴🐴"), Some(PasswordRule::TooShort));
        assert_eq!(broken(&"🐴".repeat(19)), Some(PasswordRule::TooLong));
        assert_eq!(broken("12v45678\0"), Some(PasswordRule::Nul));
    }

    #[test]
    fn nothing_is_asked_of_its_characters() {
        let fine = [
            "84621973",
            "        ",
            "🐴🐴🐴🐴🐴🐴🐴🐴",
            "qlwmvneisbqpdjf",
            "correct horse battery staple",
            "  v9k~  ",
        ];
        for fine in fine.into_iter().chain([&*"🐴".repeat(18), &*"x".repeat(64)]) {
            assert_eq!(broken(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn what_everyone_tries_first_is_refused() {
        for common in [
            "password",
            "Password",
            "PASSWORD1",
            "12345678",
            "iloveyou",
            "passwordpassword",
            "abc123abc123",
            "Abc123abC123",
            "qwertyqwertyqwerty",
        ] {
            assert_eq!(broken(common), Some(PasswordRule::Common), "{common}");
        }
        assert_eq!(broken("password "), None, "nothing is trimmed to find it common");
    }

    #[test]
    fn what_is_known_of_the_user_is_refused() {
        for own in [
            "Ada.Lovelace@analytical.example",
            "ada.lovelace",
            "Analytical",
            "analyticalanalytical",
            "analytical.example",
            "relatchrelatch",
        ] {
            assert_eq!(broken(own), Some(PasswordRule::Context), "{own}");
        }
    }

    #[test]
    fn the_lists_have_the_form_that_is_compared() {
        for (list, lengths) in [(COMMON, 8..=MAX_BYTES), (SHORT, 4..=7)] {
            assert!(list.lines().count() > 1000 && list.lines().is_sorted());
            for word in list.lines() {
                assert!(lengths.contains(&word.chars().count()) && word.to_lowercase() == word, "{word:?}");
            }
        }
        assert!(COMMON.lines().count() >= 3000);
    }

    #[test]
    fn each_rule_is_told_and_no_password_is() {
        assert_eq!(PasswordRule::TooShort.to_string(), "a password has at least 8 characters");
        assert_eq!(PasswordRule::TooLong.to_string(), "a password has at most 72 bytes");
        assert_eq!(PasswordRule::Nul.to_string(), "a password has no NUL character");
        let email = Email::parse("ada@example.com").unwrap();
        let shown = format!("{:?}", NewPassword::parse("correct horse", &email).unwrap());
        assert_eq!(shown, "NewPassword(Secret(…))");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_a_repeated_one_is_found(unit in "\\PC{1,5}", times in 2usize..9) {
            let text = unit.repeat(times);
            let found = repeated_unit(&text);
            prop_assert!(found.len() <= unit.len() && found.repeat(text.len() / found.len()) == text);
            let _ = broken(&text);
        }
    }
}
