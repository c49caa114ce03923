//! The refresh function, step by step as it is served, and everything else that writes to
//! the tables.

use relatch::session::{Decision, Generation, RotationAttempt, UpdateOutcome};
use relatch::user::User;

use crate::clock::Moment;
use crate::store::{self, Account, Item, Key};
use crate::world::{Action, Backup, Outcome, Party, Request, Scenario, Stage, Token, World};

/// What the server and its operator can do.
pub(crate) fn steps(scenario: &Scenario, world: &World, steps: &mut Vec<(Action, World)>) {
    let mut last = None;
    for request in &world.requests {
        if last == Some(request) {
            continue;
        }
        last = Some(request);
        match request.stage {
            Stage::Travelling => start(scenario, world, request, steps),
            Stage::Started { now, account, .. } => {
                redeem(scenario, world, request, now, account, steps);
                if account != world.account {
                    redeem(scenario, world, request, now, world.account, steps);
                }
            }
            Stage::Revoking => {
                let mut after = world.without(request);
                if scenario.policy.ends_sessions {
                    revoke(&mut after);
                }
                steps.push((Action::Revoke(*request), after));
            }
        }
    }
    if scenario.signs_out && !world.is_ended {
        let mut after = World { is_ended: true, ..world.clone() };
        revoke(&mut after);
        steps.push((Action::SignOut, after));
    }
    if scenario.disables && !world.is_ended {
        let account = Account { is_disabled: true, epoch: world.account.epoch + 1 };
        steps.push((Action::Disable, World { is_ended: true, account, ..world.clone() }));
    }
    if world.account.is_disabled {
        let account = Account { is_disabled: false, ..world.account };
        steps.push((Action::Enable, World { account, ..world.clone() }));
    }
    if scenario.restores {
        restore(world, steps);
    }
}

/// The clock is read, and the token verified.
fn start(scenario: &Scenario, world: &World, request: &Request, steps: &mut Vec<(Action, World)>) {
    for is_slow in [false, true] {
        if is_slow && !scenario.slow_clocks {
            continue;
        }
        let now = Moment::at(world.tick, is_slow);
        if now >= request.token.expires_at {
            let action = Action::Decide(*request, "the token has expired", Some(Outcome::InvalidGrant));
            steps.push((action, world.without(request)));
            continue;
        }
        let stage =
            Stage::Started { now, account: world.account, is_after_end: world.is_ended, has_rotated: false };
        let after = world.without(request).with(Request { stage, ..*request });
        steps.push((Action::Start(*request, now), after));
    }
}

/// The update, or the read, and the decision: two steps in truth, but between them only
/// the user is read, for which both times are tried.
fn redeem(
    scenario: &Scenario,
    world: &World,
    request: &Request,
    now: Moment,
    account: Account,
    steps: &mut Vec<(Action, World)>,
) {
    let user = scenario.origin.user(account);
    let (seen, decision) = attempt(scenario, world.item, request, now, &user);
    let mut after = world.without(request);
    if let UpdateOutcome::Applied(session) = &seen {
        after.item = Some(Item::of(session));
        after.last_rotation = Some((request.party, world.tick));
        for other in &mut after.requests {
            if let Stage::Started { has_rotated, .. } = &mut other.stage {
                *has_rotated = false;
            }
        }
        after.requests.sort_unstable();
        if scenario.resends {
            let mut again = *request;
            if let Stage::Started { has_rotated, .. } = &mut again.stage {
                *has_rotated = true;
            }
            steps.push((Action::LoseWrite(*request), after.clone().with(again)));
        }
    }
    let (name, outcome) = match decision {
        Decision::Rotated(session) => ("rotated", Some(Outcome::Success(Token::of(&session)))),
        Decision::Same(session) => ("same", Some(Outcome::Success(Token::of(&session)))),
        Decision::Retry(session) => ("retry", Some(Outcome::Success(Token::of(&session)))),
        Decision::Gone => ("gone", Some(Outcome::InvalidGrant)),
        Decision::Inactive(_) => ("dead", Some(Outcome::InvalidGrant)),
        Decision::Reuse => ("reuse", None),
        Decision::Future => ("future", None),
        // Asked again with a fresh clock, until it is too late: then 503.
        Decision::Conflict => ("raced", None),
    };
    match (outcome, name) {
        (Some(Outcome::Success(token)), _) => {
            match (request.party, &mut after.thief) {
                (Party::Thief, Some(thief)) => thief.answer(token),
                _ => after.owner.answer(token),
            }
            if after.first_answers.iter().all(|first| first.generation != token.generation) {
                after.first_answers.push(token);
            }
        }
        (Some(Outcome::InvalidGrant), _) => {}
        (None, "raced") => after = after.with(Request { stage: Stage::Travelling, ..*request }),
        (None, _) => after = after.with(Request { stage: Stage::Revoking, ..*request }),
    }
    steps.push((Action::Decide(*request, name, outcome), after));
}

/// What the function does for a request: as `Refresh::rotate` and `Refresh::redeem`.
pub(crate) fn attempt(
    scenario: &Scenario,
    item: Option<Item>,
    request: &Request,
    now: Moment,
    user: &User,
) -> (UpdateOutcome, Decision) {
    let policy = &scenario.policy;
    let (window, now) = (policy.window(), now.timestamp());
    // At `W` = 0 client keys are ignored.
    let is_random = window.is_strict() || request.key == Key::OfOtherRequest;
    let key = match request.stage {
        Stage::Started { has_rotated: true, .. } if is_random => Key::OfRequest,
        _ if is_random => Key::OfOtherRequest,
        _ => request.key,
    };
    let presented = key.presented(request.token.generation);
    let session = item.map(|item| scenario.origin.session(item));
    let is_young = window.surely_contains(request.token.issued_at.timestamp(), now);
    let seen = if policy.reads_young && request.token.generation >= 1 && is_young {
        UpdateOutcome::Unchanged(session)
    } else {
        let rotation = RotationAttempt {
            from: Generation(request.token.generation.into()),
            idempotency_key_digest: &presented.idempotency_key_digest,
            window,
            lifetime: scenario.lifetime,
            now,
        };
        store::rotate(&scenario.origin, session, &rotation, policy.condition)
    };
    let decision = (policy.decide)(&presented, seen.clone(), Some(user), window, now);
    (seen, decision)
}

fn revoke(world: &mut World) {
    if let Some(item) = &mut world.item {
        item.is_revoked = true;
    }
}

/// One backup at any time, one restore at any later time; or a restore to a time before
/// the sign-in.
fn restore(world: &World, steps: &mut Vec<(Action, World)>) {
    match (world.backup, world.item) {
        (Backup::None, Some(item)) => {
            steps.push((Action::BackUp, World { backup: Backup::Made(item), ..world.clone() }));
            let after = World { backup: Backup::Restored, item: None, ..world.clone() };
            steps.push((Action::RestoreFromBeforeSignIn, after));
        }
        (Backup::Made(item), _) if world.item != Some(item) => {
            let after = World { backup: Backup::Restored, item: Some(item), ..world.clone() };
            steps.push((Action::Restore, after));
        }
        _ => {}
    }
}
