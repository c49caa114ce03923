//! The keys in hand: loaded at start, renewed while the function lives.
//!
//! - Keys older than five minutes are loaded again at their next use, at most once
//!   in 30 seconds. When that fails they go on being used, for up to a day: the
//!   service that keeps them may be down, but what was signed stays signed.
//! - A token with an unknown `kid` is invalid only if the keys in hand are younger
//!   than five minutes. Otherwise it may be signed by a key we have not seen, so
//!   the keys are loaded again, and the answer is 503 when that fails: never an
//!   answer that makes a client throw its tokens away.
//! - Keys that cannot be loaded at start do not end the function; it answers 503
//!   until they can, asking at most once a second.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::jwk::{PublicKeySet, Purpose};
use super::keys::KeySet;
use super::verify::TokenError;
use crate::config::KeySource;
use crate::error::Error;
use crate::lambda::Context;
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::telemetry::{Entry, Event, Log};
use crate::time::Timestamp;

/// How long keys are used without asking for newer ones, in seconds.
const FRESH: i64 = 300;
/// How long keys are used although newer ones cannot be had, in seconds.
const STALE: i64 = 86_400;
/// The shortest time between two loads while there are keys in hand, in seconds.
const PAUSE: i64 = 30;
/// The same while there are none.
const FIRST_PAUSE: i64 = 1;

/// The keys of some purposes, with where they come from.
pub struct KeyRing {
    source: Source,
    log: Log,
    state: Mutex<State>,
}

enum Source {
    File(std::path::PathBuf),
    /// The public halves of a file's keys.
    PublicFile(std::path::PathBuf),
    /// The public keys in their table.
    Published(Store),
    Secrets {
        secrets: Secrets,
        /// The secret with the access keys, where they are needed.
        access: Option<String>,
        /// The secret with the other keys, where they are needed.
        refresh: Option<String>,
    },
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    tried_at: Option<Timestamp>,
}

impl KeyRing {
    /// A ring for the keys of these purposes; nothing is loaded yet.
    pub fn new(context: &Context, purposes: &[Purpose]) -> Self {
        let config = &context.config;
        let source = match &config.key_source {
            KeySource::File(path) => Source::File(path.clone()),
            KeySource::Secrets { access, refresh } => {
                let needs = |in_secret: &[Purpose], id: &String| {
                    purposes.iter().any(|purpose| in_secret.contains(purpose)).then(|| id.clone())
                };
                Source::Secrets {
                    secrets: Secrets::new(config),
                    access: needs(&IN_ACCESS_SECRET, access),
                    refresh: needs(&IN_REFRESH_SECRET, refresh),
                }
            }
        };
        Self { source, log: context.log.clone(), state: Mutex::default() }
    }

    /// A ring for the public keys of access tokens; nothing is loaded yet.
    pub fn of_public_keys(context: &Context, store: &Store) -> Self {
        let source = match &context.config.key_source {
            KeySource::File(path) => Source::PublicFile(path.clone()),
            KeySource::Secrets { .. } => Source::Published(store.clone()),
        };
        Self { source, log: context.log.clone(), state: Mutex::default() }
    }

    /// The keys in hand, loaded or loaded again as the rules above say.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when there are none that may be used.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<KeySet>, Error> {
        let mut state = self.state.lock().await;
        match &state.keys {
            Some((keys, loaded_at)) if now < loaded_at.plus_seconds(FRESH) => Ok(Arc::clone(keys)),
            Some((keys, loaded_at)) => {
                let (keys, may_be_used) = (Arc::clone(keys), now < loaded_at.plus_seconds(STALE));
                match self.load(&mut state, now, PAUSE).await {
                    Ok(newer) => Ok(newer),
                    Err(_) if may_be_used => Ok(keys),
                    Err(error) => Err(error),
                }
            }
            None => self.load(&mut state, now, FIRST_PAUSE).await,
        }
    }

    /// Verifies with the keys in hand, and once more with newly loaded ones when a
    /// `kid` is unknown to keys that are no longer fresh.
    ///
    /// # Errors
    /// The inner error is what is wrong with the token; the outer one is
    /// [`Error::Unavailable`]: nothing can be said about it.
    pub async fn verify<C>(
        &self,
        now: Timestamp,
        verify: impl Fn(&KeySet) -> Result<C, TokenError>,
    ) -> Result<Result<C, TokenError>, Error> {
        let keys = self.current(now).await?;
        let verdict = verify(&keys);
        if !matches!(verdict, Err(TokenError::UnknownKey)) {
            return Ok(verdict);
        }
        let mut state = self.state.lock().await;
        if state.keys.as_ref().is_some_and(|(_, loaded_at)| now < loaded_at.plus_seconds(FRESH)) {
            return Ok(verdict);
        }
        let newer = self.load(&mut state, now, PAUSE).await?;
        Ok(verify(&newer))
    }

    async fn load(&self, state: &mut State, now: Timestamp, pause: i64) -> Result<Arc<KeySet>, Error> {
        if state.tried_at.is_some_and(|tried_at| now < tried_at.plus_seconds(pause)) {
            return Err(Error::unavailable("keys", "asked a moment ago"));
        }
        state.tried_at = Some(now);
        let keys = self.source.read().await.inspect_err(|error| {
            // Also while the keys in hand still serve: in a day they will not.
            if let Error::Unavailable(cause) | Error::Internal(cause) = error {
                let event = if state.keys.is_some() { Event::KeysStale } else { Event::KeysMissing };
                self.log.write(now, Entry::new(event).with_cause(cause));
            }
        })?;
        if state.keys.as_ref().is_none_or(|(in_hand, _)| !in_hand.kids().eq(keys.kids())) {
            let kids: Vec<_> = keys.kids().collect();
            self.log.write(now, Entry::new(Event::KeysLoaded).with("kids", kids));
        }
        let keys = Arc::new(keys);
        state.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing")
    }
}

impl Source {
    async fn read(&self) -> Result<KeySet, Error> {
        match self {
            Self::File(path) => file(path),
            Self::PublicFile(path) => public(file(path)?.public()),
            Self::Published(store) => {
                let published = store.published_keys().await?;
                public(PublicKeySet::of(published.into_iter().map(|published| published.key).collect()))
            }
            Self::Secrets { secrets, access, refresh } => {
                let (access, refresh) = tokio::try_join!(
                    secret(secrets, access.as_deref(), &IN_ACCESS_SECRET),
                    secret(secrets, refresh.as_deref(), &IN_REFRESH_SECRET),
                )?;
                Ok(access.merged(refresh))
            }
        }
    }
}

/// What the one secret may hold.
pub const IN_ACCESS_SECRET: [Purpose; 1] = [Purpose::Access];
/// What the other may hold.
pub const IN_REFRESH_SECRET: [Purpose; 2] = [Purpose::Refresh, Purpose::Attempts];

fn file(path: &std::path::Path) -> Result<KeySet, Error> {
    let text = std::fs::read_to_string(path).map_err(|cause| Error::unavailable("keys.file", &cause.kind()))?;
    parse(&Secret::new(text))
}

fn public(set: PublicKeySet) -> Result<KeySet, Error> {
    KeySet::from_public(set).map_err(|cause| Error::unavailable("keys", &cause))
}

fn parse(text: &Secret) -> Result<KeySet, Error> {
    KeySet::parse(text.expose()).map_err(|cause| Error::unavailable("keys", &cause))
}

/// The keys of a secret, none of a secret that is not needed. A key in the wrong secret
/// is refused: a refresh key among the access keys would be read by functions that must
/// not know it.
async fn secret(secrets: &Secrets, id: Option<&str>, purposes: &[Purpose]) -> Result<KeySet, Error> {
    let Some(id) = id else { return Ok(KeySet::default()) };
    let current = secrets.current(id).await?;
    let current =
        current.ok_or_else(|| Error::unavailable("keys.secret", "there is no such secret, or it has no value"))?;
    let keys = parse(&current.text)?;
    if keys.purposes().any(|purpose| !purposes.contains(&purpose)) {
        return Err(Error::unavailable("keys.secret", "a key for another purpose is in it"));
    }
    Ok(keys)
}
