//! The functions' log as a developer reads it: an event a line, the same members as the
//! JSON that is deployed.

use std::io::{self, Write};

use relatch::time::Timestamp;
use serde_json::{Map, Value};

/// Turns lines of JSON into lines for people.
#[derive(Debug)]
pub(super) struct PrettyLog<W> {
    writer: W,
    line: Vec<u8>,
}

impl<W: Write> PrettyLog<W> {
    /// Lines for this writer.
    pub(super) fn new(writer: W) -> Self {
        Self { writer, line: Vec::new() }
    }
}

impl<W: Write> Write for PrettyLog<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let text = format_line(&line).unwrap_or_else(|| String::from_utf8_lossy(&line).into_owned());
                writeln!(self.writer, "{text}")?;
            } else {
                self.line.push(*byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Fields that have their own column or do not help a developer.
const OMITTED_FIELDS: [&str; 9] =
    ["time_ms", "level", "event", "status", "ms", "function", "request_id", "alarms", "_aws"];

fn format_line(line: &[u8]) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let time = Timestamp::from_millis(fields.get("time_ms")?.as_i64()?).to_rfc3339();
    let time = time.split_once('T').map_or(time.as_str(), |(_, time)| time);
    let mark = match fields.get("level")?.as_str()? {
        "alarm" => "!!",
        "warn" => " !",
        _ => "  ",
    };
    let mut text = format!("{time} {mark} {:<22}", fields.get("event")?.as_str()?);
    if let (Some(status), Some(ms)) = (fields.get("status"), fields.get("ms")) {
        text.push_str(&format!(" {status} {:>5} ms", ms.to_string()));
    }
    for (name, value) in &fields {
        let is_one = name == "count" && *value == 1;
        if !value.is_null() && !is_one && !OMITTED_FIELDS.contains(&name.as_str()) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!("  {name}={value}"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_readable_line() {
        let mut out = Vec::new();
        let mut log = PrettyLog::new(&mut out);
        let line = concat!(
            r#"{"time_ms":1800000000123,"level":"warn","event":"signin_throttled","reason":"pair","error":"#,
            r#""too_many_attempts","function":"signin","request_id":"x","status":429,"ms":3,"count":7}"#
        );
        let (first, second) = line.split_at(40);
        write!(log, "{first}").unwrap();
        writeln!(log, "{second}").unwrap();
        writeln!(log, "not JSON").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "08:00:00Z  ! signin_throttled       429     3 ms  count=7  error=too_many_attempts  reason=pair\nnot JSON\n"
        );
    }
}
