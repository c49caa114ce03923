//! A user: an immutable id, the email it signs in with, and its state.

use crate::email::Email;
use crate::encoding;
use crate::password::{InvalidHash, PasswordHash};
use crate::time::Timestamp;

/// The `sub` of a user: an immutable, random id, never the email.
///
/// Ids that come from another system at import may be any 1 to 128 visible
/// ASCII characters that are no email address; ours are 22 of base64url (128 random
/// bits).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserId(String);

/// The text is not 1 to 128 visible ASCII characters, or is an email address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sub is 1 to 128 visible ASCII characters and no email address")]
pub struct InvalidUserId;

impl UserId {
    /// The id made of 128 random bits.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(encoding::encode(random))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`InvalidUserId`] when it is not 1 to 128 visible ASCII characters, or is an email
    /// address: emails change, and ids are in the log.
    pub fn parse(text: &str) -> Result<Self, InvalidUserId> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let fits = fits && Email::parse(text).is_err();
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidUserId) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a user may have tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserStatus {
    /// May sign in and refresh.
    Active,
    /// May neither sign in nor refresh.
    Disabled,
}

/// The one place where a user's state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The immutable id.
    pub id: UserId,
    /// The email it signs in with, for display.
    pub email: Email,
    /// Whether it may have tokens.
    pub status: UserStatus,
    /// Raised to end all sessions of the user at once; a session carries the
    /// epoch it was opened in and is dead when the two differ. It starts at the
    /// milliseconds of the user's making.
    pub epoch: u64,
    /// Raised with every change of the password, here and in the [`Credential`].
    pub credential_version: u64,
    /// When the user was made.
    pub created_at: Timestamp,
}

#[cfg(test)]
impl User {
    /// A user for tests, made at a time.
    pub(crate) fn ada(created_at: Timestamp) -> Self {
        Self {
            id: UserId::parse("ada").unwrap(),
            email: Email::parse("ada@example.com").unwrap(),
            status: UserStatus::Active,
            epoch: 3,
            credential_version: 1,
            created_at,
        }
    }
}

/// What a user signs in with: found by email, which makes emails unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is.
    pub user_id: UserId,
    /// The stored hash, or why it cannot be verified; `None` for a user without a password.
    pub password_hash: Option<Result<PasswordHash, InvalidHash>>,
    /// Equal to the user's, or the two reads straddled a password change.
    pub credential_version: u64,
    /// When the password was set.
    pub password_changed_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_other_systems_are_kept() {
        for id in ["auth0|5f7c8ec7c33c6c004bbafe82", "00u1a2b3", "a", &"x".repeat(128)] {
            assert_eq!(UserId::parse(id).unwrap().as_str(), id);
        }
        for id in ["", "a b", "a\n", "ä", "ada@example.com", &"x".repeat(129)] {
            assert_eq!(UserId::parse(id), Err(InvalidUserId), "{id:?}");
        }
    }
}
