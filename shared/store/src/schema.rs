//! The names of every key and attribute, with their units.
//!
//! Users table (`pk`):
//! - `USER#<sub>`: the user's state. [`EMAIL`], [`STATUS`], [`EPOCH`],
//!   [`CREDENTIAL_VERSION`], [`CREATED_AT`], [`CHANGED`].
//! - `EMAIL#<email>`: the credential. [`SUB`], [`PASSWORD_HASH`],
//!   [`CREDENTIAL_VERSION`], [`PASSWORD_CHANGED_AT`].
//!
//! Sessions table (`pk` = sub, `sk` = sid): [`GENERATION`], [`ROTATED_AT`],
//! [`IDEMPOTENCY_KEY_DIGEST`], [`STATUS`], [`EPOCH`], [`CREATED_AT`], [`IDLE_EXPIRES_AT`],
//! [`ABSOLUTE_EXPIRES_AT`], [`DEVICE`], [`NEW_DEVICE`], [`ENDED_BY`], [`TTL`].
//!
//! Attempts table (`pk` = what is counted, and a keyed digest of whom): [`COUNT`],
//! [`LAST_AT`], [`LAST_ID`], [`SIGNED_IN_AT`], [`TTL`].
//!
//! Keys table: one item ([`PUBLIC`]), whose [`KEYS`] map a `kid` to its [`JWK`] and when it
//! was published ([`PUBLISHED_AT`]).
//!
//! [`CHANGED`], [`NEW_DEVICE`] and [`ENDED_BY`] decide nothing. They are for who follows
//! the tables' streams.

use relatch::email::Email;
use relatch::session::EndedBy;
use relatch::user::{UserId, UserStatus};

/// The partition key of both tables.
pub const PK: &str = "pk";
/// The sort key of the sessions' table: the session's id.
pub const SK: &str = "sk";
/// The user's email in normal form.
pub const EMAIL: &str = "email";
/// `active`, `disabled` (users) or `revoked` (sessions).
pub const STATUS: &str = "status";
/// The user's epoch, and in a session the epoch it was opened in.
pub const EPOCH: &str = "epoch";
/// Raised with every change of the password, in both items of a user.
pub const CREDENTIAL_VERSION: &str = "credential_version";
/// Milliseconds since 1970.
pub const CREATED_AT: &str = "created_at";
/// The id of the user whose credential it is; after a change of password in the user's own
/// item as well, for who follows the stream.
pub const SUB: &str = "sub";
/// A bcrypt hash; absent for a user without a password.
pub const PASSWORD_HASH: &str = "password_hash";
/// Milliseconds since 1970.
pub const PASSWORD_CHANGED_AT: &str = "password_changed_at";
/// How often the session was rotated.
pub const GENERATION: &str = "gen";
/// Milliseconds since 1970; absent until the first rotation.
pub const ROTATED_AT: &str = "rotated_at";
/// SHA-256 of the session's secret and the key of the last rotation.
pub const IDEMPOTENCY_KEY_DIGEST: &str = "idempotency_key_digest";
/// Seconds since 1970.
pub const IDLE_EXPIRES_AT: &str = "idle_expires_at";
/// Seconds since 1970.
pub const ABSOLUTE_EXPIRES_AT: &str = "absolute_expires_at";
/// The `User-Agent` of the sign-in.
pub const DEVICE: &str = "device";
/// `true` in a session of a device that the user's other live sessions do not name.
pub const NEW_DEVICE: &str = "new_device";
/// Why a session was revoked: an [`ended_by`].
pub const ENDED_BY: &str = "ended_by";
/// What was changed last of a user: [`PASSWORD`], [`STATUS`] or [`SESSIONS`]; absent at first.
pub const CHANGED: &str = "changed";
/// How many attempts were made.
pub const COUNT: &str = "count";
/// Milliseconds since 1970: when the last attempt was made.
pub const LAST_AT: &str = "last_at";
/// The id of the last attempt.
pub const LAST_ID: &str = "last_id";
/// Milliseconds since 1970: when the pair last signed in.
pub const SIGNED_IN_AT: &str = "signed_in_at";
/// The partition key of the item with the public keys.
pub const PUBLIC: &str = "PUBLIC";
/// The public keys of access tokens, by `kid`.
pub const KEYS: &str = "keys";
/// A public JWK, as JSON.
pub const JWK: &str = "jwk";
/// Milliseconds since 1970.
pub const PUBLISHED_AT: &str = "published_at";
/// Seconds since 1970: when DynamoDB may delete the item. Clean-up only, days late.
pub const TTL: &str = "ttl";

/// The value of [`STATUS`] of what may be used.
pub const ACTIVE: &str = "active";
/// The value of [`STATUS`] of a user who may not sign in.
pub const DISABLED: &str = "disabled";
/// The value of [`STATUS`] of a session that was ended.
pub const REVOKED: &str = "revoked";

/// The value of [`CHANGED`] after a change of password.
pub const PASSWORD: &str = "password";
/// The value of [`CHANGED`] after all sessions were ended.
pub const SESSIONS: &str = "sessions";

/// What the key of a user's state begins with. The prefixes keep the two kinds of items
/// apart, whatever an id or an email contains.
pub const USER_PREFIX: &str = "USER#";
/// What the key of a user's credential begins with.
pub const EMAIL_PREFIX: &str = "EMAIL#";

/// The key of a user's state.
pub fn user_key(id: &UserId) -> String {
    format!("{USER_PREFIX}{}", id.as_str())
}

/// The key of a user's credential.
pub fn email_key(email: &Email) -> String {
    format!("{EMAIL_PREFIX}{}", email.as_str())
}

/// The value of [`ENDED_BY`].
pub fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::User => "user",
        EndedBy::Reuse => "reuse",
        EndedBy::Future => "future",
        EndedBy::Evicted => "evicted",
    }
}

/// The value of [`STATUS`] of a user.
pub fn user_status(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => ACTIVE,
        UserStatus::Disabled => DISABLED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_two_users_share_a_key(a in "[!-~]{1,40}", b in "[!-~]{1,40}") {
            let (a, b) = (UserId::parse(&a).unwrap(), UserId::parse(&b).unwrap());
            prop_assert_eq!(user_key(&a) == user_key(&b), a == b);
            if let Ok(email) = Email::parse(&format!("{}@example.com", b.as_str())) {
                prop_assert_ne!(user_key(&a), email_key(&email));
            }
        }
    }
}
