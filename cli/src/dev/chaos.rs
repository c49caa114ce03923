//! Misfortune on request, for authors of clients: what a bad network and a busy service
//! do to them now and then, here happens often.

use std::str::FromStr;
use std::time::Duration;

use relatch::random;

/// How many of a hundred requests get which fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chaos {
    lost_replies: u16,
    throttle: u16,
    slow: u16,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is done, and the connection breaks before the answer is there.
    LostReply,
    /// It is not done: 429.
    Throttle,
    /// It waits first.
    Slow,
}

/// How long a slow request waits.
pub(super) const SLOW_DELAY: Duration = Duration::from_secs(3);

impl FromStr for Chaos {
    type Err = &'static str;

    /// Reads one kind, such as `lost-replies=20%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "not lost-replies, throttle or slow with a percentage, such as lost-replies=20%";
        let (kind, percentage) = text.split_once('=').ok_or(FORM)?;
        let percentage = percentage.strip_suffix('%').unwrap_or(percentage).parse().map_err(|_| FORM)?;
        if percentage > 100 {
            return Err("a percentage is at most 100");
        }
        match kind {
            "lost-replies" => Ok(Self { lost_replies: percentage, ..Self::default() }),
            "throttle" => Ok(Self { throttle: percentage, ..Self::default() }),
            "slow" => Ok(Self { slow: percentage, ..Self::default() }),
            _ => Err(FORM),
        }
    }
}

impl Chaos {
    /// Combines all kinds; percentages of the same kind add up.
    ///
    /// # Errors
    /// When they come to more than a hundred.
    pub fn combine(kinds: &[Self]) -> Result<Self, String> {
        let sum = kinds.iter().fold(Self::default(), |sum, kind| Self {
            lost_replies: sum.lost_replies.saturating_add(kind.lost_replies),
            throttle: sum.throttle.saturating_add(kind.throttle),
            slow: sum.slow.saturating_add(kind.slow),
        });
        let total = sum.lost_replies.saturating_add(sum.throttle).saturating_add(sum.slow);
        if total > 100 { Err("--chaos: together they are more than 100 %".to_owned()) } else { Ok(sum) }
    }

    /// Draws a fault for the next request at random, if any.
    pub(super) fn draw(self) -> Option<Fault> {
        let [high, low] = random::bytes().ok()?;
        self.fault_at(u16::from_be_bytes([high, low]) % 100)
    }

    /// The fault for a number from 0 to 99.
    fn fault_at(self, number: u16) -> Option<Fault> {
        let kinds =
            [(self.lost_replies, Fault::LostReply), (self.throttle, Fault::Throttle), (self.slow, Fault::Slow)];
        let mut end = 0;
        kinds.into_iter().find_map(|(percentage, fault)| {
            end += percentage;
            (number < end).then_some(fault)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_occurs_at_its_percentage() {
        let kinds = ["lost-replies=20%", "throttle=5", "slow=0%"].map(|text| text.parse().unwrap());
        let chaos = Chaos::combine(&kinds).unwrap();
        let count = |kind| (0..100).filter(|number| chaos.fault_at(*number) == kind).count();
        assert_eq!(count(Some(Fault::LostReply)), 20);
        assert_eq!(count(Some(Fault::Throttle)), 5);
        assert_eq!(count(Some(Fault::Slow)), 0);
        assert_eq!(count(None), 75);
        assert_eq!(Chaos::default().draw(), None);
    }

    #[test]
    fn an_invalid_kind_is_rejected() {
        for text in
            ["", "lost-replies", "lost-replies=", "lost-replies=x%", "lost-replies=101%", "slow=-1", "fast=1"]
        {
            assert!(text.parse::<Chaos>().is_err(), "{text}");
        }
        assert!(Chaos::combine(&["slow=60", "throttle=60"].map(|text| text.parse().unwrap())).is_err());
    }
}
