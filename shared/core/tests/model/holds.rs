//! What holds for Relatch's policy.

use crate::client::RetryRule::{AnyTime, Never, TokensKey, WithinWindow};
use crate::policy::{RELATCH, STRICT_SINGLE_USE};
use crate::properties::{
    AT_MOST_TWO_ARE_REDEEMABLE, ENDED_STAYS_ENDED, EXPIRED_IS_WORTH_NOTHING, FUTURE_TOKEN_IS_WORTH_NOTHING,
    HONEST_CLIENT_STAYS_SIGNED_IN, NEVER_RACED, NOTHING_GOES_BACK, NOTHING_IS_CREATED, OLD_TOKEN_ENDS_SESSION,
    ONE_TOKEN_PER_GENERATION, Property, REFUSAL_IS_FINAL, THEFT_IS_CAUGHT,
};
use crate::show;
use crate::world::Scenario;

/// What holds whatever happens, but for a restored table.
const ALWAYS: [Property; 7] = [
    AT_MOST_TWO_ARE_REDEEMABLE,
    ONE_TOKEN_PER_GENERATION,
    OLD_TOKEN_ENDS_SESSION,
    REFUSAL_IS_FINAL,
    NOTHING_IS_CREATED,
    NOTHING_GOES_BACK,
    NEVER_RACED,
];

fn and_always(properties: &[Property]) -> Vec<Property> {
    [properties, &ALWAYS].concat()
}

/// All properties hold, and each of the rows of the table was reached: nothing holds only
/// because nothing happened.
fn holds(name: &str, rows: &[&str], scenario: &Scenario) {
    let exploration = show(name, scenario);
    assert!(exploration.counterexample.is_none(), "{name}: {exploration}");
    for row in rows {
        assert!(exploration.rows.contains_key(row), "{name}: {row} is not reached");
    }
}

/// Three requests at once, lost and repeated at will, within `W` of a token's first attempt.
#[test]
fn without_a_key() {
    let properties = and_always(&[HONEST_CLIENT_STAYS_SIGNED_IN]);
    let scenario = Scenario::new(RELATCH, WithinWindow, &properties);
    let rows = ["rotated", "same", "retry"];
    holds("without a key", &rows, &Scenario { under_way: 3, ..scenario });
    let scenario = Scenario::new(RELATCH, WithinWindow, &properties);
    let scenario = Scenario { resends: true, slow_clocks: true, ..scenario };
    holds("without a key, SDK and clocks", &rows, &scenario);
}

/// Three requests at once, lost and repeated at will for ever; but a token that has just been
/// received is not refreshed while older requests may be under way. (Access tokens live for
/// four windows or more: who refreshes when they expire, waits long enough.)
#[test]
fn with_the_tokens_key() {
    let properties = and_always(&[HONEST_CLIENT_STAYS_SIGNED_IN]);
    let scenario = Scenario::new(RELATCH, TokensKey, &properties);
    let scenario = Scenario { under_way: 3, rest: 3, ..scenario };
    holds("with the token's key", &["rotated", "retry"], &scenario);
    let scenario = Scenario::new(RELATCH, TokensKey, &properties);
    let scenario = Scenario { longest_delay: 1, rest: 2, resends: true, slow_clocks: true, ..scenario };
    holds("with the token's key, SDK and clocks", &["rotated", "same", "retry"], &scenario);
}

/// Without a rest, if there is never more than one request under way: not even one that the
/// client has given up.
#[test]
fn with_the_tokens_key_and_one_request_at_a_time() {
    let scenario = Scenario::new(RELATCH, TokensKey, &and_always(&[HONEST_CLIENT_STAYS_SIGNED_IN]));
    let scenario = Scenario { under_way: 1, resends: true, slow_clocks: true, ..scenario };
    holds("with the token's key, one at a time", &["rotated", "same", "retry"], &scenario);
}

/// With `W` = 0 each token is sent once, and the SDK's second delivery is no theft.
#[test]
fn strict_single_use() {
    let scenario = Scenario::new(STRICT_SINGLE_USE, Never, &and_always(&[HONEST_CLIENT_STAYS_SIGNED_IN]));
    let scenario = Scenario { end: 4, resends: true, duplicates: false, slow_clocks: true, ..scenario };
    holds("strict single use", &["rotated", "retry"], &scenario);
}

/// Sessions that end after five ticks without a rotation, after eight in all.
#[test]
fn until_it_expires() {
    let properties = and_always(&[HONEST_CLIENT_STAYS_SIGNED_IN, EXPIRED_IS_WORTH_NOTHING]);
    let rows = ["rotated", "retry", "the token has expired"];
    let scenario = Scenario::new(RELATCH, WithinWindow, &properties).with_lifetime(5, 8);
    holds("until it expires, without a key", &rows, &Scenario { slow_clocks: true, ..scenario });
    let scenario = Scenario::new(RELATCH, TokensKey, &properties).with_lifetime(5, 8);
    holds("until it expires, with the token's key", &rows, &Scenario { rest: 3, slow_clocks: true, ..scenario });
}

#[test]
fn a_thief_against_a_client_with_keys() {
    let properties = and_always(&[THEFT_IS_CAUGHT]);
    let rows = ["rotated", "same", "retry", "reuse", "dead"];
    let scenario = Scenario::new(RELATCH, TokensKey, &properties);
    holds("a thief, keys", &rows, &Scenario { has_thief: true, end: 6, ..scenario });
    let scenario = Scenario::new(RELATCH, TokensKey, &properties);
    holds("a thief, keys, clocks", &rows, &Scenario { has_thief: true, slow_clocks: true, end: 4, ..scenario });
}

#[test]
fn a_thief_against_a_client_without_keys() {
    let scenario = Scenario::new(RELATCH, AnyTime, &and_always(&[THEFT_IS_CAUGHT]));
    let rows = ["rotated", "same", "retry", "reuse", "dead"];
    holds("a thief, no keys", &rows, &Scenario { has_thief: true, end: 6, ..scenario });
}

#[test]
fn after_a_sign_out() {
    let scenario = Scenario::new(RELATCH, TokensKey, &and_always(&[ENDED_STAYS_ENDED]));
    let scenario = Scenario { signs_out: true, resends: true, end: 6, ..scenario };
    holds("a sign-out", &["rotated", "same", "retry", "reuse", "dead"], &scenario);
}

#[test]
fn after_the_user_is_disabled_and_enabled_again() {
    let scenario = Scenario::new(RELATCH, AnyTime, &and_always(&[ENDED_STAYS_ENDED]));
    let scenario = Scenario { disables: true, end: 5, ..scenario };
    holds("a disabled user", &["rotated", "same", "retry", "reuse", "dead"], &scenario);
}

/// A backup at any time, and a restore at any later time, of the sessions' table alone.
#[test]
fn after_the_sessions_table_was_restored() {
    let properties = [
        AT_MOST_TWO_ARE_REDEEMABLE,
        OLD_TOKEN_ENDS_SESSION,
        FUTURE_TOKEN_IS_WORTH_NOTHING,
        NOTHING_IS_CREATED,
        ENDED_STAYS_ENDED,
    ];
    let scenario = Scenario::new(RELATCH, AnyTime, &properties);
    let rows = ["rotated", "same", "retry", "reuse", "future", "dead", "gone"];
    holds(
        "a restored table, a disabled user",
        &rows,
        &Scenario { restores: true, disables: true, end: 3, ..scenario },
    );
    let scenario = Scenario::new(RELATCH, TokensKey, &properties);
    holds("a restored table", &rows, &Scenario { restores: true, end: 6, ..scenario });
}
