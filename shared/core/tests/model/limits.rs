//! What Relatch's policy does not achieve: each a property that one might expect, and the
//! shortest run that breaks it. A test that fails here says that a limit has moved.

use crate::client::RetryRule::{AnyTime, TokensKey};
use crate::policy::RELATCH;
use crate::properties::{
    ENDED_STAYS_ENDED, HONEST_CLIENT_STAYS_SIGNED_IN, HONEST_CLIENT_STAYS_SIGNED_IN_TO_THE_LAST, NEVER_RACED,
    NEXT_USE_IS_CAUGHT, OLDER_TOKEN_IS_CAUGHT, ONE_TOKEN_PER_GENERATION,
};
use crate::weaker::breaks;
use crate::world::Scenario;

/// After a lost answer, two tabs repeat the request a window later, with its key. One is
/// answered with the successor, and at once refreshes that too, which may rotate, since the
/// rotation that was repeated is long ago; the other's request is then two generations old.
/// It takes no delay at all, but a client that refreshes with a new access token in hand.
#[test]
fn a_client_that_refreshes_what_it_has_just_got_outruns_its_own_retries() {
    let scenario = Scenario::new(RELATCH, TokensKey, &[HONEST_CLIENT_STAYS_SIGNED_IN]);
    breaks("a client without rest", 14, &Scenario { longest_delay: 0, ..scenario });
}

/// The rest must be longer than a request may be under way.
#[test]
fn a_rest_as_long_as_the_longest_delay_is_too_short() {
    let scenario = Scenario::new(RELATCH, TokensKey, &[HONEST_CLIENT_STAYS_SIGNED_IN]);
    breaks("a short rest", 14, &Scenario { rest: 2, ..scenario });
}

/// Only who has the older token is caught: whoever rotates and goes on is not, until the other
/// comes back.
#[test]
fn the_newer_token_betrays_nobody() {
    let scenario = Scenario::new(RELATCH, TokensKey, &[NEXT_USE_IS_CAUGHT]);
    breaks("the next use", 10, &Scenario { has_thief: true, ..scenario });
}

/// The owner's lost answer may be asked for with the token's key at any time, also when the
/// thief, within the window, got the successor before. They then have the same token again.
#[test]
fn an_owner_with_the_key_catches_up_with_the_thief() {
    let scenario = Scenario::new(RELATCH, TokensKey, &[OLDER_TOKEN_IS_CAUGHT]);
    breaks("the older token", 13, &Scenario { has_thief: true, ..scenario });
}

/// An instance whose clock is slow may rotate to an idle expiry before that of the token
/// it was presented: the session then ends that much before the predecessor, which may
/// still be repeated with its key.
#[test]
fn a_slow_clock_takes_a_second_from_a_tokens_life() {
    let scenario = Scenario::new(RELATCH, TokensKey, &[HONEST_CLIENT_STAYS_SIGNED_IN_TO_THE_LAST]);
    breaks("a slow clock", 11, &Scenario { slow_clocks: true, rest: 3, ..scenario.with_lifetime(5, 8) });
}

/// Sessions that were ended after the backup are alive again. (Not those of users whose epoch was
/// raised: it is in the other table.)
#[test]
fn a_restored_table_forgets_sign_outs() {
    let scenario = Scenario::new(RELATCH, AnyTime, &[ENDED_STAYS_ENDED]);
    breaks("a restored table and a sign-out", 6, &Scenario { restores: true, signs_out: true, ..scenario });
}

/// A generation that is reached for the second time has another token.
#[test]
fn a_restored_table_reaches_a_generation_twice() {
    let scenario = Scenario::new(RELATCH, AnyTime, &[ONE_TOKEN_PER_GENERATION]);
    breaks("a restored table and its tokens", 9, &Scenario { restores: true, ..scenario });
}

/// A token of the first time may be too young to rotate while the second rotation is long ago:
/// 503 until it is older.
#[test]
fn after_a_restore_a_token_may_have_to_wait() {
    let scenario = Scenario::new(RELATCH, AnyTime, &[NEVER_RACED]);
    breaks("a restored table and a young token", 15, &Scenario { restores: true, ..scenario });
}
