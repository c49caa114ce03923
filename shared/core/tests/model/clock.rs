//! Time in the model: ticks of 20 seconds, three to a window.

use std::time::Duration;

use relatch::time::Timestamp;

/// The length of a tick.
pub(crate) const TICK: Duration = Duration::from_secs(20);

/// The window `W` in ticks: the default of 60 seconds.
pub(crate) const WINDOW: u8 = 3;

/// How long a request may be under way at most, from the client's sending until the server
/// has written: less than `W` less a margin of some seconds by which clocks differ.
pub(crate) const LONGEST_DELAY: u8 = 2;

/// What the clock of a slow instance is behind.
pub(crate) const LAG: Duration = Duration::from_secs(1);

/// The sign-in, half a second past a whole one: tokens carry whole seconds, the table
/// milliseconds, and the two must not be confused.
const SIGN_IN: Timestamp = Timestamp::from_millis(1_800_000_000_500);

/// An instant, in milliseconds since the sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Moment(i32);

impl Moment {
    /// The time at a tick, by the clock of an instance that is slow or not.
    pub(crate) fn at(tick: u8, is_slow: bool) -> Self {
        let right = SIGN_IN + u32::from(tick) * TICK;
        Self::of(if is_slow { right - LAG } else { right })
    }

    /// The same instant in the model's form.
    pub(crate) fn of(timestamp: Timestamp) -> Self {
        Self(i32::try_from(timestamp.millis() - SIGN_IN.millis()).unwrap())
    }

    /// The same instant in the protocol's form.
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(SIGN_IN.millis() + i64::from(self.0))
    }

    /// Whether a slow clock showed this.
    pub(crate) fn is_slow(self) -> bool {
        self != Self::at(self.tick(), false)
    }

    /// The tick in which a clock, slow or not, showed this.
    pub(crate) fn tick(self) -> u8 {
        let since_sign_in = (self.timestamp() + LAG).duration_since(SIGN_IN);
        u8::try_from(since_sign_in.as_secs() / TICK.as_secs()).unwrap()
    }
}
