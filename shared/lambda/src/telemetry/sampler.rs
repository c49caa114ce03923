//! A flood of refusals must not become a bill: of an event that strangers can make happen,
//! an instance writes [`MAX_UNSAMPLED`] lines in a minute, then one for every [`SAMPLE`]. Each
//! line says how many events it stands for, so that their number is kept.

use std::collections::BTreeMap;

use relatch::time::Timestamp;

use super::event::Event;

/// How many lines of one event are all written in a minute.
const MAX_UNSAMPLED: u64 = 100;
/// For how many events one line stands after that.
const SAMPLE: u64 = 100;

/// What was written of each event in this minute.
#[derive(Debug, Default)]
pub(super) struct LogSampler(BTreeMap<Event, Seen>);

#[derive(Debug, Default)]
struct Seen {
    minute: i64,
    written: u64,
    held_back: u64,
}

impl LogSampler {
    /// For how many events a line that is written now stands; `None` when it is held back.
    pub(super) fn admit(&mut self, event: Event, now: Timestamp) -> Option<u64> {
        if !event.can_flood() {
            return Some(1);
        }
        let minute = now.seconds().div_euclid(60);
        let seen = self.0.entry(event).or_default();
        if seen.minute != minute {
            (seen.minute, seen.written) = (minute, 0);
        }
        seen.held_back += 1;
        if seen.written >= MAX_UNSAMPLED && seen.held_back < SAMPLE {
            return None;
        }
        seen.written += 1;
        Some(std::mem::take(&mut seen.held_back))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_flood_is_sampled_and_its_number_kept() {
        let mut sampler = LogSampler::default();
        let at = Timestamp::from_seconds(1_800_000_000);
        let lines: Vec<_> = (0..1050).filter_map(|_| sampler.admit(Event::SigninFail, at)).collect();
        assert_eq!((lines.len(), lines.iter().sum::<u64>()), (109, 1000));
        assert_eq!(
            sampler.admit(Event::SigninFail, at + Duration::from_secs(60)),
            Some(51),
            "the rest comes with the next minute"
        );
        assert_eq!(sampler.admit(Event::AccessRefused, at), Some(1), "each event by itself");
    }

    #[test]
    fn what_no_stranger_can_repeat_is_always_written() {
        let mut sampler = LogSampler::default();
        let at = Timestamp::from_seconds(0);
        assert!((0..1000).all(|_| sampler.admit(Event::RefreshReuse, at) == Some(1)));
    }

    proptest! {
        /// Whatever the times, at most [`SAMPLE`] - 1 events are not in a line yet.
        #[test]
        fn no_event_is_lost(steps in prop::collection::vec(0u64..90, 1..2000)) {
            let (mut sampler, mut now, mut told) = (LogSampler::default(), Timestamp::from_seconds(0), 0);
            for (number, step) in (1u64..).zip(steps) {
                now = now + Duration::from_secs(step / 30);
                told += sampler.admit(Event::InputRefused, now).unwrap_or(0);
                prop_assert!(told <= number && number - told < SAMPLE);
            }
        }
    }
}
