//! `POST /signin`: an email and a password for the first pair of tokens of a session.

use relatch::email::Email;
use relatch::keys::{KeySet, Purpose};
use relatch::password::{self, PasswordHash};
use relatch::random;
use relatch::secret::Secret;
use relatch::session::{EndedBy, Session, SessionSecret, sessions_to_evict};
use relatch::throttling::AttemptId;
use relatch::time::Timestamp;
use relatch::token::TokenPair;
use relatch::user::{Credential, User, UserId, UserStatus};
use relatch_lambda::error::{CredentialsError, Error};
use relatch_lambda::http::{BodyFields, Rejection, Request, TokenSource, tokens};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::throttling::{Throttle, attempts_key};
use relatch_lambda::{Context, Handler, KeyCache, Outcome};
use relatch_store::{Failure, SessionsTable, Tables, UsersTable};

/// The longest password that is looked at, in bytes; bcrypt reads 72 of them.
const MAX_PASSWORD_BYTES: usize = 1024;

/// The function.
#[derive(Debug)]
pub struct SignIn {
    context: Context,
    keys: KeyCache,
    users: UsersTable,
    sessions: SessionsTable,
    throttle: Throttle,
}

/// The request.
struct Credentials {
    email: Email,
    password: Secret,
    /// Where the client keeps its refresh token.
    keeps_token_in: TokenSource,
}

/// A user who gave the right password.
struct Authenticated {
    user: User,
    /// The sessions that were not ended, as far as they could be read.
    sessions: Vec<Session>,
    /// The hash that was verified and the costlier one to be stored instead.
    rehash: Option<(PasswordHash, PasswordHash)>,
}

impl Handler for SignIn {
    const NAME: &'static str = "signin";

    fn new(context: Context) -> Self {
        let config = &context.config;
        let Tables { users, sessions, attempts, .. } = Tables::new(&config.aws, &config.tables);
        Self {
            keys: KeyCache::new(&context, &[Purpose::Access, Purpose::Refresh, Purpose::Attempts]),
            users,
            sessions,
            throttle: Throttle::new(attempts, config.attempt_limits),
            context,
        }
    }

    async fn prepare(&self) {
        let _ = tokio::join!(self.keys.current(self.context.clock.now()), self.users.connect());
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        let credentials = self.read_request(request)?;
        let config = &self.context.config;
        let now = self.context.clock.now();
        let keys = self.keys.current(now).await?;
        // Require the key up front, so that a missing key cannot reveal which emails are known.
        let decoy_id = decoy_user_id(&credentials.email, &keys)?;
        let address = request.address(config.trusted_proxy_hops);
        let counters = self.throttle.counters(&credentials.email, &address, &keys, now)?;
        fields.add("email_digest", counters.email_digest.as_str());
        self.throttle.check(&counters, now)?;
        let id = AttemptId::from_random(random::bytes()?);
        let (attempt, credential) =
            tokio::join!(self.throttle.admit(counters, id, now), self.users.read_credential(&credentials.email));
        let attempt = attempt?;
        let Authenticated { user, sessions, rehash } =
            match self.authenticate(&credentials, credential, &decoy_id, fields).await {
                Ok(authenticated) => authenticated,
                Err(error) => {
                    if !matches!(error, Error::InvalidCredentials(_)) {
                        attempt.undo().await;
                    }
                    return Err(error.into());
                }
            };

        let now = self.context.clock.now();
        let secret = SessionSecret::from_random(random::bytes()?);
        let device = request.user_agent(Session::MAX_DEVICE_BYTES);
        let session = Session::open(&user, secret.session_id(), config.session_lifetime, device, now);
        let is_new_device = is_new_device(&session, &sessions, &user, now);
        let (put, (), (), succeeded) = tokio::join!(
            self.sessions.put(&session, is_new_device),
            self.rehash(&credentials.email, &user, rehash, now),
            self.evict_sessions(sessions, &user, now),
            attempt.succeed(now)
        );
        put?;
        self.log_store_failure(succeeded, now);
        fields.add("sub", user.id.as_str()).add("sid", session.id.as_str()).add("new_device", is_new_device);
        let random = random::bytes()?;
        let pair = TokenPair::issue((&session, &secret), &user, &keys, &config.token_issuer, random, now)?;
        Ok(Outcome::new(Event::SigninSuccess, tokens(&pair, credentials.keeps_token_in)?))
    }
}

impl SignIn {
    fn read_request(&self, request: &Request) -> Result<Credentials, Rejection> {
        request.expect("POST", "/signin")?;
        let mut body = request.json()?;
        let is_cookie_mode = request.cookie_mode(&mut body, &self.context.config.allowed_origins)?;
        let (email, password) = read_credentials(body)?;
        let keeps_token_in = if is_cookie_mode { TokenSource::Cookie } else { TokenSource::Body };
        Ok(Credentials { email, password, keeps_token_in })
    }

    /// Finds out whose email and password these are.
    ///
    /// The credential and the user are two reads. When they carry different versions,
    /// a password change came in between: the old password must not open a session
    /// that outlives the change, so it starts again, once.
    async fn authenticate(
        &self,
        credentials: &Credentials,
        mut credential: Result<Option<Credential>, Failure>,
        decoy_id: &UserId,
        fields: &mut LogFields,
    ) -> Result<Authenticated, Error> {
        for _ in 0..2 {
            let found = credential?;
            let stored = found.as_ref().and_then(|credential| self.usable_hash(credential));
            let user_id = found.as_ref().map_or(decoy_id, |credential| &credential.user_id);
            // The two reads take no time: they are done while bcrypt works.
            let (is_right, user, sessions) = tokio::join!(
                self.verify_password(credentials, stored.clone()),
                self.users.read(user_id),
                self.sessions.list_active(user_id)
            );
            let (is_right, user) = (is_right?, user?);
            let Some(found) = found else { return Err(Error::InvalidCredentials(CredentialsError::UnknownEmail)) };
            let (Some(stored), true) = (stored, is_right) else {
                fields.add("sub", found.user_id.as_str());
                let has_password = found.password_hash.is_some();
                let error =
                    if has_password { CredentialsError::WrongPassword } else { CredentialsError::NoPassword };
                return Err(Error::InvalidCredentials(error));
            };
            match user {
                Some(user) if user.credential_version != found.credential_version => {}
                Some(user) if user.status == UserStatus::Active => {
                    let now = self.context.clock.now();
                    let sessions = sessions.unwrap_or_else(|failure| {
                        self.log_store_failure(Err(failure), now);
                        Vec::new()
                    });
                    let stronger = self.hash_anew(credentials, stored.clone()).await?;
                    return Ok(Authenticated {
                        user,
                        sessions,
                        rehash: stronger.map(|stronger| (stored, stronger)),
                    });
                }
                Some(_) | None => {
                    self.burn_remaining_work(&stored).await?;
                    fields.add("sub", found.user_id.as_str());
                    return Err(Error::InvalidCredentials(CredentialsError::UserDisabled));
                }
            }
            credential = self.users.read_credential(&credentials.email).await;
        }
        Err(Failure::unavailable("users.read", "the password is being changed").into())
    }

    /// The stored hash, unless running it would be a danger: then no password is
    /// right, and an alarm says so.
    fn usable_hash(&self, credential: &Credential) -> Option<PasswordHash> {
        let problem = match credential.password_hash.as_ref()? {
            Ok(hash) if hash.cost() <= self.context.config.bcrypt_cost => return Some(hash.clone()),
            Ok(_) => "its cost is above BCRYPT_COST".to_owned(),
            Err(error) => error.to_string(),
        };
        let mut fields = LogFields::default();
        fields.add("function", Self::NAME).add("sub", credential.user_id.as_str()).add("reason", problem);
        self.context.log.write(self.context.clock.now(), Event::PasswordHashUnusable, &fields);
        None
    }

    async fn verify_password(
        &self,
        credentials: &Credentials,
        stored: Option<PasswordHash>,
    ) -> Result<bool, Failure> {
        let (password, cost) = (credentials.password.clone(), self.context.config.bcrypt_cost);
        run_blocking(move || password::verify(password.expose(), stored.as_ref(), cost)).await
    }

    async fn hash_anew(
        &self,
        credentials: &Credentials,
        stored: PasswordHash,
    ) -> Result<Option<PasswordHash>, Error> {
        let (password, cost) = (credentials.password.clone(), self.context.config.bcrypt_cost);
        let salt = random::bytes()?;
        Ok(run_blocking(move || password::rehash(password.expose(), &stored, cost, salt)).await?)
    }

    /// Makes a right password that is rejected cost what a wrong one does.
    async fn burn_remaining_work(&self, stored: &PasswordHash) -> Result<(), Failure> {
        let (from, to) = (stored.cost(), self.context.config.bcrypt_cost);
        if from == to {
            // Not even the way to another thread and back: that takes a moment as well.
            return Ok(());
        }
        run_blocking(move || password::burn_remaining_work(from, to)).await
    }

    /// Ends the user's oldest sessions, so that there is room for another. What fails here
    /// is done by the next sign-in.
    async fn evict_sessions(&self, sessions: Vec<Session>, user: &User, now: Timestamp) {
        for session in sessions_to_evict(sessions, user, now) {
            let ended = self.sessions.revoke(&user.id, &session.id, EndedBy::Evicted).await;
            if ended.is_ok() {
                let mut fields = LogFields::default();
                fields.add("function", Self::NAME).add("sub", user.id.as_str()).add("sid", session.id.as_str());
                self.context.log.write(now, Event::SessionEvicted, &fields);
            }
            self.log_store_failure(ended, now);
        }
    }

    /// Stores a costlier hash of the same password. The sign-in does not depend on it.
    async fn rehash(
        &self,
        email: &Email,
        user: &User,
        rehash: Option<(PasswordHash, PasswordHash)>,
        now: Timestamp,
    ) {
        let Some((from, to)) = rehash else { return };
        let stored = self.users.rehash(email, &from, &to).await;
        if let Ok(true) = stored {
            let mut fields = LogFields::default();
            fields.add("function", Self::NAME).add("sub", user.id.as_str());
            self.context.log.write(now, Event::PasswordRehashed, &fields);
        }
        self.log_store_failure(stored.map(drop), now);
    }

    /// Logs a failure that the response does not depend on.
    fn log_store_failure(&self, result: Result<(), Failure>, now: Timestamp) {
        if let Err(failure) = result {
            let mut fields = LogFields::default();
            fields.add("function", Self::NAME).add_failure(&failure);
            self.context.log.write(now, Event::StoreTrouble, &fields);
        }
    }
}

fn read_credentials(mut body: BodyFields) -> Result<(Email, Secret), Rejection> {
    let email = body.text("email", Email::MAX_BYTES)?;
    let password = body.text("password", MAX_PASSWORD_BYTES)?;
    let email = Email::parse(email.expose())
        .map_err(|_| Rejection::invalid_request("the member email is not an email address"))?;
    Ok((email, password))
}

/// Whether no live session of the user names this device.
fn is_new_device(session: &Session, others: &[Session], user: &User, now: Timestamp) -> bool {
    !others.iter().any(|other| other.device == session.device && other.is_live(user, now))
}

/// Runs bcrypt on a thread of its own, so that the user is read meanwhile.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::internal("bcrypt", "it did not finish"))
}

/// The id under which a user is looked up when the email is unknown, so that it takes the same
/// calls. It is a keyed digest of the email, so that no user can be given that id.
fn decoy_user_id(email: &Email, keys: &KeySet) -> Result<UserId, Failure> {
    let mac = attempts_key(keys)?.mac(email.as_str().as_bytes()).and_then(|mac| mac.first_chunk().copied());
    mac.map(UserId::from_random).ok_or_else(|| Failure::internal("keys", "no MAC"))
}
