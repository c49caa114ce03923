//! Counting an attempt to sign in with its counters, by the policy of [`crate::attempts`].
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

use crate::attempts::{AttemptId, Counter, Counters, Scope};
use crate::error::Error;
use crate::store::{Counted, Store};
use crate::time::Timestamp;

/// How many refusals an instance remembers; further ones cost a write each.
const MOST_REMEMBERED: usize = 10_000;
/// How long a refusal that may be over sooner is remembered, in seconds.
const GLANCE: i64 = 5;

/// The refusals that this instance knows of, by the keys of their counters.
#[derive(Debug, Default)]
pub struct Throttle {
    refusals: Mutex<HashMap<String, Remembered>>,
}

/// An attempt that was counted: its password may be compared.
///
/// It stays counted, as a wrong password, unless it is told otherwise.
#[derive(Debug)]
#[must_use = "an attempt that comes to no wrong password is to be given back"]
pub struct Attempt {
    id: AttemptId,
    pair: Counter,
    /// The others that counted it.
    others: [Option<Counter>; 3],
}

/// What refuses an attempt, and until when.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    scope: Scope,
    until: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    refusal: Refusal,
    forget_at: Timestamp,
}

impl Throttle {
    /// Refuses a pair that this instance knows to wait, before anything else is done.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`].
    pub fn check(&self, counters: &Counters, now: Timestamp) -> Result<(), Error> {
        self.remembered(&counters.pair, now).map_or(Ok(()), |refusal| Err(refused(refusal, now)))
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]; or [`Error::Unavailable`] and [`Error::Internal`] when
    /// a counter cannot be written: a password whose attempt is not counted is not compared.
    pub async fn admit(
        &self,
        store: &Store,
        counters: Counters,
        id: AttemptId,
        now: Timestamp,
    ) -> Result<Attempt, Error> {
        let Counters { pair, email, address, network, .. } = counters;
        let others = [Some(&email), Some(&address), network.as_ref()];
        let refusal = others.into_iter().flatten().filter_map(|counter| self.remembered(counter, now));
        if let Some(refusal) = refusal.max_by_key(|refusal| refusal.until) {
            // A look, and no write: a known pair is bound by its own counter alone.
            let count = store.read_count(&pair).await?;
            if !count.is_some_and(|count| count.is_known(now)) {
                return Err(refused(refusal, now));
            }
        }
        match store.count_attempt(&pair, &id, now).await? {
            Counted::No(until) => Err(refused(self.remember(&pair, until, now), now)),
            Counted::Yes(count) => {
                let is_known = count.is_known(now);
                let attempt = Attempt { id, pair, others: [None, None, None] };
                if is_known {
                    return Ok(attempt);
                }
                self.count(store, attempt, [Some(email), Some(address), network], now).await
            }
        }
    }

    /// Asks the other counters, all at once.
    async fn count(
        &self,
        store: &Store,
        mut attempt: Attempt,
        others: [Option<Counter>; 3],
        now: Timestamp,
    ) -> Result<Attempt, Error> {
        let answers = {
            let ask = async |counter: &Option<Counter>| match counter {
                Some(counter) => store.count_attempt(counter, &attempt.id, now).await.map(Some),
                None => Ok(None),
            };
            let [email, address, network] = &others;
            tokio::join!(ask(email), ask(address), ask(network))
        };
        let (mut refusal, mut failure) = (None::<Refusal>, None);
        let answers: [_; 3] = answers.into();
        for ((counter, answer), counted) in others.into_iter().zip(answers).zip(&mut attempt.others) {
            match answer {
                Ok(Some(Counted::Yes(_))) => *counted = counter,
                Ok(Some(Counted::No(until))) => {
                    let refused = counter.map(|counter| self.remember(&counter, until, now));
                    refusal = refusal.into_iter().chain(refused).max_by_key(|refusal| refusal.until);
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure.or(refusal.map(|refusal| refused(refusal, now))) {
            Some(error) => {
                attempt.undo(store).await;
                Err(error)
            }
            None => Ok(attempt),
        }
    }

    fn remembered(&self, counter: &Counter, now: Timestamp) -> Option<Refusal> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.get(&counter.key).filter(|it| now < it.forget_at).map(|it| it.refusal)
    }

    fn remember(&self, counter: &Counter, until: Timestamp, now: Timestamp) -> Refusal {
        let refusal = Refusal { scope: counter.scope, until };
        let forget_at = match counter.ends_at {
            Some(ends_at) => ends_at.min(now.plus_seconds(GLANCE)),
            None => until,
        };
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.len() >= MOST_REMEMBERED {
            refusals.retain(|_, it| now < it.forget_at);
        }
        if refusals.len() < MOST_REMEMBERED {
            refusals.insert(counter.key.clone(), Remembered { refusal, forget_at });
        }
        refusal
    }
}

impl Attempt {
    /// The password was right: forgives the pair, and gives the other counters their unit
    /// back.
    ///
    /// # Errors
    /// The first failure; what failed stays counted.
    pub async fn succeed(self, store: &Store, now: Timestamp) -> Result<(), Error> {
        let (forgiven, given_back) = tokio::join!(store.forgive(&self.pair, now), self.give_back(store));
        forgiven.and(given_back)
    }

    /// No password was compared, or nothing came of it: gives every counter its unit back.
    /// What fails stays counted.
    pub async fn undo(self, store: &Store) {
        let _ = tokio::join!(store.give_back(&self.pair, &self.id), self.give_back(store));
    }

    async fn give_back(&self, store: &Store) -> Result<(), Error> {
        let back = async |counter: &Option<Counter>| match counter {
            Some(counter) => store.give_back(counter, &self.id).await,
            None => Ok(()),
        };
        let [email, address, network] = &self.others;
        let (email, address, network) = tokio::join!(back(email), back(address), back(network));
        email.and(address).and(network)
    }
}

fn refused(refusal: Refusal, now: Timestamp) -> Error {
    let millis = refusal.until.millis_since(now).max(1);
    Error::TooManyAttempts { scope: refusal.scope, seconds: millis.saturating_add(999) / 1000 }
}
