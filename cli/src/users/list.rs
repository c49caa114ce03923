//! `relatch users list`: everyone, a line each.

use std::fmt::Write as _;

use super::change::status_name;
use crate::CommandError;
use crate::output::print;
use crate::target::Connection;

/// Prints all users in the order of the table, a page at a time.
pub(super) async fn run(connection: &Connection) -> Result<(), CommandError> {
    let mut start = None;
    loop {
        let page = connection.users.scan(start).await?;
        let mut lines = String::new();
        for user in page.items {
            let (email, id, created) = (user.email.as_str(), user.id.as_str(), user.created_at.to_rfc3339());
            let _ = writeln!(lines, "{email:<32} {id:<24} {:<8} {created}", status_name(user.status));
        }
        print(&lines);
        start = page.next;
        if start.is_none() {
            return Ok(());
        }
    }
}
