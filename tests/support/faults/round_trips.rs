//! Round trips: calls that are made at once, before any of them has a reply.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// The round trips that are expected, if any.
#[derive(Debug, Default)]
pub(super) struct RoundTrips(Mutex<Option<Expected>>);

#[derive(Debug)]
struct Expected {
    /// How many calls each of them has, in their order.
    sizes: VecDeque<usize>,
    /// How many calls of the first one have arrived.
    arrived: usize,
    /// Releases them when all have.
    complete: Arc<Notify>,
}

impl RoundTrips {
    pub(super) fn expect(&self, sizes: &[usize]) {
        let sizes = sizes.iter().copied().collect();
        *self.0.lock().unwrap() = Some(Expected { sizes, arrived: 0, complete: Arc::default() });
    }

    /// How many have not been made; none is expected from now on.
    pub(super) fn take_missing(&self) -> usize {
        self.0.lock().unwrap().take().map_or(0, |expected| expected.sizes.len())
    }

    /// Waits until the round trip that a call belongs to is complete.
    pub(super) async fn join(&self) {
        let complete = {
            let mut expected = self.0.lock().unwrap();
            let Some(expected) = &mut *expected else { return };
            let size = *expected.sizes.front().expect("a call after the last expected round trip");
            expected.arrived += 1;
            if expected.arrived == size {
                expected.sizes.pop_front();
                expected.arrived = 0;
                std::mem::take(&mut expected.complete).notify_waiters();
                return;
            }
            Arc::clone(&expected.complete).notified_owned()
        };
        complete.await;
    }
}
