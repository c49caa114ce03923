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
//! - The first key of a purpose starts at once: there is nobody to wait for.
//! - A key for attempts is never replaced. It signs nothing that expires, and another one
//!   would begin all counts anew.

use super::generate::GenerateError;
use super::jwk::{Algorithm, Purpose};
use super::stored::{KeyInfo, StoredKeys};
use crate::config::Config;
use crate::time::Timestamp;

/// How long a key of access tokens is published before it signs, in seconds.
pub const ACCESS_LEAD: i64 = 3 * 3600;
/// How long a key of refresh tokens is known to the functions before it signs, in seconds.
pub const OTHER_LEAD: i64 = 600;
/// How long a function signs with keys that it cannot load again, in seconds.
const STALE_SIGNERS: i64 = 86_400;

/// The keys after a rotation that is made `now`: a new one of each purpose, and without those
/// that no good token needs any more.
///
/// # Errors
/// [`GenerateError`] when a key cannot be made.
pub fn rotated(
    keys: &StoredKeys,
    purposes: &[Purpose],
    access: Algorithm,
    now: Timestamp,
) -> Result<StoredKeys, GenerateError> {
    let mut rotated = keys.clone();
    let before = keys.list(now);
    for purpose in purposes {
        let is_first = !before.iter().any(|key| key.purpose == *purpose);
        let (algorithm, lead) = match purpose {
            Purpose::Access => (access, ACCESS_LEAD),
            Purpose::Refresh => (Algorithm::HS256, OTHER_LEAD),
            Purpose::Attempts if is_first => (Algorithm::HS256, 0),
            Purpose::Attempts => continue,
        };
        rotated.add(*purpose, algorithm, now.plus_seconds(if is_first { 0 } else { lead }))?;
    }
    for key in &before {
        if last_needed(key, &before, longest_life(key.purpose)).is_some_and(|until| until <= now) {
            rotated.remove(key.purpose, &key.kid);
        }
    }
    Ok(rotated)
}

fn longest_life(purpose: Purpose) -> Option<i64> {
    match purpose {
        Purpose::Access => Some(Config::MAX_ACCESS_TOKEN_TTL),
        Purpose::Refresh => Some(Config::MAX_SESSION_AGE),
        Purpose::Attempts => None,
    }
}

/// When the last token that a key can have signed expires; `None` while no newer key is there
/// to sign instead, and for a key whose tokens never expire (no `longest_life`, in seconds).
pub fn last_needed(key: &KeyInfo, keys: &[KeyInfo], longest_life: Option<i64>) -> Option<Timestamp> {
    let newer = keys.iter().filter(|other| other.purpose == key.purpose && other.not_before > key.not_before);
    let stopped = newer.map(|other| other.not_before).min()?;
    Some(stopped.plus_seconds(STALE_SIGNERS).plus_seconds(longest_life?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const ALL: [Purpose; 3] = [Purpose::Access, Purpose::Refresh, Purpose::Attempts];
    const DAY: i64 = 86_400;

    fn rotate(keys: &StoredKeys, now: Timestamp) -> StoredKeys {
        rotated(keys, &ALL, Algorithm::EdDSA, now).unwrap()
    }

    fn starts(keys: &StoredKeys, purpose: Purpose) -> Vec<i64> {
        let of_purpose = keys.list(NOW).into_iter().filter(|key| key.purpose == purpose);
        of_purpose.map(|key| key.not_before.seconds() - NOW.seconds()).collect()
    }

    #[test]
    fn the_first_keys_start_at_once() {
        let keys = rotate(&StoredKeys::default(), NOW);
        assert_eq!(ALL.map(|purpose| starts(&keys, purpose)), [vec![0], vec![0], vec![0]]);
        let access_only = rotated(&StoredKeys::default(), &[Purpose::Access], Algorithm::ES256, NOW).unwrap();
        assert_eq!(access_only.list(NOW).len(), 1);
    }

    #[test]
    fn the_next_ones_are_known_before_they_sign() {
        let keys = rotate(&rotate(&StoredKeys::default(), NOW), NOW.plus_seconds(30 * DAY));
        assert_eq!(starts(&keys, Purpose::Access), [0, 30 * DAY + ACCESS_LEAD]);
        assert_eq!(starts(&keys, Purpose::Refresh), [0, 30 * DAY + OTHER_LEAD]);
        assert_eq!(starts(&keys, Purpose::Attempts), [0]);
    }

    #[test]
    fn a_key_goes_at_the_second_its_last_token_expires() {
        let keys = rotate(&rotate(&StoredKeys::default(), NOW), NOW.plus_seconds(30 * DAY));
        let last = 30 * DAY + ACCESS_LEAD + DAY + Config::MAX_ACCESS_TOKEN_TTL;
        let before = rotate(&keys, NOW.plus_seconds(last - 1));
        assert_eq!(starts(&before, Purpose::Access).first(), Some(&0));
        let after = rotate(&keys, NOW.plus_seconds(last));
        assert_eq!(starts(&after, Purpose::Access), [30 * DAY + ACCESS_LEAD, last + ACCESS_LEAD]);
        assert_eq!(starts(&after, Purpose::Refresh).first(), Some(&0), "refresh tokens live longer");
        let year = 30 * DAY + OTHER_LEAD + DAY + Config::MAX_SESSION_AGE;
        assert_ne!(starts(&rotate(&keys, NOW.plus_seconds(year)), Purpose::Refresh).first(), Some(&0));
    }

    #[test]
    fn another_algorithm_is_a_rotation() {
        let keys = rotate(&StoredKeys::default(), NOW);
        let keys = rotated(&keys, &[Purpose::Access], Algorithm::RS256, NOW.plus_seconds(DAY)).unwrap();
        let signing = |now| keys.list(now).into_iter().find(|key| key.purpose == Purpose::Access && key.signs);
        let switch = NOW.plus_seconds(DAY + ACCESS_LEAD);
        assert_eq!(signing(switch.minus_seconds(1)).unwrap().algorithm, Algorithm::EdDSA);
        assert_eq!(signing(switch).unwrap().algorithm, Algorithm::RS256);
    }

    #[test]
    fn rotating_over_and_over_takes_no_key_too_early() {
        let mut keys = StoredKeys::default();
        for hour in 0..100 {
            let now = NOW.plus_seconds(hour * 3600);
            keys = rotate(&keys, now);
            let list = keys.list(now);
            assert_eq!(list.iter().filter(|key| key.signs).count(), 3, "hour {hour}");
        }
        // A key an hour: those of the last two days and a bit are needed.
        let access = starts(&keys, Purpose::Access).len();
        assert!((49..=54).contains(&access), "{access}");
    }
}
