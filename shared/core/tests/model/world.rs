//! One moment of everything that is modelled, and what can happen next.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use relatch::lifetime::SessionLifetime;
use relatch::session::Session;
use relatch::time::Timestamp;

use crate::client::{self, Owner, RetryRule, Thief};
use crate::clock::{LONGEST_DELAY, Moment, TICK};
use crate::explorer::Model;
use crate::policy::Policy;
use crate::properties::{Property, RedeemableAt};
use crate::server;
use crate::store::{Account, Item, Key, Origin};

/// What is explored: who takes part, and how far.
pub(crate) struct Scenario {
    pub(crate) policy: Policy,
    pub(crate) properties: Vec<Property>,
    /// The last tick.
    pub(crate) end: u8,
    /// How the owner's client repeats itself.
    pub(crate) retries: RetryRule,
    /// For how many ticks the client leaves a refresh token alone that it has just got:
    /// it has a new access token with it.
    pub(crate) rest: u8,
    /// How many requests may be under way at once, everybody's and copies included.
    pub(crate) under_way: usize,
    /// For how many ticks a request may be under way.
    pub(crate) longest_delay: u8,
    /// Whether the network duplicates requests.
    pub(crate) duplicates: bool,
    /// Whether the SDK may lose the answer to a write and send it again.
    pub(crate) resends: bool,
    /// Whether an instance of the server may have a slow clock.
    pub(crate) slow_clocks: bool,
    pub(crate) has_thief: bool,
    pub(crate) signs_out: bool,
    pub(crate) disables: bool,
    /// Whether the sessions' table may be restored, once, to an earlier state of it.
    pub(crate) restores: bool,
    pub(crate) lifetime: SessionLifetime,
    pub(crate) origin: Origin,
    /// The moments at which few enough generations are redeemable: many worlds share one.
    pub(crate) approved: RefCell<HashSet<RedeemableAt>>,
}

impl Scenario {
    /// The owner alone, who has all the bad luck with the network that there is.
    pub(crate) fn new(policy: Policy, retries: RetryRule, properties: &[Property]) -> Self {
        Self {
            policy,
            properties: properties.to_vec(),
            end: 9,
            retries,
            rest: 0,
            under_way: 2,
            longest_delay: LONGEST_DELAY,
            duplicates: true,
            resends: false,
            slow_clocks: false,
            has_thief: false,
            signs_out: false,
            disables: false,
            restores: false,
            lifetime: ENDLESS,
            origin: Origin::new(ENDLESS),
            approved: RefCell::default(),
        }
    }

    /// The same with sessions that expire.
    pub(crate) fn with_lifetime(self, idle_ticks: u32, absolute_ticks: u32) -> Self {
        let lifetime = SessionLifetime { idle: idle_ticks * TICK, absolute: absolute_ticks * TICK };
        Self { lifetime, origin: Origin::new(lifetime), ..self }
    }
}

/// Longer than any run.
const ENDLESS: SessionLifetime =
    SessionLifetime { idle: Duration::from_secs(1_000_000), absolute: Duration::from_secs(2_000_000) };

/// A refresh token: its generation and its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) generation: u8,
    pub(crate) issued_at: Moment,
    pub(crate) expires_at: Moment,
}

impl Token {
    /// The token of a session's current generation, in whole seconds as all JWTs.
    pub(crate) fn of(session: &Session) -> Self {
        let whole = |timestamp: Timestamp| Moment::of(Timestamp::from_seconds(timestamp.seconds()));
        let generation = u8::try_from(session.generation.0).unwrap();
        Self { generation, issued_at: whole(session.issued_at()), expires_at: whole(session.expires_at()) }
    }
}

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Party {
    Owner,
    Thief,
}

/// A refresh that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) party: Party,
    pub(crate) token: Token,
    pub(crate) key: Key,
    /// The last tick in which it may be served; after it, it is lost.
    pub(crate) until: u8,
    pub(crate) stage: Stage,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The network has it.
    Travelling,
    /// An instance has read its clock and verified the token.
    Started {
        now: Moment,
        /// The user as it was then: the read may come before the update or after it.
        account: Account,
        /// Whether the session had been ended, and the one who did it told so.
        is_after_end: bool,
        /// Whether its own write made the rotation that the table holds.
        has_rotated: bool,
    },
    /// *Reuse* or *future* was decided, the session is not yet marked.
    Revoking,
}

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) tick: u8,
    pub(crate) item: Option<Item>,
    pub(crate) account: Account,
    /// In order, so that worlds that differ only in it are one.
    pub(crate) requests: Vec<Request>,
    pub(crate) owner: Owner,
    pub(crate) thief: Option<Thief>,
    /// The first answer that carried each generation: nothing reads it but the properties.
    pub(crate) first_answers: Vec<Token>,
    /// Whose request made the last rotation, and in which tick: likewise.
    pub(crate) last_rotation: Option<(Party, u8)>,
    /// Whether the session was ended, and the one who did it told so: likewise.
    pub(crate) is_ended: bool,
    pub(crate) backup: Backup,
}

/// The one backup of the sessions' table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Backup {
    /// There will be one.
    None,
    /// The item as it was.
    Made(Item),
    /// The table was restored.
    Restored,
}

/// What can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Tick,
    Send(Request),
    Duplicate(Request),
    Start(Request, Moment),
    /// The write was applied, the SDK has not heard so, and will send it again.
    LoseWrite(Request),
    /// Update or read, and the decision: what it says, and what the client hears if that is all.
    Decide(Request, &'static str, Option<Outcome>),
    /// The session is marked as revoked, and then the client hears so.
    Revoke(Request),
    Receive(Token),
    Steal(Token),
    SignOut,
    Disable,
    Enable,
    BackUp,
    Restore,
    RestoreFromBeforeSignIn,
}

/// What a client hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success(Token),
    InvalidGrant,
}

impl World {
    /// The world with one request less.
    pub(crate) fn without(&self, request: &Request) -> Self {
        let mut after = self.clone();
        if let Some(index) = after.requests.iter().position(|other| other == request) {
            after.requests.remove(index);
        }
        after
    }

    /// The world with one request more.
    pub(crate) fn with(mut self, request: Request) -> Self {
        self.requests.push(request);
        self.requests.sort_unstable();
        self
    }
}

impl Model for Scenario {
    type State = World;
    type Action = Action;

    fn initial(&self) -> World {
        let item = self.origin.item();
        World {
            tick: 0,
            item: Some(item),
            account: Account { is_disabled: false, epoch: 0 },
            requests: Vec::new(),
            owner: Owner::with(Token::of(&self.origin.session(item))),
            thief: None,
            first_answers: Vec::new(),
            last_rotation: None,
            is_ended: false,
            backup: Backup::None,
        }
    }

    fn steps(&self, world: &World) -> Vec<(Action, World)> {
        let mut steps = Vec::new();
        client::steps(self, world, &mut steps);
        server::steps(self, world, &mut steps);
        if world.tick < self.end {
            let mut after = world.clone();
            after.tick += 1;
            after.requests.retain(|request| request.until >= after.tick);
            after.owner.forget_past(after.tick);
            steps.push((Action::Tick, after));
        }
        steps
    }

    fn broken(&self, before: &World, action: &Action, after: &World) -> Option<&'static str> {
        let broken = |property: &&Property| !(property.holds)(self, before, action, after);
        self.properties.iter().find(broken).map(|property| property.name)
    }

    fn row(action: &Action) -> Option<&'static str> {
        match action {
            Action::Decide(_, row, _) => Some(row),
            _ => None,
        }
    }

    fn time(world: &World) -> String {
        format!("{:>4} s", (u32::from(world.tick) * TICK).as_secs())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => f.write_str("…"),
            Self::Send(request) => write!(f, "{request} is sent"),
            Self::Duplicate(request) => write!(f, "{request} is duplicated by the network"),
            Self::Start(request, now) if now.is_slow() => write!(f, "{request} arrives where the clock is slow"),
            Self::Start(request, _) => write!(f, "{request} arrives"),
            Self::LoseWrite(request) => write!(f, "{request} rotates, and the SDK does not hear so"),
            Self::Decide(request, decision, outcome) => {
                write!(f, "{request}: {decision}")?;
                match outcome {
                    Some(Outcome::Success(token)) => write!(f, ", answered with token {}", token.generation),
                    Some(Outcome::InvalidGrant) => f.write_str(", answered invalid_grant"),
                    None => Ok(()),
                }
            }
            Self::Revoke(request) => write!(f, "{request}: the session is revoked, answered invalid_grant"),
            Self::Receive(token) => write!(f, "the owner receives and stores token {}", token.generation),
            Self::Steal(token) => write!(f, "the thief copies token {}", token.generation),
            Self::SignOut => f.write_str("the owner signs out, and hears that it is done"),
            Self::Disable => f.write_str("the user is disabled, and the operator hears that it is done"),
            Self::Enable => f.write_str("the user is enabled again"),
            Self::BackUp => f.write_str("the sessions' table is backed up"),
            Self::Restore => f.write_str("the sessions' table is restored from the backup"),
            Self::RestoreFromBeforeSignIn => {
                f.write_str("the sessions' table is restored to a time before the sign-in")
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let party = match self.party {
            Party::Owner => "the owner's",
            Party::Thief => "the thief's",
        };
        write!(f, "{party} request with token {}", self.token.generation)?;
        if let Key::OfToken(_) = self.key { f.write_str(" and its key") } else { Ok(()) }
    }
}
