//! Times in tokens and keys (RFC 7519 §2).

use serde::{Deserialize, Deserializer, Serialize};

use crate::time::Timestamp;

/// Whole seconds since the epoch (RFC 7519 §2), only ever a JSON integer from 0 to
/// the year 9999: a string, a fraction, `null` or `1e308` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NumericDate(u64);

impl NumericDate {
    const MAX: u64 = 253_402_300_799;

    /// The second in which `instant` lies; before the epoch is 0.
    pub fn from_timestamp(instant: Timestamp) -> Self {
        Self(u64::try_from(instant.seconds()).unwrap_or(0).min(Self::MAX))
    }

    /// The first millisecond of the second.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_seconds(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        if seconds > Self::MAX {
            return Err(serde::de::Error::custom("beyond the year 9999"));
        }
        Ok(Self(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_date_ends_with_the_year_9999() {
        let read = |text: &str| serde_json::from_str::<NumericDate>(text).ok();
        assert_eq!(read("253402300799"), Some(NumericDate(253_402_300_799)));
        assert_eq!(read("253402300800"), None);
        assert_eq!(NumericDate::from_timestamp(Timestamp::from_millis(i64::MAX)), NumericDate(253_402_300_799));
        assert_eq!(NumericDate::from_timestamp(Timestamp::from_millis(-1)), NumericDate(0));
    }
}
