//! The keys in the cache: loaded at start, renewed while the function lives.
//!
//! - Keys older than five minutes are loaded again at their next use, at most once
//!   in 30 seconds. When that fails they go on being used, for up to a day: the
//!   service that keeps them may be down, but what was signed stays signed.
//! - A token with an unknown `kid` is invalid only if the keys in the cache are younger
//!   than five minutes. Otherwise it may be signed by a key we have not seen, so
//!   the keys are loaded again, and the answer is 503 when that fails: never an
//!   answer that makes a client throw its tokens away.
//! - Keys that cannot be loaded at start do not end the function; it answers 503
//!   until they can, asking at most once a second.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use relatch::keys::{
    ACCESS_SECRET_PURPOSES, KeySet, MAX_STALE_SIGNING, PublicKeySet, Purpose, REFRESH_SECRET_PURPOSES,
};
use relatch::secret::Secret;
use relatch::time::Timestamp;
use relatch::token::TokenError;
use relatch_store::{Failure, PublicKeysTable, SecretsManager, secrets_client};
use tokio::sync::Mutex;

use crate::config::KeySource;
use crate::context::Context;
use crate::telemetry::{Event, Log, LogFields};

/// How long keys are used without asking for newer ones.
const FRESH_FOR: Duration = Duration::from_mins(5);
/// The shortest time between two loads while there are keys in the cache.
const RELOAD_PAUSE: Duration = Duration::from_secs(30);
/// The same while there are none.
const FIRST_LOAD_PAUSE: Duration = Duration::from_secs(1);

/// The keys of some purposes, with where they come from.
pub struct KeyCache {
    source: Source,
    log: Log,
    state: Mutex<State>,
}

enum Source {
    File(PathBuf),
    /// The public halves of a file's keys.
    PublicFile(PathBuf),
    /// The public keys in their table.
    Published(PublicKeysTable),
    Secrets {
        secrets: SecretsManager,
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

impl KeyCache {
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
                    secrets: SecretsManager::new(secrets_client(&config.aws)),
                    access: needs(&ACCESS_SECRET_PURPOSES, access),
                    refresh: needs(&REFRESH_SECRET_PURPOSES, refresh),
                }
            }
        };
        Self { source, log: context.log.clone(), state: Mutex::default() }
    }

    /// A ring for the public keys of access tokens; nothing is loaded yet.
    pub fn for_public_keys(context: &Context, table: &PublicKeysTable) -> Self {
        let source = match &context.config.key_source {
            KeySource::File(path) => Source::PublicFile(path.clone()),
            KeySource::Secrets { .. } => Source::Published(table.clone()),
        };
        Self { source, log: context.log.clone(), state: Mutex::default() }
    }

    /// The keys in the cache, loaded or loaded again as the rules above say.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when there are none that may be used.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<KeySet>, Failure> {
        let mut state = self.state.lock().await;
        match &state.keys {
            Some((keys, loaded_at)) if now < *loaded_at + FRESH_FOR => Ok(Arc::clone(keys)),
            Some((keys, loaded_at)) => {
                let (keys, may_be_used) = (Arc::clone(keys), now < *loaded_at + MAX_STALE_SIGNING);
                match self.load(&mut state, now, RELOAD_PAUSE).await {
                    Ok(newer) => Ok(newer),
                    Err(_) if may_be_used => Ok(keys),
                    Err(error) => Err(error),
                }
            }
            None => self.load(&mut state, now, FIRST_LOAD_PAUSE).await,
        }
    }

    /// Verifies with the keys in the cache, and once more with newly loaded ones when a
    /// `kid` is unknown to keys that are no longer fresh.
    ///
    /// # Errors
    /// The inner error is what is wrong with the token; the outer one is
    /// [`Failure::Unavailable`]: nothing can be said about it.
    pub async fn verify<C>(
        &self,
        now: Timestamp,
        verify: impl Fn(&KeySet) -> Result<C, TokenError>,
    ) -> Result<Result<C, TokenError>, Failure> {
        let keys = self.current(now).await?;
        let verdict = verify(&keys);
        if !matches!(verdict, Err(TokenError::UnknownKey)) {
            return Ok(verdict);
        }
        let mut state = self.state.lock().await;
        if state.keys.as_ref().is_some_and(|(_, loaded_at)| now < *loaded_at + FRESH_FOR) {
            return Ok(verdict);
        }
        let newer = self.load(&mut state, now, RELOAD_PAUSE).await?;
        Ok(verify(&newer))
    }

    async fn load(&self, state: &mut State, now: Timestamp, pause: Duration) -> Result<Arc<KeySet>, Failure> {
        if state.tried_at.is_some_and(|tried_at| now < tried_at + pause) {
            return Err(Failure::unavailable("keys", "asked a moment ago"));
        }
        state.tried_at = Some(now);
        let keys = self.source.read().await.inspect_err(|failure| {
            // Also while the keys in the cache still serve: in a day they will not.
            let event = if state.keys.is_some() { Event::KeysStale } else { Event::KeysMissing };
            self.log.write(now, event, LogFields::default().add_failure(failure));
        })?;
        if state.keys.as_ref().is_none_or(|(in_hand, _)| !in_hand.kids().eq(keys.kids())) {
            let kids: Vec<_> = keys.kids().collect();
            self.log.write(now, Event::KeysLoaded, LogFields::default().add("kids", kids));
        }
        let keys = Arc::new(keys);
        state.keys = Some((Arc::clone(&keys), now));
        Ok(keys)
    }
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyCache")
    }
}

impl Source {
    async fn read(&self) -> Result<KeySet, Failure> {
        match self {
            Self::File(path) => read_file(path),
            Self::PublicFile(path) => verifying_keys(read_file(path)?.public()),
            Self::Published(table) => {
                let published = table.read().await?;
                verifying_keys(PublicKeySet::new(published.into_iter().map(|published| published.key).collect()))
            }
            Self::Secrets { secrets, access, refresh } => {
                let (access, refresh) = tokio::try_join!(
                    read_secret(secrets, access.as_deref(), &ACCESS_SECRET_PURPOSES),
                    read_secret(secrets, refresh.as_deref(), &REFRESH_SECRET_PURPOSES),
                )?;
                Ok(access.merged(refresh))
            }
        }
    }
}

fn read_file(path: &Path) -> Result<KeySet, Failure> {
    let text = std::fs::read_to_string(path).map_err(|cause| Failure::unavailable("keys.file", &cause.kind()))?;
    parse_keys(&Secret::new(text))
}

fn verifying_keys(set: PublicKeySet) -> Result<KeySet, Failure> {
    KeySet::from_public(set).map_err(|cause| Failure::unavailable("keys", &cause))
}

fn parse_keys(text: &Secret) -> Result<KeySet, Failure> {
    KeySet::parse(text.expose()).map_err(|cause| Failure::unavailable("keys", &cause))
}

/// The keys of a secret, none of a secret that is not needed. A key in the wrong secret
/// is refused: a refresh key among the access keys would be read by functions that must
/// not know it.
async fn read_secret(secrets: &SecretsManager, id: Option<&str>, purposes: &[Purpose]) -> Result<KeySet, Failure> {
    let Some(id) = id else { return Ok(KeySet::default()) };
    let current = secrets.current(id).await?;
    let current = current
        .ok_or_else(|| Failure::unavailable("keys.secret", "there is no such secret, or it has no value"))?;
    let keys = parse_keys(&current.text)?;
    if keys.purposes().any(|purpose| !purposes.contains(&purpose)) {
        return Err(Failure::unavailable("keys.secret", "a key for another purpose is in it"));
    }
    Ok(keys)
}
