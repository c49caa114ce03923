//! A clock in the hand of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use relatch::time::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows the system's time, as a database would see it too.
    pub fn starting_now() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().millis())))
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Moves it forward.
    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(millis(duration), Ordering::SeqCst);
    }

    /// Moves it back.
    pub fn turn_back(&self, duration: Duration) {
        self.0.fetch_sub(millis(duration), Ordering::SeqCst);
    }

    /// The same clock for functions.
    pub fn clock(&self) -> Clock {
        let source = self.clone();
        Clock::from_fn(move || source.now())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
