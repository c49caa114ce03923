//! `relatch users show | disable | enable | set-password | delete`: one user.

use std::fmt::Write as _;

use relatch::Email;
use relatch::password::NewPassword;
use relatch::time::{Clock, Timestamp};
use relatch::user::UserStatus;

use super::password;
use crate::CommandError;
use crate::output::print;
use crate::target::Connection;

/// Tells what is stored of a user, but for the hash.
pub(super) async fn show(email: &Email, connection: &Connection) -> Result<(), CommandError> {
    let (credential, user) = connection.users.find(email).await?.ok_or_else(|| unknown_user(email))?;
    let hash = match credential.password_hash {
        None => "none".to_owned(),
        Some(Ok(hash)) => format!("bcrypt, cost {}", hash.cost()),
        Some(Err(problem)) => format!("cannot be used: {problem}"),
    };
    let mut text = String::new();
    for (name, value) in [
        ("email", user.email.as_str()),
        ("sub", user.id.as_str()),
        ("status", status_name(user.status)),
        ("created", &user.created_at.to_rfc3339()),
        ("password", &hash),
        ("password set", &credential.password_changed_at.map_or("unknown".to_owned(), Timestamp::to_rfc3339)),
        ("epoch", &user.epoch.to_string()),
    ] {
        let _ = writeln!(text, "{name:<13}{value}");
    }
    print(&text);
    Ok(())
}

/// Lets a user sign in, or no more.
pub(super) async fn set_status(
    email: &Email,
    status: UserStatus,
    connection: &Connection,
) -> Result<(), CommandError> {
    if !connection.users.set_status(email, status).await? {
        return Err(unknown_user(email));
    }
    print(&match status {
        UserStatus::Active => format!("{} may sign in\n", email.as_str()),
        UserStatus::Disabled => format!("{} may not sign in, and all sessions are ended\n", email.as_str()),
    });
    Ok(())
}

/// Gives a user another password.
pub(super) async fn set_password(
    email: &Email,
    password: &NewPassword,
    connection: &Connection,
) -> Result<(), CommandError> {
    let hash = password::hash(password, connection.bcrypt_cost)?;
    if !connection.users.set_password(email, &hash, Clock::system().now()).await? {
        return Err(unknown_user(email));
    }
    print(&format!("{} has a new password, and all sessions are ended\n", email.as_str()));
    Ok(())
}

/// Deletes a user.
pub(super) async fn delete(email: &Email, connection: &Connection) -> Result<(), CommandError> {
    if !connection.users.delete(email).await? {
        return Err(unknown_user(email));
    }
    print(&format!("{} is deleted, and all sessions are ended\n", email.as_str()));
    Ok(())
}

pub(super) fn status_name(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Disabled => "disabled",
    }
}

fn unknown_user(email: &Email) -> CommandError {
    CommandError::new(format!("{} is no user", email.as_str()))
}
