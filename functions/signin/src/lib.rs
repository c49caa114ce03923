//! `POST /signin`: an email and a password for the first pair of tokens of a session.

use relatch::Email;
use relatch::error::Error;
use relatch::http::{Members, Refusal, Request, Response, StatusCode, json};
use relatch::lambda::{Context, Handler};
use relatch::password::{self, PasswordHash};
use relatch::session::{Lifetime, Session, SessionSecret, surplus};
use relatch::store::Store;
use relatch::telemetry::Level;
use relatch::time::Timestamp;
use relatch::token::{Issuance, KeyRing, KeySet, Purpose, TokenPair};
use relatch::user::{Credential, User, UserId, UserStatus};
use relatch::{Secret, random};

/// The longest password that is looked at, in bytes; bcrypt reads 72 of them.
const MAX_PASSWORD_BYTES: usize = 1024;

/// The function.
#[derive(Debug)]
pub struct SignIn {
    context: Context,
    issuance: Issuance,
    keys: KeyRing,
    store: Store,
}

/// The members of the body.
struct Form {
    email: Email,
    password: Secret,
}

/// A user who gave the right password.
struct Authenticated {
    user: User,
    /// The hash that was verified and the costlier one to be stored instead.
    upgrade: Option<(PasswordHash, PasswordHash)>,
}

impl Handler for SignIn {
    const NAME: &'static str = "signin";

    fn new(context: Context) -> Self {
        Self {
            issuance: Issuance::new(&context.config),
            keys: KeyRing::new(&context, &[Purpose::Access, Purpose::Refresh, Purpose::Attempts]),
            store: Store::new(&context.config),
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.store.connect());
    }

    async fn handle(&self, request: &Request) -> Result<Response, Refusal> {
        request.expect("POST", "/signin")?;
        let form = Form::read(request.json()?)?;
        let now = self.context.clock.now();
        let keys = self.keys.current(now).await?;
        let Authenticated { user, upgrade } = self.authenticate(&form, &keys, now).await?;

        let secret = SessionSecret::from_random(random::bytes()?);
        let config = &self.context.config;
        let lifetime = Lifetime { idle: config.refresh_token_ttl, absolute: config.session_max_age };
        let device = request.user_agent(Session::MAX_DEVICE_BYTES);
        let session = Session::open(&user, secret.session_id(), lifetime, device, now);
        let (put, ()) =
            tokio::join!(self.store.put_session(&session), self.upgrade_hash(&form.email, upgrade, now));
        put?;
        self.end_surplus(&user, now).await;
        let pair = TokenPair::issue((&session, &secret), &user, &keys, &self.issuance, random::bytes()?, now)?;
        Ok(json(StatusCode::OK, &pair))
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
    async fn authenticate(&self, form: &Form, keys: &KeySet, now: Timestamp) -> Result<Authenticated, Error> {
        // Before it is known whether it is needed: without the key nobody signs in, or
        // its absence would tell which emails are known.
        let nobody = nobody(&form.email, keys)?;
        for _ in 0..2 {
            let credential = self.store.read_credential(&form.email).await?;
            let stored = credential.as_ref().and_then(|credential| self.usable_hash(credential, now));
            let user_id = credential.as_ref().map_or(&nobody, |credential| &credential.user_id);
            let (is_right, user) =
                tokio::join!(self.is_right(form, stored.clone()), self.store.read_user(user_id));
            let (true, user, Some(credential), Some(stored)) = (is_right?, user?, credential, stored) else {
                return Err(Error::InvalidCredentials);
            };
            match user {
                Some(user) if user.credential_version != credential.credential_version => {}
                Some(user) if user.status == UserStatus::Active => {
                    let upgrade = self.upgrade(form, stored.clone()).await?;
                    return Ok(Authenticated { user, upgrade: upgrade.map(|upgrade| (stored, upgrade)) });
                }
                Some(_) | None => {
                    self.top_up(&stored).await?;
                    return Err(Error::InvalidCredentials);
                }
            }
        }
        Err(Error::unavailable("users.read", "the password is being changed"))
    }

    /// The stored hash, unless running it would be a danger: then no password is
    /// right, and an alarm says so.
    fn usable_hash(&self, credential: &Credential, now: Timestamp) -> Option<PasswordHash> {
        let problem = match credential.password_hash.as_ref()? {
            Ok(hash) if hash.cost() <= self.context.config.bcrypt_cost => return Some(hash.clone()),
            Ok(_) => "its cost is above BCRYPT_COST".to_owned(),
            Err(error) => error.to_string(),
        };
        let fields = [("sub", credential.user_id.as_str().into()), ("problem", problem.into())];
        self.context.log.write(now, Level::Alarm, "stored_hash_unusable", &fields);
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
        beside(move || password::top_up(from, to)).await
    }

    /// Ends the user's oldest sessions beyond the most that may live. What fails here is
    /// done by the next sign-in.
    async fn end_surplus(&self, user: &User, now: Timestamp) {
        let ended = async {
            for session in surplus(self.store.active_sessions(&user.id).await?, user, now) {
                self.store.revoke_session(&user.id, &session.id).await?;
                let fields = [("sub", user.id.as_str().into()), ("sid", session.id.as_str().into())];
                self.context.log.write(now, Level::Info, "session_evicted", &fields);
            }
            Ok(())
        };
        if let Err(Error::Unavailable(cause) | Error::Internal(cause)) = ended.await {
            self.context.log.failure(now, Level::Warn, &cause);
        }
    }

    /// Stores a costlier hash of the same password. The sign-in does not depend on it.
    async fn upgrade_hash(&self, email: &Email, upgrade: Option<(PasswordHash, PasswordHash)>, now: Timestamp) {
        let Some((from, to)) = upgrade else { return };
        if let Err(Error::Unavailable(cause) | Error::Internal(cause)) =
            self.store.upgrade_hash(email, &from, &to).await
        {
            self.context.log.failure(now, Level::Warn, &cause);
        }
    }
}

/// Runs bcrypt beside the async thread, so that the user is read meanwhile.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::internal("bcrypt", "it did not finish"))
}

/// The id under which a user is looked for when the email is unknown, so that it
/// takes the same calls. A secret key makes it, so that nobody can be given that id.
fn nobody(email: &Email, keys: &KeySet) -> Result<UserId, Error> {
    let mac = keys
        .oldest_key(Purpose::Attempts)
        .and_then(|key| key.mac(email.as_str().as_bytes()))
        .ok_or_else(|| Error::unavailable("keys", "there is no key for attempts"))?;
    let (id, _) = mac.split_first_chunk().ok_or_else(|| Error::internal("keys", "a short MAC"))?;
    Ok(UserId::from_random(*id))
}
