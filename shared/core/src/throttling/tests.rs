use aws_lc_rs::hmac;
use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn counters_at(email: &str, address: &str, now: Timestamp) -> Counters {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let mac = |input: &[u8]| hmac::sign(&key, input).as_ref().try_into().ok();
    Counters::new(&Email::parse(email).unwrap(), &Address::from_peer(address), Limits::default(), mac, now)
        .unwrap()
}

fn counters(email: &str, address: &str) -> Counters {
    counters_at(email, address, NOW)
}

fn id(number: u8) -> AttemptId {
    AttemptId::from_random([number; 16])
}

fn count(number: u32, last_at: Timestamp) -> Count {
    Count { number, last_at, last_id: id(0), signed_in_at: None }
}

fn pair() -> Counter {
    counters("ada@example.com", "203.0.113.7").pair
}

#[test]
fn each_wrong_password_beyond_the_free_ones_waits_twice_as_long() {
    let waits =
        [(4, 0), (5, 1), (6, 2), (7, 4), (8, 8), (14, 512), (15, 900), (16, 900), (100, 900), (u32::MAX, 900)];
    for (number, seconds) in waits {
        assert_eq!(wait(number, 5), Duration::from_secs(seconds), "{number}");
    }
}

#[test]
fn a_pair_is_refused_to_the_millisecond() {
    let seen = count(7, NOW);
    let at = |millis: i64| decide(&pair(), &seen, &id(1), Timestamp::from_millis(NOW.millis() + millis));
    let until = NOW + Duration::from_secs(4);
    assert_eq!(at(-2_000), Verdict::Refused(until), "a clock that is behind");
    assert_eq!(at(0), Verdict::Refused(until));
    assert_eq!(at(3_999), Verdict::Refused(until));
    assert_eq!(at(4_000), Verdict::CountAs(8));
}

#[test]
fn a_day_without_an_attempt_forgets_the_wrong_ones() {
    let seen = count(40, NOW);
    assert_eq!(decide(&pair(), &seen, &id(1), NOW + Duration::from_secs(86_399)), Verdict::CountAs(41));
    assert_eq!(decide(&pair(), &seen, &id(1), NOW + Duration::from_secs(86_400)), Verdict::CountAs(1));
}

#[test]
fn the_other_counters_refuse_until_they_begin_again() {
    let all = counters("ada@example.com", "2001:db8::1");
    for counter in [all.email, all.address, all.network.unwrap()] {
        let ends_at = counter.ends_at.unwrap();
        assert_eq!(decide(&counter, &count(1, NOW), &id(1), NOW), Verdict::Refused(ends_at));
        assert!(NOW < ends_at && ends_at <= NOW + PERIOD, "{counter:?}");
    }
}

#[test]
fn an_attempt_knows_its_own_write() {
    for counter in [pair(), counters("ada@example.com", "203.0.113.7").email] {
        assert_eq!(decide(&counter, &count(1_000, NOW), &id(0), NOW), Verdict::Counted);
    }
}

#[test]
fn a_pair_is_known_for_thirty_days() {
    let signed_in = Count { signed_in_at: Some(NOW), ..count(0, NOW) };
    assert!(signed_in.is_known(NOW + Duration::from_secs(30 * 86_400 - 1)));
    assert!(!signed_in.is_known(NOW + Duration::from_secs(30 * 86_400)));
    assert!(!count(0, NOW).is_known(NOW));
}

#[test]
fn a_counter_begins_again_under_another_key() {
    let first = counters_at("ada@example.com", "203.0.113.7", NOW).email;
    let ends_at = first.ends_at.unwrap();
    let just_before = Timestamp::from_millis(ends_at.millis() - 1);
    assert_eq!(counters_at("ada@example.com", "203.0.113.7", just_before).email, first);
    let second = counters_at("ada@example.com", "203.0.113.7", ends_at).email;
    assert_ne!(second.key, first.key);
    assert_eq!(second.ends_at, Some(ends_at + PERIOD));
}

#[test]
fn the_counters_of_a_64_and_of_a_48() {
    let one = counters("ada@example.com", "2001:db8:1:2::1");
    let same_64 = counters("ada@example.com", "2001:db8:1:2::ffff");
    let same_48 = counters("ada@example.com", "2001:db8:1:3::1");
    assert_eq!((&one.pair, &one.address), (&same_64.pair, &same_64.address));
    assert_ne!(one.pair, same_48.pair);
    assert_ne!(one.address, same_48.address);
    let network = one.network.unwrap();
    assert_eq!(Some(&network), same_48.network.as_ref());
    assert_eq!(network.limit, 10 * Limits::default().per_address);
    assert_eq!(counters("ada@example.com", "203.0.113.7").network, None);
}

#[test]
fn each_scope_has_its_name_in_the_log_and_its_keys_in_the_table() {
    let all = counters("ada@example.com", "2001:db8::1");
    let counters = [all.pair, all.email, all.address, all.network.unwrap()];
    for (counter, name) in counters.iter().zip(["pair", "email", "address", "network"]) {
        assert_eq!(counter.scope.name(), name);
        assert!(counter.key.starts_with(&format!("{}#", name.to_uppercase())), "{}", counter.key);
    }
    assert_eq!(AttemptId::from_random([0; 16]).as_str(), "A".repeat(22));
}

#[test]
fn no_key_shows_whose_it_is() {
    let all = counters("ada@example.com", "203.0.113.7");
    let keys = format!("{} {} {} {}", all.pair.key, all.email.key, all.address.key, all.email_digest);
    assert!(!keys.contains("ada") && !keys.contains("203"), "{keys}");
}

/// A table with one item of each key, changed as the store changes it.
#[derive(Default)]
struct Table(Option<Count>);

impl Table {
    /// Whether the attempt is counted.
    fn attempt(&mut self, counter: &Counter, id: &AttemptId, now: Timestamp) -> bool {
        let Some(found) = &self.0 else {
            self.0 = Some(Count { last_id: id.clone(), ..count(1, now) });
            return true;
        };
        let is_recent = found.number == 0 || found.last_at > now - FORGOTTEN_AFTER;
        let next = if found.number < counter.limit && found.last_id != *id && is_recent {
            found.number + 1
        } else {
            match decide(counter, found, id, now) {
                Verdict::Counted => return true,
                Verdict::Refused(_) => return false,
                Verdict::CountAs(next) => next,
            }
        };
        self.0 = Some(Count { number: next, last_at: now, last_id: id.clone(), signed_in_at: found.signed_in_at });
        true
    }
}

proptest! {
    /// Whoever tries as often as he is let: in any day from the first attempt on, a pair
    /// compares at most the free ones, ten whose waits double, and one in 15 minutes.
    #[test]
    fn a_pair_tries_at_most_about_a_hundred_passwords_a_day(pauses in prop::collection::vec(0u64..2_000, 1..400)) {
        let (counter, mut table, mut now, mut hashed) = (pair(), Table::default(), NOW, 0);
        for (number, pause) in (0u32..).zip(pauses) {
            now = now + Duration::from_secs(pause) ;
            if now >= (NOW + Duration::from_secs(86_400)) {
                break;
            }
            let mut random = [1; 16];
            random[..4].copy_from_slice(&number.to_be_bytes());
            hashed += u32::from(table.attempt(&counter, &AttemptId::from_random(random), now));
        }
        prop_assert!(hashed <= 5 + 10 + 96, "{hashed}");
    }

    /// A write that arrives twice is answered alike.
    #[test]
    fn a_second_delivery_changes_no_answer(before in 0u32..8) {
        let (counter, mut table) = (pair(), Table::default());
        for number in 0..before {
            table.attempt(&counter, &id(u8::try_from(number).unwrap() + 1), NOW);
        }
        let first = table.attempt(&counter, &id(200), NOW);
        let after = table.0.clone();
        prop_assert_eq!(table.attempt(&counter, &id(200), NOW), first);
        prop_assert_eq!(table.0, after);
    }
}
