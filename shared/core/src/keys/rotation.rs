//! The life of a key, and the set of keys after a rotation.
//!
//! ```text
//!  made ──── published ───────────── signs ──────────────── verifies ────────── gone
//!            known to everyone who    until a newer one      until the last token
//!            verifies, signs nothing  starts                 it signed has expired
//!            └── lead ──┘                                    └ a day + longest life ┘
//! ```
//!
//! - The *lead* is longer than anyone keeps keys without asking for newer ones: API
//!   Gateway's authorizers keep a JWK Set for two hours, and functions for five minutes.
//! - A function that cannot load keys goes on with those it has for a day, so that a key may
//!   sign for a day after a newer one started.
//! - The longest life is what any setting allows, not what is set today: a token that was
//!   issued under an older setting is not shortened by a newer one.
//! - The first key of a purpose starts at once: nothing has to be waited for.
//! - A key for attempts is never replaced. It signs nothing that expires, and another one
//!   would begin all counts anew.

use std::time::Duration;

use crate::keys::generate::GenerateError;
use crate::keys::jwk::{Algorithm, Purpose};
use crate::keys::private_key_set::{KeyInfo, PrivateKeySet};
use crate::lifetime::{MAX_ACCESS_TOKEN_TTL, MAX_SESSION_AGE};
use crate::time::Timestamp;

/// How long a key of access tokens is published before it signs.
pub const ACCESS_LEAD: Duration = Duration::from_hours(3);
/// How long a key of refresh tokens is known to the functions before it signs.
pub const REFRESH_LEAD: Duration = Duration::from_mins(10);
/// How long a function signs with keys that it cannot load again. With a longer time, a function
/// could sign with a key that a rotation has already removed.
pub const MAX_STALE_SIGNING: Duration = Duration::from_hours(24);

/// The keys after a rotation that is made `now`: a new one of each purpose, and without those
/// that no good token needs any more.
///
/// # Errors
/// [`GenerateError`] when a key cannot be made.
pub fn rotate_keys(
    keys: &PrivateKeySet,
    purposes: &[Purpose],
    access: Algorithm,
    now: Timestamp,
) -> Result<PrivateKeySet, GenerateError> {
    let mut rotated = keys.clone();
    let before = keys.list(now);
    for purpose in purposes {
        let is_first = !before.iter().any(|key| key.purpose == *purpose);
        let (algorithm, lead) = match purpose {
            Purpose::Access => (access, ACCESS_LEAD),
            Purpose::Refresh => (Algorithm::HS256, REFRESH_LEAD),
            Purpose::Attempts if is_first => (Algorithm::HS256, Duration::ZERO),
            Purpose::Attempts => continue,
        };
        rotated.add(*purpose, algorithm, if is_first { now } else { now + lead })?;
    }
    for key in &before {
        if retirable_at(key, &before, max_life(key.purpose)).is_some_and(|at| at <= now) {
            rotated.remove(key.purpose, &key.kid);
        }
    }
    Ok(rotated)
}

fn max_life(purpose: Purpose) -> Option<Duration> {
    match purpose {
        Purpose::Access => Some(MAX_ACCESS_TOKEN_TTL),
        Purpose::Refresh => Some(MAX_SESSION_AGE),
        Purpose::Attempts => None,
    }
}

/// When the last token that a key can have signed expires; `None` while no newer key is there
/// to sign instead, and for a key whose tokens never expire (no `max_life`).
pub fn retirable_at(key: &KeyInfo, keys: &[KeyInfo], max_life: Option<Duration>) -> Option<Timestamp> {
    let newer = keys.iter().filter(|other| other.purpose == key.purpose && other.not_before > key.not_before);
    let stopped = newer.map(|other| other.not_before).min()?;
    Some(stopped + MAX_STALE_SIGNING + max_life?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ALL: [Purpose; 3] = [Purpose::Access, Purpose::Refresh, Purpose::Attempts];
    const DAY: Duration = Duration::from_hours(24);

    fn rotate(keys: &PrivateKeySet, now: Timestamp) -> PrivateKeySet {
        rotate_keys(keys, &ALL, Algorithm::EdDSA, now).unwrap()
    }

    fn starts(keys: &PrivateKeySet, purpose: Purpose) -> Vec<Duration> {
        let of_purpose = keys.list(NOW).into_iter().filter(|key| key.purpose == purpose);
        of_purpose.map(|key| key.not_before.duration_since(NOW)).collect()
    }

    #[test]
    fn the_first_keys_start_at_once() {
        let keys = rotate(&PrivateKeySet::default(), NOW);
        assert_eq!(
            ALL.map(|purpose| starts(&keys, purpose)),
            [vec![Duration::ZERO], vec![Duration::ZERO], vec![Duration::ZERO]]
        );
        let access_only =
            rotate_keys(&PrivateKeySet::default(), &[Purpose::Access], Algorithm::ES256, NOW).unwrap();
        assert_eq!(access_only.list(NOW).len(), 1);
    }

    #[test]
    fn the_next_ones_are_known_before_they_sign() {
        let keys = rotate(&rotate(&PrivateKeySet::default(), NOW), NOW + 30 * DAY);
        assert_eq!(starts(&keys, Purpose::Access), [Duration::ZERO, 30 * DAY + ACCESS_LEAD]);
        assert_eq!(starts(&keys, Purpose::Refresh), [Duration::ZERO, 30 * DAY + REFRESH_LEAD]);
        assert_eq!(starts(&keys, Purpose::Attempts), [Duration::ZERO]);
    }

    #[test]
    fn a_key_goes_at_the_second_its_last_token_expires() {
        let keys = rotate(&rotate(&PrivateKeySet::default(), NOW), NOW + 30 * DAY);
        let last = 30 * DAY + ACCESS_LEAD + DAY + MAX_ACCESS_TOKEN_TTL;
        let before = rotate(&keys, NOW + last - Duration::from_secs(1));
        assert_eq!(starts(&before, Purpose::Access).first(), Some(&Duration::ZERO));
        let after = rotate(&keys, NOW + last);
        assert_eq!(starts(&after, Purpose::Access), [30 * DAY + ACCESS_LEAD, last + ACCESS_LEAD]);
        assert_eq!(starts(&after, Purpose::Refresh).first(), Some(&Duration::ZERO), "refresh tokens live longer");
        let year = 30 * DAY + REFRESH_LEAD + DAY + MAX_SESSION_AGE;
        assert_ne!(starts(&rotate(&keys, NOW + year), Purpose::Refresh).first(), Some(&Duration::ZERO));
    }

    #[test]
    fn another_algorithm_is_a_rotation() {
        let keys = rotate(&PrivateKeySet::default(), NOW);
        let keys = rotate_keys(&keys, &[Purpose::Access], Algorithm::RS256, NOW + DAY).unwrap();
        let signing = |now| keys.list(now).into_iter().find(|key| key.purpose == Purpose::Access && key.signs);
        let switch = NOW + DAY + ACCESS_LEAD;
        assert_eq!(signing(switch - Duration::from_secs(1)).unwrap().algorithm, Algorithm::EdDSA);
        assert_eq!(signing(switch).unwrap().algorithm, Algorithm::RS256);
    }

    #[test]
    fn rotating_over_and_over_takes_no_key_too_early() {
        let mut keys = PrivateKeySet::default();
        for hour in 0..100 {
            let now = NOW + hour * Duration::from_hours(1);
            keys = rotate(&keys, now);
            let list = keys.list(now);
            assert_eq!(list.iter().filter(|key| key.signs).count(), 3, "hour {hour}");
        }
        // A key an hour: those of the last two days and a bit are needed.
        let access = starts(&keys, Purpose::Access).len();
        assert!((49..=54).contains(&access), "{access}");
    }
}
