//! Misfortune on request, for authors of clients: what a bad network and a busy service
//! do to them now and then, here happens often.

use std::str::FromStr;
use std::time::Duration;

use relatch::random;

/// How many of a hundred requests meet which misfortune.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chaos {
    lost_replies: u16,
    throttle: u16,
    slow: u16,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfortune {
    /// It is done, and the connection breaks before the answer is there.
    LostReply,
    /// It is not done: 429.
    Throttle,
    /// It waits first.
    Slow,
}

/// How long a slow request waits.
pub(super) const SLOWNESS: Duration = Duration::from_secs(3);

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
    /// All kinds together; of the same kind given twice, the sum.
    ///
    /// # Errors
    /// When they come to more than a hundred.
    pub fn together(kinds: &[Self]) -> Result<Self, String> {
        let sum = kinds.iter().fold(Self::default(), |sum, kind| Self {
            lost_replies: sum.lost_replies.saturating_add(kind.lost_replies),
            throttle: sum.throttle.saturating_add(kind.throttle),
            slow: sum.slow.saturating_add(kind.slow),
        });
        let all = sum.lost_replies.saturating_add(sum.throttle).saturating_add(sum.slow);
        if all > 100 { Err("--chaos: together they are more than 100 %".to_owned()) } else { Ok(sum) }
    }

    /// What happens to the next request, if anything.
    pub(super) fn strike(self) -> Option<Misfortune> {
        let [high, low] = random::bytes().ok()?;
        self.at(u16::from_be_bytes([high, low]) % 100)
    }

    /// What happens at a number from 0 to 99.
    fn at(self, number: u16) -> Option<Misfortune> {
        let kinds = [
            (self.lost_replies, Misfortune::LostReply),
            (self.throttle, Misfortune::Throttle),
            (self.slow, Misfortune::Slow),
        ];
        let mut end = 0;
        kinds.into_iter().find_map(|(percentage, misfortune)| {
            end += percentage;
            (number < end).then_some(misfortune)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_strikes_as_often_as_it_should() {
        let kinds = ["lost-replies=20%", "throttle=5", "slow=0%"].map(|text| text.parse().unwrap());
        let chaos = Chaos::together(&kinds).unwrap();
        let count = |kind| (0..100).filter(|number| chaos.at(*number) == kind).count();
        assert_eq!(count(Some(Misfortune::LostReply)), 20);
        assert_eq!(count(Some(Misfortune::Throttle)), 5);
        assert_eq!(count(Some(Misfortune::Slow)), 0);
        assert_eq!(count(None), 75);
        assert_eq!(Chaos::default().strike(), None);
    }

    #[test]
    fn what_is_no_kind_is_refused() {
        for text in
            ["", "lost-replies", "lost-replies=", "lost-replies=x%", "lost-replies=101%", "slow=-1", "fast=1"]
        {
            assert!(text.parse::<Chaos>().is_err(), "{text}");
        }
        assert!(Chaos::together(&["slow=60", "throttle=60"].map(|text| text.parse().unwrap())).is_err());
    }
}
