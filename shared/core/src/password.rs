//! Passwords: the rules for setting one, and the one place where bcrypt runs.
//!
//! # Why not simply `bcrypt::verify`
//!
//! - bcrypt reads at most 72 bytes. A longer password is *wrong* at sign-in and
//!   refused where one is set; it is never cut. (The crate's `non_truncating_*`
//!   functions refuse 72 bytes as well, because they count the closing NUL that
//!   the algorithm appends; 72 is allowed here.)
//! - A NUL ends a password for some implementations, and bcrypt's cyclic key
//!   cannot tell `"a"` from `"a\0a"`. A password with a NUL is therefore wrong
//!   at sign-in and refused where one is set.
//! - A sign-in that fails must cost the same for a user who does not exist, one
//!   without a password, one with an old, cheaper hash, and a wrong password.
//!   [`verify`] does 2^cost rounds whenever it answers no.
//! - A stored hash is input: `$2x$` (hashes of a library with a sign-extension
//!   bug), another scheme, or a cost of 31 (days of work) must not reach bcrypt.

mod new;

use std::fmt;

use crate::secret::Secret;

pub use new::{MAX_BYTES, MIN_CODE_POINTS, NewPassword, PasswordRule};

/// The lowest cost that bcrypt defines.
pub const MIN_COST: u32 = 4;

/// A bcrypt hash whose form and version have been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: Secret,
    cost: u32,
}

/// The text is not a bcrypt hash that can be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Not `$2a$`, `$2b$` or `$2y$`, two digits of cost, 22 + 31 characters.
    #[error("not a bcrypt hash ($2a$, $2b$ or $2y$)")]
    Malformed,
    /// `$2x$`: made by a library with a sign-extension bug.
    #[error("a $2x$ hash: made by a library with a known bug")]
    Version2x,
    /// A cost below 4 or above 31.
    #[error("a bcrypt cost outside 4 to 31")]
    Cost,
}

impl PasswordHash {
    /// Reads a stored bcrypt hash; `$2a$`, `$2b$` and `$2y$` mean the same.
    ///
    /// # Errors
    /// [`InvalidHash`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidHash> {
        if text.starts_with("$2x$") {
            return Err(InvalidHash::Version2x);
        }
        let parts: bcrypt::HashParts = text.parse().map_err(|_| InvalidHash::Malformed)?;
        // The crate reads the cost as a number, so "+5" would pass.
        if !text.get(4..6).is_some_and(|cost| cost.bytes().all(|b| b.is_ascii_digit())) {
            return Err(InvalidHash::Malformed);
        }
        let cost = parts.get_cost();
        if !(MIN_COST..=31).contains(&cost) {
            return Err(InvalidHash::Cost);
        }
        Ok(Self { text: Secret::new(text), cost })
    }

    /// Hashes a new password; takes 2^`cost` rounds.
    ///
    /// # Errors
    /// [`InvalidHash::Cost`] when `cost` is not 4 to 31.
    pub fn create(password: &NewPassword, cost: u32, salt: [u8; 16]) -> Result<Self, InvalidHash> {
        hash(password.expose(), cost, salt).ok_or(InvalidHash::Cost)
    }

    /// The hash in its usual form of 60 characters, for the store.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// The binary logarithm of the number of rounds.
    pub fn cost(&self) -> u32 {
        self.cost
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash(cost {})", self.cost)
    }
}

/// Whether a presented password is the one that was hashed.
///
/// A wrong one has cost 2^`cost` rounds of work, whatever the reason: no such user
/// (`stored` is `None`), a hash of lower cost (topped up with decoy rounds), a hash above
/// `cost` (not run at all), or a password that bcrypt cannot tell apart. A right one has
/// cost what its hash costs: to turn it down all the same takes a [`burn_remaining_work`].
pub fn verify(presented: &str, stored: Option<&PasswordHash>, cost: u32) -> bool {
    let usable = presented.len() <= MAX_BYTES && !presented.contains('\0');
    let Some(stored) = stored.filter(|stored| usable && stored.cost <= cost) else {
        decoy(cost);
        return false;
    };
    let is_right = matches(presented.as_bytes(), stored);
    if !is_right {
        burn_remaining_work(stored.cost, cost);
    }
    is_right
}

fn matches(presented: &[u8], stored: &PasswordHash) -> bool {
    #[cfg(test)]
    tests::count_rounds(stored.cost);
    #[expect(clippy::disallowed_methods, reason = "at most 72 bytes and no NUL: nothing is cut")]
    bcrypt::verify(presented, stored.expose()).unwrap_or(false)
}

/// Decoy rounds from the work of one cost to that of a higher one:
/// 2^from + (2^from + 2^(from+1) + … + 2^(to-1)) = 2^to.
pub fn burn_remaining_work(from: u32, to: u32) {
    (from..to).for_each(decoy);
}

/// A hash of the configured cost for a password that was right, if the stored one is
/// cheaper. `salt` is fresh random bytes.
pub fn rehash(right: &str, stored: &PasswordHash, cost: u32, salt: [u8; 16]) -> Option<PasswordHash> {
    (stored.cost < cost).then(|| hash(right, cost, salt)).flatten()
}

/// 2^`cost` rounds for nobody.
fn decoy(cost: u32) {
    std::hint::black_box(hash("decoy", cost, [0; 16]));
}

fn hash(password: &str, cost: u32, salt: [u8; 16]) -> Option<PasswordHash> {
    let parts = bcrypt::hash_with_salt(password, cost, salt).ok()?;
    #[cfg(test)]
    tests::count_rounds(cost);
    Some(PasswordHash { text: Secret::new(parts.to_string()), cost })
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::Email;
    use proptest::prelude::*;

    const SALT: [u8; 16] = [7; 16];

    thread_local! {
        static ROUNDS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    /// Every run of bcrypt counts its rounds here.
    pub(super) fn count_rounds(cost: u32) {
        ROUNDS.set(ROUNDS.get() + (1 << cost));
    }

    fn rounds(work: impl FnOnce()) -> u64 {
        let before = ROUNDS.get();
        work();
        ROUNDS.get() - before
    }

    fn hash_of(password: &str, cost: u32) -> PasswordHash {
        hash(password, cost, SALT).unwrap()
    }

    fn verify(presented: &str, stored: &PasswordHash) -> bool {
        super::verify(presented, Some(stored), stored.cost)
    }

    #[test]
    fn seventy_two_bytes_are_a_password_and_one_more_is_wrong() {
        let longest = "x".repeat(72);
        let stored = PasswordHash::create(
            &NewPassword::parse(&longest, &Email::parse("ada@example.com").unwrap()).unwrap(),
            4,
            SALT,
        )
        .unwrap();
        assert!(verify(&longest, &stored));
        assert!(!verify(&format!("{longest}y"), &stored));
        assert!(!verify(&longest[..71], &stored));
    }

    #[test]
    fn a_nul_neither_ends_a_password_nor_is_dropped() {
        assert!(!verify("a\0a", &hash_of("a", 4)));
        assert!(!verify("a", &hash_of("a\0b", 4)));
        assert!(!verify("a\0c", &hash_of("a\0b", 4)));
    }

    #[test]
    fn spaces_and_case_count() {
        let stored = hash_of(" Correct Horse ", 4);
        assert!(verify(" Correct Horse ", &stored));
        for other in ["Correct Horse", " correct horse ", " Correct Horse", "Correct Horse "] {
            assert!(!verify(other, &stored), "{other:?}");
        }
    }

    #[test]
    fn the_three_good_versions_verify_alike() {
        let text = hash_of("correct horse", 4).expose().to_owned();
        for version in ["$2a$", "$2b$", "$2y$"] {
            let stored = PasswordHash::parse(&text.replace("$2b$", version)).unwrap();
            assert!(verify("correct horse", &stored), "{version}");
        }
    }

    #[test]
    fn what_is_no_usable_hash_is_refused_before_any_work() {
        let good = hash_of("correct horse", 4).expose().to_owned();
        assert_eq!(PasswordHash::parse(&good.replace("$2b$", "$2x$")), Err(InvalidHash::Version2x));
        assert_eq!(PasswordHash::parse(&good.replace("$04$", "$03$")), Err(InvalidHash::Cost));
        assert_eq!(PasswordHash::parse(&good.replace("$04$", "$32$")), Err(InvalidHash::Cost));
        for text in [
            "",
            "plain",
            "$2b$04$",
            "$2b$04$short",
            &good[..59],
            &format!("{good}="),
            &good.replace("$2b$", "$2z$"),
            &good.replace("$04$", "$+4$"),
            &good.replace("$04$", "$xx$"),
            &"é".repeat(30),
            &good.replace('$', "£"),
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNo",
        ] {
            assert_eq!(PasswordHash::parse(text), Err(InvalidHash::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_hash_above_the_configured_cost_is_wrong_and_not_run() {
        let text = hash_of("correct horse", 4).expose().replace("$04$", "$31$");
        let days_of_work = PasswordHash::parse(&text).unwrap();
        assert_eq!(rounds(|| assert!(!super::verify("correct horse", Some(&days_of_work), 4))), 1 << 4);
    }

    #[test]
    fn a_cheaper_hash_is_replaced() {
        let upgraded = rehash("correct horse", &hash_of("correct horse", 4), 5, SALT).unwrap();
        assert_eq!(upgraded.cost(), 5);
        assert!(verify("correct horse", &upgraded));
        assert_eq!(rehash("correct horse", &upgraded, 5, SALT), None);
        assert_eq!(rehash("correct horse", &upgraded, 4, SALT), None);
    }

    /// A stranger who measures time learns nothing about who has which hash.
    #[test]
    fn every_no_costs_the_same_work() {
        const COST: u32 = 7;
        let hashes: Vec<_> = (4..=COST).map(|cost| hash_of("correct horse", cost)).collect();
        let dear = hash_of("correct horse", COST + 1);
        let too_long = "x".repeat(73);
        let no = |presented: &str, stored| rounds(|| assert!(!super::verify(presented, stored, COST)));
        assert_eq!(no("correct horse", None), 1 << COST);
        assert_eq!(no("correct horse", Some(&dear)), 1 << COST);
        for stored in &hashes {
            for wrong in ["wrong", "", "correct horse\0", &too_long] {
                assert_eq!(no(wrong, Some(stored)), 1 << COST, "{wrong:?} {stored:?}");
            }
            let disabled = || {
                assert!(super::verify("correct horse", Some(stored), COST));
                burn_remaining_work(stored.cost, COST);
            };
            assert_eq!(rounds(disabled), 1 << COST);
        }
    }

    #[test]
    fn each_refusal_says_why() {
        let texts = [InvalidHash::Malformed, InvalidHash::Version2x, InvalidHash::Cost].map(|why| why.to_string());
        assert!(
            texts[0].contains("not a bcrypt hash") && texts[1].contains("$2x$") && texts[2].contains("4 to 31")
        );
    }

    #[test]
    fn nothing_shows_in_debug() {
        assert_eq!(format!("{:?}", hash_of("secret", 4)), "PasswordHash(cost 4)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn more_than_72_bytes_never_verify(password in "[ -~]{72}", more in ".{1,40}") {
            let stored = hash_of(&password, 4);
            let longer = format!("{password}{more}");
            prop_assert!(verify(&password, &stored));
            prop_assert!(!verify(&longer, &stored));
        }

        #[test]
        fn no_stored_text_panics(text in ".{0,80}", tail in "[./A-Za-z0-9]{53}", cost in 0u32..40) {
            let _ = PasswordHash::parse(&text);
            if let Ok(stored) = PasswordHash::parse(&format!("$2b${cost:02}${tail}")) {
                prop_assert!(!super::verify("password", Some(&stored), 4));
            }
        }
    }
}
