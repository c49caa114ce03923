//! What the owner of a deployment does to users from the command line: adding, changing,
//! deleting and listing them. No function calls any of it, and no function's role allows it.

mod add;
mod change;
mod scan;

pub use add::{Added, MAX_ADDED, NewUser};
pub use scan::{Page, PageStart, StoredCredential};
