//! The settings of a function: the only reader of its environment.
//!
//! Everything is read and checked at start, and everything that is missing or
//! wrong is reported at once, by name. Nothing that decides about trust (issuer,
//! audience, tables, keys) has a default: a function that does not know them
//! refuses to serve.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::attempts::Limits;
use crate::origin::AllowedOrigins;
use crate::secret::Secret;
use crate::token::Algorithm;

/// The settings of a function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TOKEN_ISSUER`: the `iss` of all tokens, an https URL without a slash at the
    /// end (http only for a loopback host).
    pub issuer: String,
    /// `TOKEN_AUDIENCE`: the `aud` of access tokens, the owner's API.
    pub audience: String,
    /// `TOKEN_CLIENT_ID`: the `client_id` of access tokens.
    pub client_id: String,
    /// `ACCESS_KEY_ALGORITHM`: how new keys sign access tokens.
    pub access_key_algorithm: Algorithm,
    /// `TOKEN_SCOPE`: the `scope` of access tokens; `None` leaves the claim out.
    pub scope: Option<String>,
    /// `ACCESS_TOKEN_TTL`: the longest life of an access token, in seconds.
    pub access_token_ttl: i64,
    /// `REFRESH_TOKEN_TTL`: how long a session may lie idle, in seconds.
    pub refresh_token_ttl: i64,
    /// `SESSION_MAX_AGE`: how long a session may last in all, in seconds.
    pub session_max_age: i64,
    /// `REFRESH_RETRY_WINDOW`: how long after a rotation the token before it still
    /// gets the same successor, in seconds; 0 is strict single use.
    pub retry_window: i64,
    /// `BCRYPT_COST`: the cost of new hashes and of every failed sign-in, and the
    /// highest that a stored hash may have.
    pub bcrypt_cost: u32,
    /// `USERS_TABLE`: the name of the users' table.
    pub users_table: String,
    /// `SESSIONS_TABLE`: the name of the sessions' table.
    pub sessions_table: String,
    /// `ATTEMPTS_TABLE`: the name of the table that counts attempts to sign in.
    pub attempts_table: String,
    /// `KEYS_TABLE`: the name of the table with the public keys of access tokens.
    pub keys_table: String,
    /// `CORS_ALLOWED_ORIGINS`: the origins of the owner's web pages, which may hold a refresh token
    /// in a cookie. CORS itself is the gateway's, which has the same list.
    pub allowed_origins: AllowedOrigins,
    /// How many passwords may be tried.
    pub limits: Limits,
    /// `TRUSTED_PROXY_HOPS`: how many proxies of the owner's stand before the API, and are
    /// the only way to it; their `X-Forwarded-For` says who calls. 0 believes no such header.
    pub trusted_hops: usize,
    /// `AUTHORIZER_MODE`: whether the authorizer looks at the session.
    pub authorizer_mode: AuthorizerMode,
    /// `AUTHORIZER_SCOPE`: the scope that an access token needs for the guarded routes.
    pub authorizer_scope: Option<String>,
    /// Where the keys are.
    pub key_source: KeySource,
    /// How AWS is reached.
    pub aws: Aws,
}

/// What the authorizer asks beside the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorizerMode {
    /// Nothing: the token says it all until it expires.
    Stateless,
    /// Whether its session is live: a sign-out ends access at once.
    Checked,
}

/// Where a function reads its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `KEYS_FILE`: a private JWK Set in a file, for one machine.
    File(PathBuf),
    /// `ACCESS_KEYS_SECRET_ARN` and `REFRESH_KEYS_SECRET_ARN` in Secrets Manager.
    Secrets {
        /// The secret with the keys that sign access tokens.
        access: String,
        /// The secret with the keys of refresh tokens and of sign-in attempts.
        refresh: String,
    },
}

/// Region, credentials and endpoints, from the variables that Lambda sets. No
/// profile file is read and no metadata service asked: in a function both cost
/// start-up time and find nothing.
#[derive(Clone, Debug)]
pub struct Aws {
    /// `AWS_REGION`, or `AWS_DEFAULT_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`, if any.
    pub session_token: Option<Secret>,
    /// `AWS_ENDPOINT_URL_DYNAMODB`, or `AWS_ENDPOINT_URL`: DynamoDB elsewhere than in AWS.
    pub dynamodb_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, or `AWS_ENDPOINT_URL`.
    pub secrets_endpoint: Option<String>,
    /// How long calls may take; no variable sets it.
    pub deadlines: Deadlines,
}

/// How long a call to AWS may take. Deadlines nest: one attempt < the whole operation <
/// the answer (9 s) < the function (10 s) < the API (30 s). Otherwise the outer one cuts
/// the inner off, and a write may have happened that nobody hears of.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Of one attempt.
    pub attempt: Duration,
    /// Of the operation with all its attempts.
    pub operation: Duration,
    /// The first pause before another attempt; each one is longer and drawn at random.
    pub first_pause: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(1),
            operation: Duration::from_secs(3),
            first_pause: Duration::from_millis(50),
        }
    }
}

/// Where the functions run; decides the lowest bcrypt cost that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In Lambda: a cost of at least 10 (OWASP's minimum for bcrypt).
    Deployed,
    /// In the local stack or a test: any cost that bcrypt has.
    Local,
}

/// Everything that is missing or wrong in the environment, a line for each variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// The findings: each starts with the name of its variable and never holds a value.
    pub fn findings(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Every variable that is read.
    pub const VARIABLES: [&str; 33] = [
        "ACCESS_KEYS_SECRET_ARN",
        "ACCESS_KEY_ALGORITHM",
        "ACCESS_TOKEN_TTL",
        "ATTEMPTS_TABLE",
        "AUTHORIZER_MODE",
        "AUTHORIZER_SCOPE",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "BCRYPT_COST",
        "CORS_ALLOWED_ORIGINS",
        "KEYS_FILE",
        "KEYS_TABLE",
        "METRICS_NAMESPACE",
        "REFRESH_KEYS_SECRET_ARN",
        "REFRESH_RETRY_WINDOW",
        "REFRESH_TOKEN_TTL",
        "SESSIONS_TABLE",
        "SESSION_MAX_AGE",
        "SIGNIN_ATTEMPTS_PER_ADDRESS",
        "SIGNIN_ATTEMPTS_PER_EMAIL",
        "SIGNIN_FREE_ATTEMPTS",
        "TOKEN_AUDIENCE",
        "TOKEN_CLIENT_ID",
        "TOKEN_ISSUER",
        "TOKEN_SCOPE",
        "TRUSTED_PROXY_HOPS",
        "USERS_TABLE",
    ];
    /// The upper bound of `ACCESS_TOKEN_TTL`: a day, in seconds.
    pub const MAX_ACCESS_TOKEN_TTL: i64 = 86_400;
    /// The upper bound of `REFRESH_TOKEN_TTL` and `SESSION_MAX_AGE`: a year, in seconds.
    pub const MAX_SESSION_AGE: i64 = 31_536_000;
    /// `REFRESH_RETRY_WINDOW` when it is not set: the conformance suite of FAPI 2.0
    /// retries a lost response after 30 s.
    pub const DEFAULT_RETRY_WINDOW: i64 = 60;

    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`ConfigError`] with every finding.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
        Self::from_lookup(Place::Deployed, |name| std::env::var(name).ok())
    }

    /// `METRICS_NAMESPACE`: under which CloudWatch counts events. Apart from the settings,
    /// because it is also counted that they are wrong.
    pub fn metrics_namespace_from_env() -> Option<String> {
        #[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
        std::env::var("METRICS_NAMESPACE").ok().filter(|name| !name.is_empty())
    }

    /// Reads the settings from any source of variables; an empty value counts as absent.
    ///
    /// # Errors
    /// [`ConfigError`] with every finding.
    pub fn from_lookup(place: Place, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { lookup, findings: Vec::new() };
        let issuer = reader.checked(
            "TOKEN_ISSUER",
            "an https URL of at most 1024 bytes without query, fragment or a slash at the end",
            is_issuer,
        );
        let audience = reader.checked("TOKEN_AUDIENCE", "one word without spaces", is_word);
        if !issuer.is_empty() && audience == refresh_audience(&issuer) {
            reader.finding("TOKEN_AUDIENCE", "must differ from the audience of refresh tokens");
        }
        let client_id = reader.checked_or("TOKEN_CLIENT_ID", "relatch", "visible ASCII", is_word);
        let scope = reader.scope("TOKEN_SCOPE");
        let authorizer_scope = reader.scope("AUTHORIZER_SCOPE");
        let authorizer_mode = reader.authorizer_mode();
        let access_key_algorithm = reader.access_key_algorithm();
        let access_token_ttl = reader.number("ACCESS_TOKEN_TTL", 900, 5, Self::MAX_ACCESS_TOKEN_TTL);
        let refresh_token_ttl = reader.number("REFRESH_TOKEN_TTL", 2_592_000, 60, Self::MAX_SESSION_AGE);
        let session_max_age = reader.number("SESSION_MAX_AGE", 7_776_000, 60, Self::MAX_SESSION_AGE);
        if refresh_token_ttl < access_token_ttl {
            reader.finding("REFRESH_TOKEN_TTL", "must not be shorter than ACCESS_TOKEN_TTL");
        }
        let retry_window = reader.retry_window(access_token_ttl);
        let lowest_cost = match place {
            Place::Deployed => 10,
            Place::Local => i64::from(crate::password::MIN_COST),
        };
        let bcrypt_cost = reader.number("BCRYPT_COST", 12, lowest_cost, 14);
        let allowed_origins = reader.allowed_origins();
        let limits = reader.limits();
        let trusted_hops = reader.number("TRUSTED_PROXY_HOPS", 0, 0, 8);
        let config = Self {
            issuer,
            audience,
            client_id,
            scope,
            access_key_algorithm,
            access_token_ttl,
            refresh_token_ttl,
            session_max_age,
            retry_window,
            bcrypt_cost: u32::try_from(bcrypt_cost).unwrap_or(12),
            users_table: reader.required("USERS_TABLE"),
            sessions_table: reader.required("SESSIONS_TABLE"),
            attempts_table: reader.required("ATTEMPTS_TABLE"),
            keys_table: reader.required("KEYS_TABLE"),
            allowed_origins,
            limits,
            authorizer_mode,
            authorizer_scope,
            trusted_hops: usize::try_from(trusted_hops).unwrap_or_default(),
            key_source: reader.key_source(),
            aws: reader.aws(),
        };
        if reader.findings.is_empty() { Ok(config) } else { Err(ConfigError(reader.findings)) }
    }

    /// The `aud` of refresh tokens: the endpoint that alone accepts them, so that no
    /// resource server takes one for an access token.
    pub fn refresh_audience(&self) -> String {
        refresh_audience(&self.issuer)
    }
}

fn refresh_audience(issuer: &str) -> String {
    format!("{issuer}/refresh")
}

struct Reader<L> {
    lookup: L,
    findings: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn finding(&mut self, name: &str, problem: &str) {
        self.findings.push(format!("{name} {problem}"));
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// A variable that must be there; empty stands in for it until the findings are reported.
    fn required(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.finding(name, "is missing");
            String::new()
        })
    }

    fn checked(&mut self, name: &str, form: &str, is_valid: fn(&str) -> bool) -> String {
        let value = self.required(name);
        if !value.is_empty() && !is_valid(&value) {
            self.finding(name, &format!("must be {form}"));
        }
        value
    }

    fn checked_or(&mut self, name: &str, default: &str, form: &str, is_valid: fn(&str) -> bool) -> String {
        let value = self.optional(name).unwrap_or_else(|| default.to_owned());
        if !is_valid(&value) {
            self.finding(name, &format!("must be {form}"));
        }
        value
    }

    fn number(&mut self, name: &str, default: i64, least: i64, most: i64) -> i64 {
        let Some(text) = self.optional(name) else { return default };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.finding(name, &format!("must be a whole number from {least} to {most}"));
                default
            }
        }
    }

    fn scope(&mut self, name: &str) -> Option<String> {
        let scope = self.optional(name);
        if scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
            self.finding(name, "must be scope tokens with one space between them (RFC 6749 §3.3)");
        }
        scope
    }

    fn allowed_origins(&mut self) -> AllowedOrigins {
        const NAME: &str = "CORS_ALLOWED_ORIGINS";
        let text = self.optional(NAME).unwrap_or_default();
        AllowedOrigins::parse(&text).unwrap_or_else(|| {
            self.finding(NAME, "must be exact origins, such as https://app.example.com, with commas between them");
            AllowedOrigins::default()
        })
    }

    fn authorizer_mode(&mut self) -> AuthorizerMode {
        const NAME: &str = "AUTHORIZER_MODE";
        match self.optional(NAME).as_deref() {
            None | Some("stateless") => AuthorizerMode::Stateless,
            Some("checked") => AuthorizerMode::Checked,
            Some(_) => {
                self.finding(NAME, "must be stateless or checked");
                AuthorizerMode::Checked
            }
        }
    }

    fn access_key_algorithm(&mut self) -> Algorithm {
        const NAME: &str = "ACCESS_KEY_ALGORITHM";
        let Some(name) = self.optional(NAME) else { return Algorithm::RS256 };
        let known = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        known.into_iter().find(|algorithm| algorithm.name() == name).unwrap_or_else(|| {
            self.finding(NAME, "must be RS256, ES256 or EdDSA");
            Algorithm::RS256
        })
    }

    /// At most a fifth of the access token's life: with access tokens as short as the
    /// window, a thief and the owner would always refresh within it and no theft
    /// would show. The default shrinks to fit; an explicit value beyond is refused.
    fn retry_window(&mut self, access_token_ttl: i64) -> i64 {
        const NAME: &str = "REFRESH_RETRY_WINDOW";
        let most = access_token_ttl / 5;
        let default = Config::DEFAULT_RETRY_WINDOW.min(most);
        let window = self.number(NAME, default, 0, 600);
        if window > most {
            self.finding(NAME, &format!("must be at most a fifth of ACCESS_TOKEN_TTL, which is {most}"));
        }
        window
    }

    fn limits(&mut self) -> Limits {
        let mut limit = |name, default| {
            let number = self.number(name, i64::from(default), 1, i64::from(Limits::MOST));
            u32::try_from(number).unwrap_or(default)
        };
        let Limits { free, per_email, per_address } = Limits::default();
        Limits {
            free: limit("SIGNIN_FREE_ATTEMPTS", free),
            per_email: limit("SIGNIN_ATTEMPTS_PER_EMAIL", per_email),
            per_address: limit("SIGNIN_ATTEMPTS_PER_ADDRESS", per_address),
        }
    }

    fn key_source(&mut self) -> KeySource {
        if let Some(path) = self.optional("KEYS_FILE") {
            return KeySource::File(path.into());
        }
        let (access, refresh) =
            (self.optional("ACCESS_KEYS_SECRET_ARN"), self.optional("REFRESH_KEYS_SECRET_ARN"));
        if access.is_none() && refresh.is_none() {
            self.finding("KEYS_FILE", "is missing, and so are ACCESS_KEYS_SECRET_ARN and REFRESH_KEYS_SECRET_ARN");
        } else if access.is_none() {
            self.finding("ACCESS_KEYS_SECRET_ARN", "is missing");
        } else if refresh.is_none() {
            self.finding("REFRESH_KEYS_SECRET_ARN", "is missing");
        }
        KeySource::Secrets { access: access.unwrap_or_default(), refresh: refresh.unwrap_or_default() }
    }

    fn aws(&mut self) -> Aws {
        let everywhere = self.optional("AWS_ENDPOINT_URL");
        Aws {
            region: self
                .optional("AWS_REGION")
                .or_else(|| self.optional("AWS_DEFAULT_REGION"))
                .unwrap_or_else(|| self.required("AWS_REGION")),
            access_key_id: self.required("AWS_ACCESS_KEY_ID"),
            secret_access_key: Secret::new(self.required("AWS_SECRET_ACCESS_KEY")),
            session_token: self.optional("AWS_SESSION_TOKEN").map(Secret::new),
            dynamodb_endpoint: self.optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| everywhere.clone()),
            secrets_endpoint: self.optional("AWS_ENDPOINT_URL_SECRETS_MANAGER").or(everywhere),
            deadlines: Deadlines::default(),
        }
    }
}

/// RFC 8414 §2: https, no query or fragment. Plain http is for loopback hosts only.
fn is_issuer(url: &str) -> bool {
    let rest = match url.split_once("://") {
        Some(("https", rest)) => rest,
        Some(("http", rest)) if is_loopback(rest) => rest,
        _ => return false,
    };
    // It is twice in each token, and a browser drops a cookie of more than 4096 bytes.
    let is_short = url.len() <= 1024;
    let is_url_byte = |b: u8| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}@".contains(&b);
    is_short
        && !rest.starts_with(['/', ':'])
        && !rest.is_empty()
        && !rest.ends_with('/')
        && rest.bytes().all(is_url_byte)
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|host| authority.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

fn is_scope(text: &str) -> bool {
    text.len() <= 1024 && text.split(' ').all(is_word)
}

#[cfg(test)]
mod tests;
