//! The capacity that calls use.

use std::sync::Mutex;

use serde_json::Value;

/// What calls have used of a table on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Read units, of 4 KiB each.
    pub read: f64,
    /// Write units, of 1 KiB each.
    pub written: f64,
}

/// The units used so far, while they are counted.
#[derive(Debug, Default)]
pub(super) struct UnitCount(Mutex<Option<Units>>);

impl UnitCount {
    pub(super) fn start(&self) {
        *self.0.lock().unwrap() = Some(Units::default());
    }

    pub(super) fn is_running(&self) -> bool {
        self.0.lock().unwrap().is_some()
    }

    pub(super) fn take(&self) -> Units {
        self.0.lock().unwrap().take().expect("units are counted")
    }

    /// Adds what a call has used by its reply.
    pub(super) fn add(&self, operation: &str, reply: &[u8]) {
        let mut units = self.0.lock().unwrap();
        let Some(units) = &mut *units else { return };
        let reply: Value = serde_json::from_slice(reply).unwrap();
        let used = reply["ConsumedCapacity"]["CapacityUnits"].as_f64().expect("what the call has used");
        match operation {
            "GetItem" | "Query" => units.read += used,
            _ => units.written += used,
        }
    }
}
