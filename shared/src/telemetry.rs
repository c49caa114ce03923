//! The log: one JSON object a line, written before the answer goes out (a function
//! is frozen right after).
//!
//! A line holds fixed words, ids and numbers. It never holds a password, a token, a
//! key, a session's secret or a whole email.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use crate::error::Cause;
use crate::time::Timestamp;

/// How much a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the record.
    Info,
    /// Someone may be doing something they should not.
    Warn,
    /// Something is broken, or looks like a break-in: raises an alarm.
    Alarm,
}

/// Where the lines go.
#[derive(Clone)]
pub struct Log(Arc<Mutex<dyn Write + Send>>);

impl Log {
    /// Standard output, which Lambda keeps in CloudWatch.
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// Any other place.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Writes one line. A log that cannot be written does not stop an answer.
    pub fn write(&self, now: Timestamp, level: Level, event: &'static str, fields: &[(&'static str, Value)]) {
        let level = match level {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Alarm => "alarm",
        };
        let mut line = Map::new();
        line.insert("time_ms".to_owned(), now.millis().into());
        line.insert("level".to_owned(), level.into());
        line.insert("event".to_owned(), event.into());
        line.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        let mut writer = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
    }

    /// Writes that something this function needs failed.
    pub fn failure(&self, now: Timestamp, level: Level, cause: &Cause) {
        let fields = [("what", cause.what.into()), ("detail", cause.detail.as_str().into())];
        self.write(now, level, "failure", &fields);
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}
