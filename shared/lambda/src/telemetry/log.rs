//! Writing the lines.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use relatch::time::Timestamp;
use relatch_store::Failure;
use serde_json::{Map, Value, json};

use super::event::{Event, Level};
use super::sampler::LogSampler;

/// The longest text in a line, in bytes.
const MAX_BYTES: usize = 256;

/// The fields of a line besides its time and its event. A field that is added twice has its
/// last value.
#[derive(Debug, Default)]
pub struct LogFields(Vec<(&'static str, Value)>);

impl LogFields {
    /// Adds a field.
    pub fn add(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.0.push((name, value.into()));
        self
    }

    /// Adds the operation that failed and its error.
    pub fn add_failure(&mut self, failure: &Failure) -> &mut Self {
        let cause = failure.cause();
        self.add("operation", cause.operation).add("detail", cause.detail.as_str())
    }
}

/// Where the lines go. Clones write to the same place.
#[derive(Clone)]
pub struct Log {
    sink: Arc<Mutex<Sink>>,
    namespace: Option<Arc<str>>,
}

struct Sink {
    writer: Box<dyn Write + Send>,
    sampler: LogSampler,
}

impl Log {
    /// Standard output, which Lambda keeps in CloudWatch. With a namespace, CloudWatch
    /// counts the events under it, by its embedded metric format.
    pub fn stdout(namespace: Option<String>) -> Self {
        Self { namespace: namespace.map(Arc::from), ..Self::to(std::io::stdout()) }
    }

    /// Any other place.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        let sink = Sink { writer: Box::new(writer), sampler: LogSampler::default() };
        Self { sink: Arc::new(Mutex::new(sink)), namespace: None }
    }

    /// Writes a line, unless it is held back in a sampler. A log that cannot be written does
    /// not stop an answer.
    pub fn write(&self, now: Timestamp, event: Event, fields: &LogFields) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = sink.sampler.admit(event, now) else { return };
        let mut line = Map::new();
        let mut add = |name: &str, value: Value| line.insert(name.to_owned(), value);
        add("time_ms", now.millis().into());
        add("level", event.level().name().into());
        add("event", event.name().into());
        for (name, value) in &fields.0 {
            add(name, truncate(value));
        }
        add("count", count.into());
        if event.level() == Level::Alarm {
            add("alarms", count.into());
        }
        if let Some(namespace) = self.namespace.as_deref().filter(|_| event.is_counted()) {
            add("_aws", metrics(namespace, event, now));
        }
        let mut bytes = Value::Object(line).to_string().into_bytes();
        bytes.push(b'\n');
        let _ = sink.writer.write_all(&bytes).and_then(|()| sink.writer.flush());
    }
}

/// CloudWatch's embedded metric format: the fields of the line that are metrics.
fn metrics(namespace: &str, event: Event, now: Timestamp) -> Value {
    let metric = |name: &str, dimensions: Value| {
        json!({
            "Namespace": namespace,
            "Dimensions": [dimensions],
            "Metrics": [{"Name": name, "Unit": "Count"}],
        })
    };
    let mut metrics = vec![metric("count", json!(["event"]))];
    if event.level() == Level::Alarm {
        metrics.push(metric("alarms", json!([])));
    }
    json!({"Timestamp": now.millis(), "CloudWatchMetrics": metrics})
}

fn truncate(value: &Value) -> Value {
    match value {
        Value::String(text) => text[..text.floor_char_boundary(MAX_BYTES)].into(),
        Value::Array(values) => values.iter().map(truncate).collect(),
        other => other.clone(),
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);

    fn lines(namespace: Option<&str>, events: &[Event], fields: &LogFields) -> Vec<Value> {
        let captured = Captured::default();
        let log = Log { namespace: namespace.map(Arc::from), ..Log::to(captured.clone()) };
        events.iter().for_each(|event| log.write(NOW, *event, fields));
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_counted_event_is_a_metric_and_an_alarm_two() {
        let events = [Event::SigninFail, Event::Failed, Event::AccessGranted];
        let none = LogFields::default();
        let [fail, failed, granted] = lines(Some("Relatch/prod"), &events, &none).try_into().unwrap();
        assert_eq!(
            fail,
            json!({
                "time_ms": 1_800_000_000_123_i64, "level": "info", "event": "signin_fail", "count": 1,
                "_aws": {
                    "Timestamp": 1_800_000_000_123_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Relatch/prod",
                        "Dimensions": [["event"]],
                        "Metrics": [{"Name": "count", "Unit": "Count"}],
                    }],
                },
            })
        );
        assert_eq!(failed["alarms"], 1);
        assert_eq!(failed["_aws"]["CloudWatchMetrics"][1]["Metrics"][0]["Name"], "alarms");
        assert_eq!(failed["_aws"]["CloudWatchMetrics"][1]["Dimensions"], json!([[]]));
        assert_eq!(granted.get("_aws"), None);
        assert!(lines(None, &events, &none).iter().all(|line| line.get("_aws").is_none()));
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_whatever_is_in_it(text in "\\PC*|[\\x00-\\x7f\u{80}-\u{9f}]{0,600}") {
            let mut fields = LogFields::default();
            fields.add("reason", text.as_str()).add("findings", vec![text.as_str(); 2]);
            let lines = lines(None, &[Event::ConfigInvalid], &fields);
            prop_assert_eq!(lines.len(), 1);
            let told = lines[0]["reason"].as_str().unwrap();
            prop_assert!(text.starts_with(told) && told.len() <= MAX_BYTES);
            prop_assert!(text.len() <= MAX_BYTES || told.len() > MAX_BYTES - 4);
            prop_assert_eq!(&lines[0]["findings"][1], told);
        }
    }
}
