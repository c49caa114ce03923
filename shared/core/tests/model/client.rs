//! The owner's client, the network between it and the server, and the thief.
//!
//! The tabs of the client share one stored token and remember nothing else, so they are
//! as one client that may send what is stored at any time, also while its earlier requests
//! are under way. A tab that gives up waiting is an answer that is not received.
//! The network loses a request by not letting it arrive, and an answer by not letting it be
//! received; an answer may be received at any later time, and any number of times.

use crate::clock::WINDOW;
use crate::store::Key;
use crate::world::{Action, Party, Request, Scenario, Stage, Token, World};

/// The newest generation that the owner's client sends. More than a run comes to where there is a
/// window; without one, nothing else would bound it.
const NEWEST_SENT: u8 = 4;

/// How the owner's client repeats a refresh whose answer it has not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryRule {
    /// At any time, with the key that belongs to the token.
    TokensKey,
    /// Without a key, such that it reaches the server within `W` of the first attempt.
    WithinWindow,
    /// Not at all: each token is sent once. All that strict single use allows.
    Never,
    /// Without a key, at any time: outside the contract.
    AnyTime,
    /// At any time, with a new key for every request: outside the contract, and the same
    /// to the server as no key at all, which then makes one up.
    KeyOfEachRequest,
}

/// The owner's client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The stored token.
    pub(crate) token: Token,
    /// Until when it is left alone; 0 when it may be used.
    rests_until: u8,
    /// When it was first sent, if the retries depend on that.
    first_attempt: Option<u8>,
    /// Newer tokens in answers that are under way.
    answers: Vec<Token>,
}

impl Owner {
    /// The client after the sign-in.
    pub(crate) fn with(token: Token) -> Self {
        Self { token, rests_until: 0, first_attempt: None, answers: Vec::new() }
    }

    /// An answer is on its way. One that carries no newer token can change nothing.
    pub(crate) fn answer(&mut self, token: Token) {
        if token.generation > self.token.generation && !self.answers.contains(&token) {
            self.answers.push(token);
            self.answers.sort_unstable();
        }
    }

    /// What is past makes no difference, and is the same in all worlds.
    pub(crate) fn forget_past(&mut self, tick: u8) {
        if self.rests_until <= tick {
            self.rests_until = 0;
        }
    }

    /// Stores a token, which is newer than the stored one, and forgets the older answers.
    fn receive(&mut self, token: Token, rests_until: u8) {
        self.token = token;
        self.rests_until = rests_until;
        self.first_attempt = None;
        self.answers.retain(|other| other.generation > token.generation);
    }
}

/// Whoever copied the token that the owner had stored. The thief sees neither the key
/// nor the owner's answers, and loses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Thief {
    /// The stolen token, and what was got with it.
    pub(crate) tokens: Vec<Token>,
}

impl Thief {
    /// An answer arrives.
    pub(crate) fn answer(&mut self, token: Token) {
        if !self.tokens.contains(&token) {
            self.tokens.push(token);
            self.tokens.sort_unstable();
        }
    }
}

/// What the clients and the network can do.
pub(crate) fn steps(scenario: &Scenario, world: &World, steps: &mut Vec<(Action, World)>) {
    let has_room = world.requests.len() < scenario.under_way;
    if has_room && world.owner.rests_until <= world.tick {
        send_owners(scenario, world, steps);
    }
    if has_room && scenario.duplicates {
        let mut copied = None;
        for request in &world.requests {
            let is_owners = request.party == Party::Owner && request.stage == Stage::Travelling;
            // A copy of what is stored is the same as sending it once more.
            if is_owners && request.token != world.owner.token && copied != Some(request) {
                steps.push((Action::Duplicate(*request), world.clone().with(*request)));
                copied = Some(request);
            }
        }
    }
    for token in &world.owner.answers {
        let mut after = world.clone();
        after.owner.receive(*token, world.tick + scenario.rest);
        after.owner.forget_past(world.tick);
        steps.push((Action::Receive(*token), after));
    }
    match &world.thief {
        None if scenario.has_thief => {
            let thief = Some(Thief { tokens: vec![world.owner.token] });
            steps.push((Action::Steal(world.owner.token), World { thief, ..world.clone() }));
        }
        Some(thief) if has_room => {
            for token in &thief.tokens {
                let request = Request {
                    party: Party::Thief,
                    token: *token,
                    key: Key::Thief,
                    until: world.tick,
                    stage: Stage::Travelling,
                };
                steps.push((Action::Send(request), world.clone().with(request)));
            }
        }
        _ => {}
    }
}

/// The owner's client sends what is stored now.
fn send_owners(scenario: &Scenario, world: &World, steps: &mut Vec<(Action, World)>) {
    if world.owner.token.generation > NEWEST_SENT {
        return;
    }
    let mut after = world.clone();
    let mut until = world.tick + scenario.longest_delay;
    match (scenario.retries, world.owner.first_attempt) {
        (RetryRule::WithinWindow, first) => {
            let first = first.unwrap_or(world.tick);
            until = until.min(first + WINDOW - 1);
            if until < world.tick {
                return;
            }
            after.owner.first_attempt = Some(first);
        }
        (RetryRule::Never, Some(_)) => return,
        (RetryRule::Never, None) => after.owner.first_attempt = Some(world.tick),
        (RetryRule::TokensKey | RetryRule::AnyTime | RetryRule::KeyOfEachRequest, _) => {}
    }
    let token = world.owner.token;
    let key = match scenario.retries {
        RetryRule::TokensKey => Key::OfToken(token.generation),
        RetryRule::WithinWindow | RetryRule::Never | RetryRule::AnyTime | RetryRule::KeyOfEachRequest => {
            Key::OfOtherRequest
        }
    };
    let request = Request { party: Party::Owner, token, key, until, stage: Stage::Travelling };
    steps.push((Action::Send(request), after.with(request)));
}
