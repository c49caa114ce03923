//! The email address a user signs in with, in its one normal form.
//!
//! The grammar is small on purpose, and the same at sign-in, at import and
//! wherever an email is a key: spaces around the address are dropped, letters
//! become lower case, and the rest must be `local@domain` where
//!
//! - `local` is 1 to 64 of RFC 5321's `atext` characters and single dots
//!   between them (no quoted strings, no comments),
//! - `domain` is at least two labels of 1 to 63 letters, digits and inner
//!   hyphens, an internationalised domain in its `xn--` form,
//! - the whole is at most 254 bytes (RFC 5321 §4.5.3.1.3).
//!
//! Dots and `+tags` are kept: they are different mailboxes to most servers.

use std::fmt;

/// A syntactically valid email address in normal form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is not an email address of the grammar above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid email address")]
pub struct InvalidEmail;

impl Email {
    /// The longest address, in bytes.
    pub const MAX_BYTES: usize = 254;

    /// Reads an address and brings it to its normal form.
    ///
    /// ```
    /// use relatch::Email;
    /// assert_eq!(Email::parse(" Ada@Example.COM ")?.as_str(), "ada@example.com");
    /// assert!(Email::parse("ada@localhost").is_err());
    /// # Ok::<(), relatch::InvalidEmail>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidEmail`] when the text does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim_matches(' ');
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidEmail);
        }
        let (local, domain) = text.split_once('@').ok_or(InvalidEmail)?;
        if !is_local_part(local) || !is_domain(domain) {
            return Err(InvalidEmail);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atext = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    (1..=64).contains(&local.len()) && local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    domain.contains('.') && domain.split('.').all(is_label)
}

/// Personal data: shown by its domain only.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email(…@{})", self.0.split_once('@').map_or("", |(_, domain)| domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_surrounding_spaces_do_not_matter() {
        for spelling in ["ada@example.com", "ADA@EXAMPLE.COM", "  Ada@Example.Com "] {
            assert_eq!(Email::parse(spelling).unwrap().as_str(), "ada@example.com");
        }
    }

    #[test]
    fn dots_and_tags_are_kept() {
        assert_eq!(Email::parse("a.b+c@example.com").unwrap().as_str(), "a.b+c@example.com");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_label = format!("a@{}.com", "b".repeat(64));
        let long =
            format!("{}@{}.com", "a".repeat(60), ["b".repeat(63), "c".repeat(63), "d".repeat(63)].join("."));
        for text in [
            "",
            " ",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@@example.com",
            "a@b@c.com",
            "a b@example.com",
            "ada@exa mple.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com.",
            "ada\n@example.com",
            "ada\0@example.com",
            "\"ada\"@example.com",
            "ada@[127.0.0.1]",
            "adä@example.com",
            "ada@exämple.com",
            "\tada@example.com",
            &long_local,
            &long_label,
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn the_longest_address_is_254_bytes() {
        let domain = [63, 63, 57].map(|n| "d".repeat(n)).join(".");
        let fits = format!("{}@{domain}", "a".repeat(64));
        assert_eq!(fits.len(), 250);
        assert!(Email::parse(&format!("{fits}.com")).is_ok());
        assert_eq!(Email::parse(&format!("{fits}.info")), Err(InvalidEmail));
    }

    #[test]
    fn debug_hides_the_mailbox() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "Email(…@example.com)");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_the_normal_form_is_its_own_normal_form(text in ".{0,300}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert!(email.as_str().len() <= Email::MAX_BYTES);
            }
        }

        #[test]
        fn every_case_of_an_address_is_one_user(local in "[A-Za-z0-9]{1,20}", domain in "[A-Za-z0-9]{1,20}\\.[A-Za-z]{2,6}") {
            let spelling = format!("{local}@{domain}");
            prop_assert_eq!(Email::parse(&spelling), Email::parse(&spelling.to_uppercase()));
        }
    }
}
