//! The steps of one rotation of one secret.

use std::time::Duration;

use relatch::keys::{
    ACCESS_LEAD, Algorithm, KeySet, PrivateKeySet, PublicKey, PublicKeySet, Purpose, rotate_keys,
};
use relatch::secret::Secret;
use relatch::time::Timestamp;
use relatch_store::{Failure, PENDING, PublicKeysTable, SecretVersion, SecretsManager};

/// After this time, a published key that is in no current version belongs to no rotation: none
/// takes that long.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// What a step works on.
pub(crate) struct KeyRotation<'a> {
    pub(crate) secrets: &'a SecretsManager,
    pub(crate) public_keys: &'a PublicKeysTable,
    pub(crate) secret: &'a str,
    /// The id of the version that the rotation makes.
    pub(crate) version: &'a str,
    pub(crate) purposes: &'static [Purpose],
    pub(crate) algorithm: Algorithm,
}

impl KeyRotation<'_> {
    /// Adds the version, unless it is there: then this step came before.
    pub(crate) async fn create(&self, now: Timestamp) -> Result<(), Failure> {
        if self.secrets.version(self.secret, self.version).await?.is_some() {
            return Ok(());
        }
        let current = self.secrets.current(self.secret).await?;
        let keys = parse_keys(current.as_ref())?;
        let mut rotated = rotate_keys(&keys, self.purposes, self.algorithm, now)
            .map_err(|cause| Failure::internal("keys.generate", &cause))?;
        if current.is_none() {
            // The first version of a secret becomes the current one by itself.
            self.public_keys.publish(&rotated.public(), now).await?;
        }
        rotated.set_based_on(current.map(|current| current.id));
        let text = rotated.to_text().map_err(|cause| Failure::internal("keys.generate", &cause))?;
        // False: the same step, at the same time, was quicker with keys of its own.
        self.secrets.add(self.secret, self.version, &text, PENDING).await.map(drop)
    }

    /// Publishes the public keys of the version.
    pub(crate) async fn publish(&self, now: Timestamp) -> Result<(), Failure> {
        let made = self.read_pending().await?;
        self.expect_unchanged(&made).await?;
        self.public_keys.publish(&made.public(), now).await?;
        // Once more: what somebody took away in between must not come back by this.
        self.expect_unchanged(&made).await
    }

    /// Checks that the functions can use the version, its newest keys included, and that
    /// everyone can know its keys.
    pub(crate) async fn test(&self, now: Timestamp) -> Result<(), Failure> {
        let made = self.read_pending().await?;
        self.expect_unchanged(&made).await?;
        let text = made.to_text().map_err(|cause| Failure::internal("keys.test", &cause))?;
        let keys = KeySet::parse(text.expose()).map_err(|cause| Failure::internal("keys.test", &cause))?;
        for purpose in self.purposes {
            let key = keys.signing_key(*purpose, now + ACCESS_LEAD);
            let key = key.ok_or_else(|| Failure::internal("keys.test", "no key of a purpose signs"))?;
            let signature = key.sign(TEST_INPUT);
            if !signature.is_some_and(|signature| key.verify_signature(TEST_INPUT, &signature)) {
                return Err(Failure::internal("keys.test", "a key does not verify what it signs"));
            }
        }
        let published = self.public_keys.read().await?;
        let published: Vec<_> = published.into_iter().map(|published| published.key).collect();
        if made.public().keys().iter().any(|key| !published.contains(key)) {
            return Err(Failure::internal("keys.test", "a key is not published"));
        }
        Ok(())
    }

    /// Makes the version the current one, then takes back what is not needed any more. Tells
    /// the names of the keys that are in use now.
    pub(crate) async fn finish(&self, now: Timestamp) -> Result<Vec<String>, Failure> {
        let made = self.read_pending().await?;
        let is_current = self.secrets.make_current(self.secret, self.version, made.based_on()).await?;
        if !is_current {
            self.abandon(&made).await?;
            return Err(keys_changed());
        }
        if self.purposes.contains(&Purpose::Access) {
            self.withdraw_abandoned(&made.public(), now).await?;
        }
        Ok(made.list(now).into_iter().map(|key| key.kid).collect())
    }

    /// The version that the first step added.
    async fn read_pending(&self) -> Result<PrivateKeySet, Failure> {
        let version = self.secrets.version(self.secret, self.version).await?;
        if version.is_none() {
            return Err(Failure::internal("keys.rotation", "the step before it was not done"));
        }
        parse_keys(version.as_ref())
    }

    /// That nobody changed the keys since the first step. Otherwise nothing of this rotation
    /// stays published.
    async fn expect_unchanged(&self, made: &PrivateKeySet) -> Result<(), Failure> {
        let current = self.secrets.current(self.secret).await?.map(|current| current.id);
        if current.as_deref() == made.based_on() || current.as_deref() == Some(self.version) {
            return Ok(());
        }
        self.abandon(made).await?;
        Err(keys_changed())
    }

    /// Takes back the keys that are in this version and not in the current one, and lets
    /// another rotation begin.
    async fn abandon(&self, made: &PrivateKeySet) -> Result<(), Failure> {
        let current = parse_keys(self.secrets.current(self.secret).await?.as_ref())?.public();
        let made = made.public();
        let kids = made.keys().iter().map(PublicKey::kid);
        self.public_keys.withdraw(&kids_missing_in(&current, kids)).await?;
        self.secrets.end_rotation(self.secret, self.version).await
    }

    async fn withdraw_abandoned(&self, current: &PublicKeySet, now: Timestamp) -> Result<(), Failure> {
        let published = self.public_keys.read().await?;
        let old = published.iter().filter(|key| key.published_at + ABANDONED_AFTER <= now);
        self.public_keys.withdraw(&kids_missing_in(current, old.map(|published| published.key.kid()))).await
    }
}

/// Any text will do: no token is signed.
const TEST_INPUT: &[u8] = b"a rotation tests its keys";

fn keys_changed() -> Failure {
    Failure::unavailable("keys.rotation", "the keys were changed by somebody else meanwhile")
}

fn kids_missing_in<'a>(set: &PublicKeySet, kids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    kids.filter(|kid| !set.keys().iter().any(|key| key.kid() == *kid)).collect()
}

/// The keys of a version; none if there is no version, or no keys in it.
fn parse_keys(version: Option<&SecretVersion>) -> Result<PrivateKeySet, Failure> {
    let empty = Secret::new("");
    let text = version.map_or(&empty, |version| &version.text);
    PrivateKeySet::parse(text.expose()).map_err(|cause| Failure::internal("keys", &cause))
}
