//! The demo user of the local stack.

use relatch::error::Error;
use relatch::password::{NewPassword, PasswordHash};
use relatch::store::{Added, NewUser};
use relatch::time::Timestamp;
use relatch::user::{UserId, UserStatus};
use relatch::{Email, Store, random};

/// The demo user's email.
pub const EMAIL: &str = "demo@example.com";
/// The demo user's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// Adds the demo user unless there is one with its email.
pub(super) async fn ensure(store: &Store, cost: u32, now: Timestamp) -> Result<(), Error> {
    let internal = |_| Error::internal("demo user", "could not be made");
    let email = Email::parse(EMAIL).map_err(|_| Error::internal("demo user", "not an email"))?;
    if store.read_credential(&email).await?.is_some() {
        return Ok(());
    }
    let password =
        NewPassword::parse(PASSWORD, &email).map_err(|_| Error::internal("demo user", "not a password"))?;
    let password_hash = PasswordHash::create(&password, cost, random::bytes()?).map_err(internal)?;
    let id = UserId::from_random(random::bytes()?);
    match store.add_user(&NewUser { id, email, password_hash, status: UserStatus::Active, now }).await? {
        Added::New | Added::EmailExists => Ok(()),
        Added::IdExists => Err(Error::internal("demo user", "its random id exists")),
    }
}
