//! Policies that are known to be weaker, each with the property that it breaks.

use crate::client::RetryRule::{AnyTime, KeyOfEachRequest, Never, TokensKey, WithinWindow};
use crate::policy::{
    ANY_GENERATION_WITHIN_WINDOW, ENDED_IS_NOT_CHECKED, FUTURE_IS_ACCEPTED, NO_CAP, OWN_WRITE_IS_NOT_KNOWN,
    PREDECESSOR_FOREVER, RELATCH, REUSE_IS_ONLY_REFUSED, SIBLINGS, STRICT_SINGLE_USE, UPDATE_CREATES,
    UPDATE_IGNORES_GENERATION,
};
use crate::properties::{
    AT_MOST_TWO_ARE_REDEEMABLE, ENDED_STAYS_ENDED, FUTURE_TOKEN_IS_WORTH_NOTHING, HONEST_CLIENT_STAYS_SIGNED_IN,
    NOTHING_GOES_BACK, NOTHING_IS_CREATED, OLD_TOKEN_ENDS_SESSION, ONE_TOKEN_PER_GENERATION, REFUSAL_IS_FINAL,
    THEFT_IS_CAUGHT,
};
use crate::show;
use crate::world::Scenario;

/// The one property of the scenario is broken, and by a run of so many steps at the shortest.
pub(crate) fn breaks(name: &str, steps: usize, scenario: &Scenario) {
    let exploration = show(name, scenario);
    let run = exploration.counterexample.as_ref().map(|counterexample| counterexample.run.len());
    assert_eq!(run, Some(steps), "{name}: {exploration}");
}

#[test]
fn strict_single_use_signs_out_who_repeats_a_request() {
    let scenario = Scenario::new(STRICT_SINGLE_USE, WithinWindow, &[HONEST_CLIENT_STAYS_SIGNED_IN]);
    breaks("strict single use", 7, &scenario);
}

#[test]
fn siblings_are_several_tokens_of_one_generation() {
    breaks("siblings", 7, &Scenario::new(SIBLINGS, WithinWindow, &[ONE_TOKEN_PER_GENERATION]));
}

#[test]
fn a_predecessor_that_is_accepted_for_ever_hides_theft() {
    let scenario = Scenario::new(PREDECESSOR_FOREVER, TokensKey, &[THEFT_IS_CAUGHT]);
    breaks("the predecessor for ever", 10, &Scenario { has_thief: true, ..scenario });
}

#[test]
fn without_a_cap_two_tabs_outrun_each_other() {
    breaks("no cap", 11, &Scenario::new(NO_CAP, WithinWindow, &[HONEST_CLIENT_STAYS_SIGNED_IN]));
}

#[test]
fn a_key_of_each_request_is_none() {
    let scenario = Scenario::new(RELATCH, KeyOfEachRequest, &[HONEST_CLIENT_STAYS_SIGNED_IN]);
    breaks("a key of each request", 10, &Scenario { rest: 3, ..scenario });
}

#[test]
fn any_generation_within_the_window_is_too_many() {
    let scenario = Scenario::new(ANY_GENERATION_WITHIN_WINDOW, WithinWindow, &[AT_MOST_TWO_ARE_REDEEMABLE]);
    breaks("any generation within the window", 10, &scenario);
}

#[test]
fn reuse_that_is_only_refused_leaves_the_session_alive() {
    let scenario = Scenario::new(REUSE_IS_ONLY_REFUSED, AnyTime, &[OLD_TOKEN_ENDS_SESSION]);
    breaks("reuse is only refused", 10, &scenario);
    let scenario = Scenario::new(REUSE_IS_ONLY_REFUSED, AnyTime, &[REFUSAL_IS_FINAL]);
    breaks("reuse is only refused", 10, &scenario);
}

#[test]
fn what_was_ended_must_be_looked_at() {
    let scenario = Scenario::new(ENDED_IS_NOT_CHECKED, AnyTime, &[ENDED_STAYS_ENDED]);
    breaks("a sign-out is not checked", 7, &Scenario { signs_out: true, ..scenario });
    let scenario = Scenario::new(ENDED_IS_NOT_CHECKED, AnyTime, &[ENDED_STAYS_ENDED]);
    breaks("a disabled user is not checked", 4, &Scenario { disables: true, ..scenario });
}

#[test]
fn a_token_from_the_future_must_not_be_current() {
    let scenario = Scenario::new(FUTURE_IS_ACCEPTED, AnyTime, &[FUTURE_TOKEN_IS_WORTH_NOTHING]);
    breaks("the future is accepted", 9, &Scenario { restores: true, ..scenario });
}

#[test]
fn the_sdks_second_delivery_must_be_known() {
    let scenario = Scenario::new(OWN_WRITE_IS_NOT_KNOWN, Never, &[HONEST_CLIENT_STAYS_SIGNED_IN]);
    let scenario = Scenario { resends: true, duplicates: false, ..scenario };
    breaks("the SDK's second delivery is not known", 5, &scenario);
}

#[test]
fn an_update_must_not_create() {
    let scenario = Scenario::new(UPDATE_CREATES, AnyTime, &[NOTHING_IS_CREATED]);
    breaks("the update creates", 4, &Scenario { restores: true, ..scenario });
}

#[test]
fn an_update_must_ask_for_the_generation() {
    let scenario = Scenario::new(UPDATE_IGNORES_GENERATION, AnyTime, &[NOTHING_GOES_BACK]);
    breaks("the update ignores the generation", 16, &Scenario { has_thief: true, ..scenario });
}
