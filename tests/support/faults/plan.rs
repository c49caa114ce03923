//! Which calls fail, and how.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::faults::Fault;

/// The faults of an operation.
#[derive(Debug)]
pub(super) struct OperationFaults {
    pub(super) operation: &'static str,
    /// Text that a call must contain.
    pub(super) text: &'static str,
    pub(super) fault: Fault,
    /// How many calls succeed first.
    pub(super) spared: usize,
    /// How many calls still fail.
    pub(super) times: usize,
}

/// The faults of calls by their number.
#[derive(Debug, Default)]
struct NumberedFaults {
    /// The number of the next call.
    next: usize,
    faults: BTreeMap<usize, Fault>,
}

/// All planned faults.
#[derive(Debug, Default)]
pub(super) struct FaultPlan {
    of_operation: Mutex<Option<OperationFaults>>,
    by_number: Mutex<NumberedFaults>,
    injected: AtomicUsize,
}

impl FaultPlan {
    pub(super) fn plan_operation(&self, faults: OperationFaults) {
        *self.of_operation.lock().unwrap() = Some(faults);
    }

    pub(super) fn plan_numbers(&self, faults: BTreeMap<usize, Fault>) {
        *self.by_number.lock().unwrap() = NumberedFaults { next: 0, faults };
    }

    /// How many faults calls have taken.
    pub(super) fn injected(&self) -> usize {
        self.injected.load(Ordering::SeqCst)
    }

    /// The fault of this call, if it is one that fails.
    pub(super) fn take(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let fault = self.take_by_number().or_else(|| self.take_of_operation(operation, body));
        self.injected.fetch_add(usize::from(fault.is_some()), Ordering::SeqCst);
        fault
    }

    fn take_by_number(&self) -> Option<Fault> {
        let mut numbered = self.by_number.lock().unwrap();
        let number = numbered.next;
        numbered.next += 1;
        numbered.faults.remove(&number)
    }

    fn take_of_operation(&self, operation: &str, body: &[u8]) -> Option<Fault> {
        let mut of_operation = self.of_operation.lock().unwrap();
        let body = String::from_utf8_lossy(body);
        let faults = of_operation
            .as_mut()
            .filter(|faults| faults.operation == operation && faults.times > 0 && body.contains(faults.text))?;
        if faults.spared > 0 {
            faults.spared -= 1;
            return None;
        }
        faults.times -= 1;
        Some(faults.fault.clone())
    }
}
