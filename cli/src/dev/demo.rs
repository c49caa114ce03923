//! The demo user of the local stack.

use relatch::email::Email;
use relatch::password::{NewPassword, PasswordHash};
use relatch::random;
use relatch::time::Timestamp;
use relatch::user::{UserId, UserStatus};
use relatch_store::admin::{Added, NewUser};
use relatch_store::{Failure, UsersTable};

/// The demo user's email.
pub const EMAIL: &str = "demo@example.com";
/// The demo user's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Adds the demo user unless there is one with its email.
pub(super) async fn ensure(users: &UsersTable, cost: u32, now: Timestamp) -> Result<(), Failure> {
    let internal = |_| Failure::internal("demo user", "could not be made");
    let email = Email::parse(EMAIL).map_err(|_| Failure::internal("demo user", "not an email"))?;
    if users.read_credential(&email).await?.is_some() {
        return Ok(());
    }
    let password =
        NewPassword::parse(PASSWORD, &email).map_err(|_| Failure::internal("demo user", "not a password"))?;
    let password_hash = PasswordHash::create(&password, cost, random_bytes()?).map_err(internal)?;
    let id = UserId::from_random(random_bytes()?);
    match users.add(&NewUser { id, email, password_hash, status: UserStatus::Active, now }).await? {
        Added::New | Added::EmailExists => Ok(()),
        Added::IdExists => Err(Failure::internal("demo user", "its random id exists")),
    }
}

fn random_bytes() -> Result<[u8; 16], Failure> {
    random::bytes().map_err(|error| Failure::internal("demo user", &error))
}
