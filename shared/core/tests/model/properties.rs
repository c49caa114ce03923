//! What must hold, each as a rule about one step.

use std::time::Duration;

use relatch::session::Decision;

use crate::clock::{LAG, Moment, WINDOW};
use crate::server;
use crate::store::{Account, Item, Key};
use crate::world::{Action, Outcome, Party, Request, Scenario, Stage, Token, World};

/// A rule about a step: what was, what happens, what is.
#[derive(Clone, Copy)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) holds: fn(&Scenario, &World, &Action, &World) -> bool,
}

/// At any moment at most two generations of a session are worth a token, whoever
/// presents them, with whatever key, to an instance with whatever clock.
pub(crate) const AT_MOST_TWO_ARE_REDEEMABLE: Property = Property {
    name: "at most two generations are redeemable",
    holds: |scenario, _, _, after| {
        let Some(item) = after.item else { return true };
        let moment = (after.tick, item, after.account);
        if scenario.approved.borrow().contains(&moment) {
            return true;
        }
        let redeemable = (0..=item.generation + 1).filter(|g| is_redeemable(scenario, moment, *g)).count();
        if redeemable <= 2 {
            scenario.approved.borrow_mut().insert(moment);
        }
        redeemable <= 2
    },
};

/// All that what is redeemable depends on: the tick and the two items.
pub(crate) type RedeemableAt = (u8, Item, Account);

fn is_redeemable(scenario: &Scenario, (tick, item, account): RedeemableAt, generation: u8) -> bool {
    let current = Token::of(&scenario.origin.session(item));
    let token = if generation == item.generation {
        current
    } else {
        Token { generation, issued_at: Moment::at(0, true), ..current }
    };
    let user = scenario.origin.user(account);
    let keys = [Key::OfToken(generation), Key::OfRequest, Key::OfOtherRequest, Key::Thief];
    [false, true].into_iter().filter(|is_slow| !is_slow || scenario.slow_clocks).any(|is_slow| {
        let now = Moment::at(tick, is_slow);
        keys.into_iter().any(|key| {
            let stage = Stage::Started { now, account, is_after_end: false, has_rotated: key == Key::OfRequest };
            let key = if key == Key::OfRequest { Key::OfOtherRequest } else { key };
            let request = Request { party: Party::Owner, token, key, until: tick, stage };
            let (_, decision) = server::attempt(scenario, Some(item), &request, now, &user);
            matches!(decision, Decision::Rotated(_) | Decision::Same(_) | Decision::Retry(_))
        })
    })
}

/// All answers that carry one generation carry the same token: same `iat`, same `exp`.
pub(crate) const ONE_TOKEN_PER_GENERATION: Property = Property {
    name: "one token per generation",
    holds: |_, before, action, _| match action {
        Action::Decide(_, _, Some(Outcome::Success(token))) => {
            before.first_answers.iter().all(|first| first.generation != token.generation || first == token)
        }
        _ => true,
    },
};

/// A client that keeps the contract never hears that it must sign in again, until its token
/// has expired, or where clocks differ, until it is about to. For scenarios in which nobody
/// ends the session.
pub(crate) const HONEST_CLIENT_STAYS_SIGNED_IN: Property = Property {
    name: "an honest client stays signed in",
    holds: |scenario, before, action, after| {
        let Action::Decide(Request { token, stage: Stage::Started { now, .. }, .. }, ..) = action else {
            return (HONEST_CLIENT_STAYS_SIGNED_IN_TO_THE_LAST.holds)(scenario, before, action, after);
        };
        let lag = if scenario.slow_clocks { LAG } else { Duration::ZERO };
        now.timestamp() + lag >= token.expires_at.timestamp()
            || (HONEST_CLIENT_STAYS_SIGNED_IN_TO_THE_LAST.holds)(scenario, before, action, after)
    },
};

/// Stronger, and false where clocks differ: until its token has expired by the clock that it
/// was verified by.
pub(crate) const HONEST_CLIENT_STAYS_SIGNED_IN_TO_THE_LAST: Property = Property {
    name: "an honest client stays signed in until its token has expired",
    holds: |_, _, action, _| match action {
        Action::Decide(Request { stage: Stage::Travelling, .. }, _, Some(Outcome::InvalidGrant)) => true,
        Action::Decide(request, _, Some(Outcome::InvalidGrant)) | Action::Revoke(request) => {
            request.party != Party::Owner
        }
        _ => true,
    },
};

/// Once a sign-out, or the disabling of the user, was answered, no refresh succeeds that
/// starts later.
pub(crate) const ENDED_STAYS_ENDED: Property = Property {
    name: "ended stays ended",
    holds: |_, _, action, _| match action {
        Action::Decide(request, _, Some(Outcome::Success(_))) => {
            !matches!(request.stage, Stage::Started { is_after_end: true, .. })
        }
        _ => true,
    },
};

/// Who presents a token that is two generations old, or older, ends the session. (A token
/// that has expired says nothing; a write that fails is answered with 503.)
pub(crate) const OLD_TOKEN_ENDS_SESSION: Property = Property {
    name: "an old token ends the session",
    holds: |scenario, before, action, after| match action {
        Action::Decide(Request { stage: Stage::Travelling, .. }, ..) => true,
        Action::Decide(request, _, outcome) => {
            let is_old = before.item.is_some_and(|item| item.generation >= request.token.generation + 2);
            !is_old || !matches!(outcome, Some(Outcome::Success(_)))
        }
        Action::Revoke(_) => is_over(scenario, after),
        _ => true,
    },
};

/// Nobody hears `invalid_grant` while some token of the session is still worth something.
/// (Theirs may have expired.)
pub(crate) const REFUSAL_IS_FINAL: Property = Property {
    name: "invalid_grant means that the session is over",
    holds: |scenario, _, action, after| match action {
        Action::Decide(Request { stage: Stage::Started { .. }, .. }, _, Some(Outcome::InvalidGrant))
        | Action::Revoke(_) => is_over(scenario, after),
        _ => true,
    },
};

fn is_over(scenario: &Scenario, world: &World) -> bool {
    world.item.is_none_or(|item| {
        let session = scenario.origin.session(item);
        // The right clock: a slow instance may know only a second later.
        !session.is_live(&scenario.origin.user(world.account), Moment::at(world.tick, false).timestamp())
    })
}

/// A token that the other party's request rotated away `W` ago or more ends the session:
/// from then on owner and thief cannot both go on.
///
/// By a right clock, not the table's `rotated_at`; where clocks differ, one tick more.
pub(crate) const THEFT_IS_CAUGHT: Property = Property {
    name: "theft is caught",
    holds: |scenario, before, action, _| match (action, before.last_rotation, before.item) {
        (Action::Decide(request, _, outcome), Some((rotator, rotated_in)), Some(item)) => {
            let Stage::Started { now, .. } = request.stage else { return true };
            let is_predecessor = item.generation == request.token.generation + 1;
            let age = now.tick().saturating_sub(rotated_in);
            let is_apart = age >= WINDOW + u8::from(scenario.slow_clocks);
            let is_theft = is_predecessor && is_apart && rotator != request.party;
            !is_theft || !matches!(outcome, Some(Outcome::Success(_)))
        }
        _ => true,
    },
};

/// Stronger, and false: `W` after the last rotation, while the newest tokens of owner and
/// thief differ, whoever uses the older of these two ends the session.
pub(crate) const OLDER_TOKEN_IS_CAUGHT: Property = Property {
    name: "who uses the older token is caught",
    holds: |_, before, action, _| succeeds_apart(before, action).is_none_or(|(own, others)| own >= others),
};

/// Stronger, and false: `W` after the last rotation, while the newest tokens of owner and
/// thief differ, the next use of either of these two ends the session.
pub(crate) const NEXT_USE_IS_CAUGHT: Property = Property {
    name: "the next use of either token is caught",
    holds: |_, before, action, _| succeeds_apart(before, action).is_none_or(|(own, others)| own == others),
};

/// Generations of the newest tokens, of the party whose request with it succeeds `W` after
/// the last rotation, and of the other.
fn succeeds_apart(before: &World, action: &Action) -> Option<(u8, u8)> {
    let Action::Decide(request, _, Some(Outcome::Success(_))) = action else { return None };
    let Stage::Started { now, .. } = request.stage else { return None };
    let (_, rotated_in) = before.last_rotation?;
    let owners = before.owner.token.generation;
    let thiefs = before.thief.as_ref()?.tokens.iter().map(|token| token.generation).max()?;
    let (own, others) = match request.party {
        Party::Owner => (owners, thiefs),
        Party::Thief => (thiefs, owners),
    };
    (now.tick() >= rotated_in + WINDOW && request.token.generation == own).then_some((own, others))
}

/// A token that is newer than the table, which then was restored, is worth nothing.
pub(crate) const FUTURE_TOKEN_IS_WORTH_NOTHING: Property = Property {
    name: "a token newer than the table is worth nothing",
    holds: |_, before, action, _| match (action, before.item) {
        (Action::Decide(request, _, Some(Outcome::Success(_))), Some(item)) => {
            request.token.generation <= item.generation
        }
        _ => true,
    },
};

/// A refresh never creates a session.
pub(crate) const NOTHING_IS_CREATED: Property = Property {
    name: "a refresh creates no item",
    holds: |_, before, action, after| {
        before.item.is_some() || after.item.is_none() || matches!(action, Action::Restore)
    },
};

/// The generation does not go back, nor does what was ended come alive.
pub(crate) const NOTHING_GOES_BACK: Property = Property {
    name: "the generation never decreases",
    holds: |_, before, _, after| match (before.item, after.item) {
        (Some(before), Some(after)) => {
            after.generation >= before.generation && (after.is_revoked || !before.is_revoked)
        }
        _ => true,
    },
};

/// An expired session is worth nothing.
pub(crate) const EXPIRED_IS_WORTH_NOTHING: Property = Property {
    name: "an expired session is worth nothing",
    holds: |scenario, before, action, _| match (action, before.item) {
        (Action::Decide(request, _, Some(Outcome::Success(token))), Some(item)) => {
            let Stage::Started { now, .. } = request.stage else { return false };
            now < Token::of(&scenario.origin.session(item)).expires_at && now < token.expires_at
        }
        _ => true,
    },
};

/// Nothing is decided that the update and the read do not agree on: the handler asks again for
/// a restored table alone.
pub(crate) const NEVER_RACED: Property = Property {
    name: "the item never changes in between",
    holds: |_, _, action, _| !matches!(action, Action::Decide(_, "raced", _)),
};
