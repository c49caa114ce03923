//! `relatch users add`: one user.

use relatch::email::Email;
use relatch::password::NewPassword;
use relatch::random;
use relatch::time::Clock;
use relatch::user::{UserId, UserStatus};
use relatch_store::admin::{Added, NewUser};

use super::password;
use crate::CommandError;
use crate::output::print;
use crate::target::Connection;

/// Adds the user with a random `sub`.
pub(super) async fn run(
    email: Email,
    password: &NewPassword,
    connection: &Connection,
) -> Result<(), CommandError> {
    let id = UserId::from_random(random::bytes()?);
    let new = NewUser {
        id: id.clone(),
        email: email.clone(),
        password_hash: password::hash(password, connection.bcrypt_cost)?,
        status: UserStatus::Active,
        now: Clock::system().now(),
    };
    match connection.users.add(&new).await? {
        Added::New => {
            print(&format!("added {} (sub {})\n", email.as_str(), id.as_str()));
            Ok(())
        }
        Added::EmailExists | Added::IdExists => {
            Err(CommandError::new(format!("{} is a user already; nothing was changed", email.as_str())))
        }
    }
}
