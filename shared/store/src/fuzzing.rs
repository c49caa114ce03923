//! The readers of items for `fuzz/`, which has no other way to them. No normal build has this.

use crate::failure::Failure;
use crate::item::{Attributes, Item};
use crate::{sessions, users};
use relatch::session::Session;
use relatch::user::{Credential, User, UserId};

/// What is read of an item of the sessions' table.
///
/// # Errors
/// [`Failure::Internal`] that names an attribute.
pub fn session(attributes: Attributes) -> Result<Session, Failure> {
    sessions::parse_session(&Item { operation: "fuzz", attributes })
}

/// The item that is written of a session.
pub fn session_attributes(session: &Session) -> Attributes {
    sessions::to_attributes(session)
}

/// What is read of the state of a user.
///
/// # Errors
/// As [`session`].
pub fn user(attributes: Attributes) -> Result<User, Failure> {
    users::parse_user(&UserId::from_random([0; 16]), &Item { operation: "fuzz", attributes })
}

/// What is read of a credential.
///
/// # Errors
/// As [`session`].
pub fn credential(attributes: Attributes) -> Result<Credential, Failure> {
    users::parse_credential(&Item { operation: "fuzz", attributes })
}
