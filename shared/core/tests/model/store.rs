//! The sessions' table in the model: one item, and the conditional update of
//! `SessionsTable::rotate` and the marking of `SessionsTable::revoke` on it.

use relatch::Email;
use relatch::lifetime::SessionLifetime;
use relatch::session::{
    Generation, IdempotencyKeyDigest, PresentedToken, RotationAttempt, Session, SessionSecret, SessionStatus,
    UpdateOutcome,
};
use relatch::user::{User, UserId, UserStatus};

use crate::clock::Moment;

/// The key that is stored with a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The client's, which belongs to the token of this generation.
    OfToken(u8),
    /// A random value of the one request that rotated.
    OfRequest,
    /// The random value of any other request.
    OfOtherRequest,
    /// One of the thief's choice, the same all the time.
    Thief,
}

impl Key {
    fn digest(self) -> IdempotencyKeyDigest {
        IdempotencyKeyDigest::from_stored(match self {
            Self::OfToken(generation) => generation.to_string(),
            Self::OfRequest => "request".to_owned(),
            Self::OfOtherRequest => "other request".to_owned(),
            Self::Thief => "thief".to_owned(),
        })
    }

    fn of(digest: &IdempotencyKeyDigest) -> Self {
        match digest.as_str() {
            "request" | "other request" => Self::OfRequest,
            "thief" => Self::Thief,
            generation => Self::OfToken(generation.parse().unwrap()),
        }
    }

    /// What is presented with this key.
    pub(crate) fn presented(self, generation: u8) -> PresentedToken {
        PresentedToken { generation: Generation(generation.into()), idempotency_key_digest: self.digest() }
    }
}

/// What changes in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) generation: u8,
    pub(crate) rotated_at: Option<Moment>,
    pub(crate) idle_expires_at: Moment,
    pub(crate) key: Option<Key>,
    pub(crate) is_revoked: bool,
}

/// What changes in a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Account {
    pub(crate) is_disabled: bool,
    pub(crate) epoch: u8,
}

/// What does not change: the session and the user at the sign-in, whole.
pub(crate) struct Origin {
    session: Session,
    user: User,
}

impl Origin {
    /// A user who signs in at tick 0.
    pub(crate) fn new(lifetime: SessionLifetime) -> Self {
        let now = Moment::at(0, false).timestamp();
        let user = User {
            id: UserId::parse("ada").unwrap(),
            email: Email::parse("ada@example.com").unwrap(),
            status: UserStatus::Active,
            epoch: 0,
            credential_version: 1,
            created_at: now,
        };
        let id = SessionSecret::from_random([7; 16]).session_id();
        Self { session: Session::open(&user, id, lifetime, None, now), user }
    }

    /// The item of the sign-in.
    pub(crate) fn item(&self) -> Item {
        Item::of(&self.session)
    }

    /// The session that an item stands for.
    pub(crate) fn session(&self, item: Item) -> Session {
        Session {
            generation: Generation(item.generation.into()),
            rotated_at: item.rotated_at.map(Moment::timestamp),
            idle_expires_at: item.idle_expires_at.timestamp(),
            idempotency_key_digest: item.key.map(Key::digest),
            status: if item.is_revoked { SessionStatus::Revoked } else { SessionStatus::Active },
            ..self.session.clone()
        }
    }

    /// The user that an account stands for.
    pub(crate) fn user(&self, account: Account) -> User {
        let status = if account.is_disabled { UserStatus::Disabled } else { UserStatus::Active };
        User { status, epoch: account.epoch.into(), ..self.user.clone() }
    }
}

impl Item {
    /// What of a session is not as at the sign-in.
    pub(crate) fn of(session: &Session) -> Self {
        Self {
            generation: u8::try_from(session.generation.0).unwrap(),
            rotated_at: session.rotated_at.map(Moment::of),
            idle_expires_at: Moment::of(session.idle_expires_at),
            key: session.idempotency_key_digest.as_ref().map(Key::of),
            is_revoked: session.status == SessionStatus::Revoked,
        }
    }
}

/// The condition of the update in `Store::rotate_session`, clause by clause.
pub(crate) fn may_rotate(session: Option<&Session>, rotation: &RotationAttempt<'_>) -> bool {
    session.is_some_and(|session| {
        session.generation == rotation.from
            && session.status == SessionStatus::Active
            && session.idle_expires_at.seconds() > rotation.now.seconds()
            && session.absolute_expires_at.seconds() > rotation.now.seconds()
            && rotation
                .window
                .latest_rotation_before(rotation.now)
                .is_none_or(|latest| session.rotated_at.is_none_or(|rotated_at| rotated_at <= latest))
    })
}

/// The conditional update itself. As in DynamoDB, it creates what is missing if the
/// condition lets it.
pub(crate) fn rotate(
    origin: &Origin,
    session: Option<Session>,
    rotation: &RotationAttempt<'_>,
    condition: fn(Option<&Session>, &RotationAttempt<'_>) -> bool,
) -> UpdateOutcome {
    if !condition(session.as_ref(), rotation) {
        return UpdateOutcome::Unchanged(session);
    }
    UpdateOutcome::Applied(Session {
        generation: rotation.from.next(),
        rotated_at: Some(rotation.now),
        idle_expires_at: rotation.lifetime.idle_expiry(rotation.now),
        idempotency_key_digest: Some(rotation.idempotency_key_digest.clone()),
        ..session.unwrap_or_else(|| origin.session.clone())
    })
}
