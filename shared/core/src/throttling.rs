//! Attempts to sign in, and the decision whether another one may be made.
//!
//! # The policy
//!
//! A password is compared only after its attempt was counted, so that many at once are no
//! way around a limit. An attempt is counted by
//!
//! | counter | of | limit | beyond it |
//! |---|---|---|---|
//! | pair | an email and an address | [`Limits::free`], 5 | each one waits twice as long as the one before: 1 s, 2 s, … at most 15 min |
//! | email | an email, from anywhere | [`Limits::per_email`], 20 in an hour | until the hour ends |
//! | address | an IPv4 address or an IPv6 /64 | [`Limits::per_address`], 100 in an hour | until the hour ends |
//! | network | an IPv6 /48 | ten times as many | until the hour ends |
//!
//! the pair first, then the others together; any of them refuses it. What is refused counts
//! nowhere: a unit is a password that was compared. So whoever hammers at an email from one
//! address uses up what that pair may, and takes nothing from anybody else.
//!
//! The right password forgives the pair its wrong ones and gives back the one unit that it
//! took from the other counters. A pair that signed in within [`KNOWN_FOR`] is *known*: only
//! its own counter counts it, so that strangers elsewhere (or next to it, behind one address)
//! cannot lock its owner out. A pair's wrong passwords are forgotten a day after the last.
//!
//! ```text
//!             counted, number ≤ free                       right password
//!  ┌──────┐ ─────────────────────────► ┌──────┐ ────────────────────────────► number = 0
//!  │ none │                            │ open │
//!  └──────┘ ◄───── a day passes ────── └──────┘ ◄── the wait passes ──┐
//!                                         │                           │
//!                                         └── number ≥ free ───► ┌─────────┐
//!                                                                │ waiting │ refuses
//!                                                                └─────────┘
//! ```
//!
//! Emails that nobody has are counted as all others: no limit tells which ones exist.
//! Counters may count too much (a write may arrive twice), never too little.

use std::time::Duration;

use crate::address::Address;
use crate::email::Email;
use crate::encoding;
use crate::time::Timestamp;

/// The longest wait of a pair.
const MAX_WAIT: Duration = Duration::from_mins(15);
/// How long after the last attempt a pair's wrong passwords are forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);
/// How long after a sign-in the pair is known.
pub const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);
/// How long the other counters count before they begin again.
const PERIOD: Duration = Duration::from_hours(1);
/// How many times as many attempts a /48 has as a /64.
const NETWORK_FACTOR: u32 = 10;

/// How many passwords may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `SIGNIN_FREE_ATTEMPTS`: of one email from one address, before it waits.
    pub free: u32,
    /// `SIGNIN_ATTEMPTS_PER_EMAIL`: of one email in an hour, from all addresses that are
    /// not known.
    pub per_email: u32,
    /// `SIGNIN_ATTEMPTS_PER_ADDRESS`: from one address in an hour.
    pub per_address: u32,
}

impl Limits {
    /// The highest limit that can be set.
    pub const MAX: u32 = 1_000_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self { free: 5, per_email: 20, per_address: 100 }
    }
}

/// What a counter counts the attempts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An email and an address.
    Pair,
    /// An email.
    Email,
    /// An IPv4 address or an IPv6 /64.
    Address,
    /// An IPv6 /48.
    Network,
}

impl Scope {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Email => "email",
            Self::Address => "address",
            Self::Network => "network",
        }
    }
}

/// One attempt, so that its own write is known when it is delivered twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId(String);

impl AttemptId {
    /// The id made of 128 random bits.
    pub fn from_random(random: [u8; 16]) -> Self {
        Self(encoding::encode(random))
    }

    /// Takes an id as it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A counter that an attempt is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// What it counts the attempts of.
    pub scope: Scope,
    /// Its key in the table: a keyed digest, since it holds an email or an address.
    pub key: String,
    /// How many attempts it lets through without looking closer.
    pub limit: u32,
    /// When it begins again; a pair's does not.
    pub ends_at: Option<Timestamp>,
}

/// The counters of an attempt.
#[derive(Clone, Debug)]
pub struct Counters {
    /// By which the log tells emails apart, and finds their counters.
    pub email_digest: String,
    /// Of the email and the address.
    pub pair: Counter,
    /// Of the email.
    pub email: Counter,
    /// Of the address.
    pub address: Counter,
    /// Of the network around the address, if it has one.
    pub network: Option<Counter>,
}

impl Counters {
    /// The counters of an attempt that is made `now`; `None` when `mac`, a keyed digest,
    /// cannot be made.
    pub fn new(
        email: &Email,
        address: &Address,
        limits: Limits,
        mac: impl Fn(&[u8]) -> Option<[u8; 32]>,
        now: Timestamp,
    ) -> Option<Self> {
        // No part holds a NUL, so no two subjects have one input.
        let digest = |scope, subject: &[&str]| mac([&[key_prefix(scope)], subject].concat().join("\0").as_bytes());
        let counter = |scope, subject: &[&str], limit| {
            let digest = digest(scope, subject)?;
            let name = format!("{}#{}", key_prefix(scope), encoding::encode(digest));
            if matches!(scope, Scope::Pair) {
                return Some(Counter { scope, key: name, limit, ends_at: None });
            }
            // A start of its own for each, so that not all begin again at once.
            let period = PERIOD.as_secs().cast_signed();
            let offset = i64::from(u16::from_be_bytes(*digest.first_chunk()?)) % period;
            let begun = (now.seconds() - offset).div_euclid(period) * period + offset;
            let ends_at = Some(Timestamp::from_seconds(begun) + PERIOD);
            Some(Counter { scope, key: format!("{name}#{begun}"), limit, ends_at })
        };
        Some(Self {
            email_digest: encoding::encode(digest(Scope::Email, &[email.as_str()])?),
            pair: counter(Scope::Pair, &[email.as_str(), address.prefix()], limits.free)?,
            email: counter(Scope::Email, &[email.as_str()], limits.per_email)?,
            address: counter(Scope::Address, &[address.prefix()], limits.per_address)?,
            network: match address.network() {
                Some(network) => {
                    let limit = limits.per_address.saturating_mul(NETWORK_FACTOR);
                    Some(counter(Scope::Network, &[network], limit)?)
                }
                None => None,
            },
        })
    }
}

fn key_prefix(scope: Scope) -> &'static str {
    match scope {
        Scope::Pair => "PAIR",
        Scope::Email => "EMAIL",
        Scope::Address => "ADDRESS",
        Scope::Network => "NETWORK",
    }
}

/// What a counter has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many attempts.
    pub number: u32,
    /// When the last one was made.
    pub last_at: Timestamp,
    /// Which one it was.
    pub last_id: AttemptId,
    /// When the pair last signed in.
    pub signed_in_at: Option<Timestamp>,
}

impl Count {
    /// Whether the pair signed in not long ago.
    pub fn is_known(&self, now: Timestamp) -> bool {
        self.signed_in_at.is_some_and(|at| now < at + KNOWN_FOR)
    }
}

/// What is to be done with an attempt that is not among a counter's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was counted: its own write was delivered before.
    Counted,
    /// It must wait.
    Refused(Timestamp),
    /// It may be counted as this number, if nothing changed meanwhile.
    CountAs(u32),
}

/// Decides, by the policy above, about an attempt whose counter has counted this.
pub fn decide(counter: &Counter, count: &Count, id: &AttemptId, now: Timestamp) -> Verdict {
    if count.last_id == *id {
        return Verdict::Counted;
    }
    if let Some(ends_at) = counter.ends_at {
        return Verdict::Refused(ends_at);
    }
    let blocked_until = count.last_at + wait(count.number, counter.limit);
    if now < blocked_until {
        return Verdict::Refused(blocked_until);
    }
    let is_forgotten = now >= count.last_at + FORGOTTEN_AFTER;
    Verdict::CountAs(if is_forgotten { 1 } else { count.number.saturating_add(1) })
}

/// How long a pair waits after this number of attempts.
fn wait(number: u32, free: u32) -> Duration {
    let Some(beyond) = number.checked_sub(free) else { return Duration::ZERO };
    1_u64.checked_shl(beyond).map_or(MAX_WAIT, |seconds| Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests;
