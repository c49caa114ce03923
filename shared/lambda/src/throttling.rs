//! Counting an attempt to sign in with its counters, by the policy of [`relatch::throttling`].
//!
//! The pair's counter is asked first, and the others only if it counted the attempt and the
//! pair is not known: so what a pair is refused never weighs on anybody else, not even for a
//! moment, and a user at home costs one write. If one of the others refuses, the rest get
//! their units back.
//!
//! This instance remembers a refusal, so that whoever keeps hammering costs no more writes: a
//! pair's until it ends; the others', which may be over sooner because units come back, for
//! five seconds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use relatch::address::Address;
use relatch::email::Email;
use relatch::keys::{Key, KeySet, Purpose};
use relatch::throttling::{AttemptId, Counter, Counters, Limits, Scope};
use relatch::time::Timestamp;
use relatch_store::{AttemptsTable, Counted, Failure};

use crate::error::Error;

/// How many refusals an instance remembers; further ones cost a write each.
const MAX_REMEMBERED: usize = 10_000;
/// How long a refusal that may be over sooner is remembered.
const SHORT_REFUSAL_TTL: Duration = Duration::from_secs(5);

/// The counters of attempts to sign in, and the refusals that this instance knows of, by the
/// keys of their counters.
#[derive(Debug)]
pub struct Throttle {
    table: AttemptsTable,
    limits: Limits,
    remembered: Mutex<HashMap<String, Remembered>>,
}

/// An attempt that was counted: its password may be compared.
///
/// It stays counted, as a wrong password, unless [`Attempt::succeed`] or [`Attempt::undo`] is
/// called.
#[derive(Debug)]
#[must_use = "an attempt that comes to no wrong password is refunded"]
pub struct Attempt {
    table: AttemptsTable,
    id: AttemptId,
    pair: Counter,
    /// The others that counted it.
    others: [Option<Counter>; 3],
}

/// The counter that refuses an attempt, and until when.
#[derive(Clone, Copy, Debug)]
struct Refused {
    scope: Scope,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    refused: Refused,
    forget_at: Timestamp,
}

impl Throttle {
    /// A throttle with these limits; it remembers no refusal yet.
    pub fn new(table: AttemptsTable, limits: Limits) -> Self {
        Self { table, limits, remembered: Mutex::default() }
    }

    /// The counters of an attempt that is made `now`.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] without a key for attempts.
    pub fn counters(
        &self,
        email: &Email,
        address: &Address,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Counters, Failure> {
        let key = attempts_key(keys)?;
        Counters::new(email, address, self.limits, |input| key.mac(input), now)
            .ok_or_else(|| Failure::internal("keys", "no MAC"))
    }

    /// Refuses a pair that this instance knows to wait, before anything else is done.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub fn check(&self, counters: &Counters, now: Timestamp) -> Result<(), Error> {
        self.find_remembered(&counters.pair, now).map_or(Ok(()), |refused| Err(refused.error(now)))
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]; or [`Error::Failure`] when a counter cannot be written: a
    /// password whose attempt is not counted is not compared.
    pub async fn admit(&self, counters: Counters, id: AttemptId, now: Timestamp) -> Result<Attempt, Error> {
        let Counters { pair, email, address, network, .. } = counters;
        let others = [Some(&email), Some(&address), network.as_ref()];
        let refused = others.into_iter().flatten().filter_map(|counter| self.find_remembered(counter, now));
        if let Some(refused) = refused.max_by_key(|refused| refused.until) {
            // A look, and no write: a known pair is bound by its own counter alone.
            let count = self.table.read(&pair).await?;
            if !count.is_some_and(|count| count.is_known(now)) {
                return Err(refused.error(now));
            }
        }
        match self.table.count(&pair, &id, now).await? {
            Counted::Refused(until) => Err(self.remember(&pair, until, now).error(now)),
            Counted::Yes(count) => {
                let is_known = count.is_known(now);
                let attempt = Attempt { table: self.table.clone(), id, pair, others: [None, None, None] };
                if is_known {
                    return Ok(attempt);
                }
                self.count_others(attempt, [Some(email), Some(address), network], now).await
            }
        }
    }

    /// Counts an attempt with the other counters, all at once.
    async fn count_others(
        &self,
        mut attempt: Attempt,
        others: [Option<Counter>; 3],
        now: Timestamp,
    ) -> Result<Attempt, Error> {
        let results = {
            let count = async |counter: &Option<Counter>| match counter {
                Some(counter) => self.table.count(counter, &attempt.id, now).await.map(Some),
                None => Ok(None),
            };
            let [email, address, network] = &others;
            tokio::join!(count(email), count(address), count(network))
        };
        let (mut refused, mut failure) = (None::<Refused>, None);
        let results: [_; 3] = results.into();
        for ((counter, result), counted) in others.into_iter().zip(results).zip(&mut attempt.others) {
            match result {
                Ok(Some(Counted::Yes(_))) => *counted = counter,
                Ok(Some(Counted::Refused(until))) => {
                    let by_this = counter.map(|counter| self.remember(&counter, until, now));
                    refused = refused.into_iter().chain(by_this).max_by_key(|refused| refused.until);
                }
                Ok(None) => {}
                Err(error) => failure = Some(Error::from(error)),
            }
        }
        match failure.or(refused.map(|refused| refused.error(now))) {
            Some(error) => {
                attempt.undo().await;
                Err(error)
            }
            None => Ok(attempt),
        }
    }

    fn find_remembered(&self, counter: &Counter, now: Timestamp) -> Option<Refused> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(&counter.key).filter(|it| now < it.forget_at).map(|it| it.refused)
    }

    fn remember(&self, counter: &Counter, until: Timestamp, now: Timestamp) -> Refused {
        let refused = Refused { scope: counter.scope, until };
        let forget_at = match counter.ends_at {
            Some(ends_at) => ends_at.min(now + SHORT_REFUSAL_TTL),
            None => until,
        };
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.retain(|_, it| now < it.forget_at);
        }
        if remembered.len() < MAX_REMEMBERED {
            remembered.insert(counter.key.clone(), Remembered { refused, forget_at });
        }
        refused
    }
}

impl Attempt {
    /// The password was right: resets the pair, and refunds the other counters.
    ///
    /// # Errors
    /// The first failure; what failed stays counted.
    pub async fn succeed(self, now: Timestamp) -> Result<(), Failure> {
        let (reset, refunded) = tokio::join!(self.table.reset(&self.pair, now), self.refund_others());
        reset.and(refunded)
    }

    /// No password was compared, or nothing came of it: refunds every counter. What fails stays
    /// counted.
    pub async fn undo(self) {
        let _ = tokio::join!(self.table.refund(&self.pair, &self.id), self.refund_others());
    }

    async fn refund_others(&self) -> Result<(), Failure> {
        let refund = async |counter: &Option<Counter>| match counter {
            Some(counter) => self.table.refund(counter, &self.id).await,
            None => Ok(()),
        };
        let [email, address, network] = &self.others;
        let (email, address, network) = tokio::join!(refund(email), refund(address), refund(network));
        email.and(address).and(network)
    }
}

/// The key that turns emails and addresses into digests: the oldest one, because a newer one
/// would begin all counts anew.
///
/// # Errors
/// [`Failure::Unavailable`] without a key for attempts.
pub fn attempts_key(keys: &KeySet) -> Result<&Key, Failure> {
    let key = keys.oldest_key(Purpose::Attempts);
    key.ok_or_else(|| Failure::unavailable("keys", "there is no key for attempts"))
}

impl Refused {
    fn error(self, now: Timestamp) -> Error {
        Error::TooManyAttempts { scope: self.scope, wait: self.until.duration_since(now) }
    }
}
