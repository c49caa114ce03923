//! A database that fails on demand: a proxy in front of the engine, so that the SDK's
//! own deadlines and retries run.

mod plan;
mod proxy;
mod round_trips;
mod units;

use std::sync::Arc;
use std::time::Duration;

pub use units::Units;

use plan::OperationFaults;
use proxy::Proxy;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is done, and the reply is lost.
    LostReply,
    /// It is refused with this error code and status, and nothing is done.
    Error(&'static str, u16),
    /// There is never a reply, and nothing is done.
    Silence,
    /// The connection breaks, and nothing is done: a socket that had died.
    Broken,
    /// It is held back for this long, then done; by then the caller has given up.
    Delayed(Duration),
    /// It is done at once, and the reply held back for this long.
    LateReply(Duration),
}

/// A proxy in front of the engine of a local stack.
#[derive(Clone)]
pub struct FaultyDatabase {
    proxy: Arc<Proxy>,
    url: String,
}

impl FaultyDatabase {
    /// Starts a proxy that forwards everything.
    pub async fn start(upstream: &str) -> Self {
        let proxy = Arc::new(Proxy::new(upstream));
        let url = Proxy::serve(&proxy).await;
        Self { proxy, url }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The variable by which a function reaches it.
    pub fn setting(&self) -> (&'static str, &str) {
        ("AWS_ENDPOINT_URL_DYNAMODB", &self.url)
    }

    /// Lets the next `times` calls of an operation fail, such as `UpdateItem`.
    pub fn fail(&self, operation: &'static str, fault: Fault, times: usize) {
        self.fail_after(0, operation, fault, times);
    }

    /// The same, but the first `spared` of those calls succeed.
    pub fn fail_after(&self, spared: usize, operation: &'static str, fault: Fault, times: usize) {
        self.proxy.plan.plan_operation(OperationFaults { operation, text: "", fault, spared, times });
    }

    /// Lets the next `times` calls of an operation fail that contain this text, such as a part
    /// of a key.
    pub fn fail_containing(&self, text: &'static str, operation: &'static str, fault: Fault, times: usize) {
        self.proxy.plan.plan_operation(OperationFaults { operation, text, fault, spared: 0, times });
    }

    /// Lets calls of any operation fail by their number, counted from 0 from now on.
    pub fn fail_calls(&self, faults: impl IntoIterator<Item = (usize, Fault)>) {
        self.proxy.plan.plan_numbers(faults.into_iter().collect());
    }

    /// How many calls have failed.
    pub fn injected_faults(&self) -> usize {
        self.proxy.plan.injected()
    }

    /// Waits until every call that was held back is done.
    pub async fn settle(&self) {
        while self.proxy.has_held_calls() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Holds every call back until all calls of its round trip have arrived; `sizes` are their
    /// numbers in each of the next round trips. Calls that wait for each other's replies never
    /// all arrive.
    pub fn expect_round_trips(&self, sizes: &[usize]) {
        self.proxy.round_trips.expect(sizes);
    }

    /// How many of the expected round trips have not been made.
    pub fn take_missing_round_trips(&self) -> usize {
        self.proxy.round_trips.take_missing()
    }

    /// Counts units from now on, as the database reports them.
    pub fn count_units(&self) {
        self.proxy.units.start();
    }

    /// The units used since the count began; ends it.
    pub fn take_units(&self) -> Units {
        self.proxy.units.take()
    }

    /// The operations called since the last call of this function.
    pub fn take_calls(&self) -> Vec<String> {
        self.proxy.take_calls()
    }
}
