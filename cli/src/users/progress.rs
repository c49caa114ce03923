//! A progress bar on the terminal; nothing where there is none.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far an import or an export has come.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for a file of this many bytes.
    pub(super) fn bar(bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta} left") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// A spinner for work of unknown length.
    pub(super) fn spinner() -> Self {
        Self(ProgressBar::new_spinner())
    }

    /// So many users are done, and so many bytes of the file read.
    pub(super) fn advance(&self, users: u64, bytes: u64) {
        self.0.set_position(bytes);
        self.0.set_message(format!("{users} users, {}/s", users_per_second(users, self.0.elapsed())));
    }

    /// Takes the bar away and tells how long it all took.
    pub(super) fn finish(self) -> Duration {
        let elapsed = self.0.elapsed();
        self.0.finish_and_clear();
        elapsed
    }
}

/// Users a second, on average.
pub(super) fn users_per_second(users: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    users.saturating_mul(1000) / millis
}

/// A file beside another one.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
