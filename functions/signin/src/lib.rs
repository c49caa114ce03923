//! `POST /signin`: an email and a password for the first pair of tokens of a session.

use relatch::attempts::{AttemptId, Counters, Limits};
use relatch::error::Error;
use relatch::http::{Members, Refusal, Request, Response, StatusCode, json, with_cookie};
use relatch::lambda::{Context, Handler};
use relatch::password::{self, PasswordHash};
use relatch::session::{EndedBy, Lifetime, Session, SessionSecret, surplus};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event};
use relatch::throttle::Throttle;
use relatch::time::Timestamp;
use relatch::token::{Issuance, KeyRing, KeySet, Purpose, TokenPair};
use relatch::user::{Credential, User, UserId, UserStatus};
use relatch::{Address, Email, Secret, random};

/// The longest password that is looked at, in bytes; bcrypt reads 72 of them.
const MAX_PASSWORD_BYTES: usize = 1024;

/// The function.
#[derive(Debug)]
pub struct SignIn {
    context: Context,
    issuance: Issuance,
    keys: KeyRing,
    store: Store,
    throttle: Throttle,
}

/// The members of the body.
struct Form {
    email: Email,
    password: Secret,
}

/// A user who gave the right password.
struct Authenticated {
    user: User,
    /// The sessions that were not ended, as far as they could be read.
    sessions: Vec<Session>,
    /// The hash that was verified and the costlier one to be stored instead.
    upgrade: Option<(PasswordHash, PasswordHash)>,
}

impl Handler for SignIn {
    const NAME: &'static str = "signin";
    const GRANTED: Event = Event::SigninSuccess;

    fn new(context: Context) -> Self {
        Self {
            issuance: Issuance::new(&context.config),
            keys: KeyRing::new(&context, &[Purpose::Access, Purpose::Refresh, Purpose::Attempts]),
            store: Store::new(&context.config),
            throttle: Throttle::default(),
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.store.connect());
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        request.expect("POST", "/signin")?;
        let config = &self.context.config;
        let mut members = request.json()?;
        let is_cookie_wanted = request.wants_cookie(&mut members, &config.allowed_origins)?;
        let form = Form::read(members)?;
        let now = self.context.clock.now();
        let keys = self.keys.current(now).await?;
        // Before it is known whether it is needed: without the key nobody signs in, or its
        // absence would tell which emails are known.
        let (nobody, counters) =
            digests(&form.email, &request.address(config.trusted_hops), &keys, config.limits, now)?;
        entry.with("email_digest", counters.email_digest.as_str());
        self.throttle.check(&counters, now)?;
        let id = AttemptId::from_random(random::bytes()?);
        let (attempt, credential) = tokio::join!(
            self.throttle.admit(&self.store, counters, id, now),
            self.store.read_credential(&form.email)
        );
        let attempt = attempt?;
        let Authenticated { user, sessions, upgrade } =
            match self.authenticate(&form, credential, &nobody, entry).await {
                Ok(authenticated) => authenticated,
                Err(error) => {
                    if !matches!(error, Error::InvalidCredentials) {
                        attempt.undo(&self.store).await;
                    }
                    return Err(error.into());
                }
            };

        let now = self.context.clock.now();
        let secret = SessionSecret::from_random(random::bytes()?);
        let lifetime = Lifetime { idle: config.refresh_token_ttl, absolute: config.session_max_age };
        let device = request.user_agent(Session::MAX_DEVICE_BYTES);
        let session = Session::open(&user, secret.session_id(), lifetime, device, now);
        let is_new_device = is_new_device(&session, &sessions, &user, now);
        let (put, (), (), succeeded) = tokio::join!(
            self.store.put_session(&session, is_new_device),
            self.upgrade_hash(&form.email, &user, upgrade, now),
            self.end_surplus(sessions, &user, now),
            attempt.succeed(&self.store, now)
        );
        put?;
        self.tell_trouble(succeeded, now);
        entry.with("sub", user.id.as_str()).with("sid", session.id.as_str()).with("new_device", is_new_device);
        let pair = TokenPair::issue((&session, &secret), &user, &keys, &self.issuance, random::bytes()?, now)?;
        if is_cookie_wanted { Ok(with_cookie(pair)?) } else { Ok(json(StatusCode::OK, &pair)) }
    }
}

impl Form {
    fn read(mut members: Members) -> Result<Self, Refusal> {
        let email = members.text("email", Email::MAX_BYTES)?;
        let password = members.text("password", MAX_PASSWORD_BYTES)?;
        let email = Email::parse(email.expose())
            .map_err(|_| Refusal::invalid_request("the member email is not an email address"))?;
        Ok(Self { email, password })
    }
}

impl SignIn {
    /// Finds out whose email and password these are.
    ///
    /// The credential and the user are two reads. When they carry different versions,
    /// a password change came in between: the old password must not open a session
    /// that outlives the change, so it starts again, once.
    async fn authenticate(
        &self,
        form: &Form,
        mut credential: Result<Option<Credential>, Error>,
        nobody: &UserId,
        entry: &mut Entry,
    ) -> Result<Authenticated, Error> {
        for _ in 0..2 {
            let found = credential?;
            let stored = found.as_ref().and_then(|credential| self.usable_hash(credential));
            let user_id = found.as_ref().map_or(nobody, |credential| &credential.user_id);
            // The two reads take no time: they are done while bcrypt works.
            let (is_right, user, sessions) = tokio::join!(
                self.is_right(form, stored.clone()),
                self.store.read_user(user_id),
                self.store.active_sessions(user_id)
            );
            let (is_right, user) = (is_right?, user?);
            let (Some(credential_found), Some(stored), true) = (&found, stored, is_right) else {
                return Err(failed(entry, found.as_ref()));
            };
            match user {
                Some(user) if user.credential_version != credential_found.credential_version => {}
                Some(user) if user.status == UserStatus::Active => {
                    let now = self.context.clock.now();
                    let sessions = sessions.unwrap_or_else(|error| {
                        self.tell_trouble(Err(error), now);
                        Vec::new()
                    });
                    let upgrade = self.upgrade(form, stored.clone()).await?;
                    let upgrade = upgrade.map(|upgrade| (stored, upgrade));
                    return Ok(Authenticated { user, sessions, upgrade });
                }
                Some(_) | None => {
                    self.top_up(&stored).await?;
                    entry.with("sub", credential_found.user_id.as_str()).with("why", "user_disabled");
                    return Err(Error::InvalidCredentials);
                }
            }
            credential = self.store.read_credential(&form.email).await;
        }
        Err(Error::unavailable("users.read", "the password is being changed"))
    }

    /// The stored hash, unless running it would be a danger: then no password is
    /// right, and an alarm says so.
    fn usable_hash(&self, credential: &Credential) -> Option<PasswordHash> {
        let problem = match credential.password_hash.as_ref()? {
            Ok(hash) if hash.cost() <= self.context.config.bcrypt_cost => return Some(hash.clone()),
            Ok(_) => "its cost is above BCRYPT_COST".to_owned(),
            Err(error) => error.to_string(),
        };
        let mut entry = Entry::new(Event::PasswordHashUnusable);
        entry.with("function", Self::NAME).with("sub", credential.user_id.as_str()).with("why", problem);
        self.context.log.write(self.context.clock.now(), &entry);
        None
    }

    async fn is_right(&self, form: &Form, stored: Option<PasswordHash>) -> Result<bool, Error> {
        let (password, cost) = (form.password.clone(), self.context.config.bcrypt_cost);
        beside(move || password::is_right(password.expose(), stored.as_ref(), cost)).await
    }

    async fn upgrade(&self, form: &Form, stored: PasswordHash) -> Result<Option<PasswordHash>, Error> {
        let (password, cost, salt) = (form.password.clone(), self.context.config.bcrypt_cost, random::bytes()?);
        beside(move || password::upgrade(password.expose(), &stored, cost, salt)).await
    }

    /// Makes a right password that is turned down cost what a wrong one does.
    async fn top_up(&self, stored: &PasswordHash) -> Result<(), Error> {
        let (from, to) = (stored.cost(), self.context.config.bcrypt_cost);
        if from == to {
            // Not even the way to another thread and back: that takes a moment as well.
            return Ok(());
        }
        beside(move || password::top_up(from, to)).await
    }

    /// Ends the user's oldest sessions, so that there is room for another. What fails here
    /// is done by the next sign-in.
    async fn end_surplus(&self, sessions: Vec<Session>, user: &User, now: Timestamp) {
        for session in surplus(sessions, user, now) {
            let ended = self.store.revoke_session(&user.id, &session.id, EndedBy::Surplus).await;
            if ended.is_ok() {
                let mut entry = Entry::new(Event::SessionEvicted);
                entry.with("function", Self::NAME).with("sub", user.id.as_str()).with("sid", session.id.as_str());
                self.context.log.write(now, &entry);
            }
            self.tell_trouble(ended, now);
        }
    }

    /// Stores a costlier hash of the same password. The sign-in does not depend on it.
    async fn upgrade_hash(
        &self,
        email: &Email,
        user: &User,
        upgrade: Option<(PasswordHash, PasswordHash)>,
        now: Timestamp,
    ) {
        let Some((from, to)) = upgrade else { return };
        let stored = self.store.upgrade_hash(email, &from, &to).await;
        if let Ok(true) = stored {
            let mut entry = Entry::new(Event::PasswordRehashed);
            self.context.log.write(now, entry.with("function", Self::NAME).with("sub", user.id.as_str()));
        }
        self.tell_trouble(stored.map(drop), now);
    }

    /// Writes that something failed on which the answer does not depend.
    fn tell_trouble(&self, result: Result<(), Error>, now: Timestamp) {
        if let Err(Error::Unavailable(cause) | Error::Internal(cause)) = result {
            let mut entry = Entry::new(Event::StoreTrouble);
            self.context.log.write(now, entry.with("function", Self::NAME).with_cause(&cause));
        }
    }
}

/// A sign-in that failed, with the reason for the log alone.
fn failed(entry: &mut Entry, credential: Option<&Credential>) -> Error {
    match credential {
        None => entry.with("why", "unknown_email"),
        Some(credential) => {
            let has_password = credential.password_hash.is_some();
            let why = if has_password { "wrong_password" } else { "no_password" };
            entry.with("sub", credential.user_id.as_str()).with("why", why)
        }
    };
    Error::InvalidCredentials
}

/// Whether no live session of the user names this device.
fn is_new_device(session: &Session, others: &[Session], user: &User, now: Timestamp) -> bool {
    !others.iter().any(|other| other.device == session.device && other.is_live(user, now))
}

/// Runs bcrypt beside the async thread, so that the user is read meanwhile.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("bcrypt", "it did not finish"))
}

/// What is made of an email under the key for attempts: the id under which a user is looked
/// for when the email is unknown, so that it takes the same calls (nobody can be given that
/// id), and the attempt's counters. The oldest key: a newer one would begin all counts anew.
fn digests(
    email: &Email,
    address: &Address,
    keys: &KeySet,
    limits: Limits,
    now: Timestamp,
) -> Result<(UserId, Counters), Error> {
    let key = keys.oldest_key(Purpose::Attempts);
    let key = key.ok_or_else(|| Error::unavailable("keys", "there is no key for attempts"))?;
    let nobody = key.mac(email.as_str().as_bytes()).and_then(|mac| mac.first_chunk().copied());
    let counters = Counters::of(email, address, limits, |input| key.mac(input), now);
    match (nobody, counters) {
        (Some(nobody), Some(counters)) => Ok((UserId::from_random(nobody), counters)),
        _ => Err(Error::internal("keys", "no MAC")),
    }
}
