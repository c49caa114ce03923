//! What is set, as types.

use std::path::PathBuf;

use relatch::keys::Algorithm;
use relatch::lifetime::{RetryWindow, SessionLifetime};
use relatch::throttling::Limits;
use relatch::token::TokenIssuer;
use relatch_store::{AwsSettings, TableNames};

use crate::http::AllowedOrigins;

/// The settings of a function.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TOKEN_ISSUER`, `TOKEN_AUDIENCE`, `TOKEN_CLIENT_ID`, `TOKEN_SCOPE` and `ACCESS_TOKEN_TTL`.
    pub token_issuer: TokenIssuer,
    /// `ACCESS_KEY_ALGORITHM`: how new keys sign access tokens.
    pub access_key_algorithm: Algorithm,
    /// `REFRESH_TOKEN_TTL`, how long a session may lie idle, and `SESSION_MAX_AGE`, how long it
    /// may last in all.
    pub session_lifetime: SessionLifetime,
    /// `REFRESH_RETRY_WINDOW`: how long after a rotation the token before it still
    /// gets the same successor.
    pub retry_window: RetryWindow,
    /// `BCRYPT_COST`: the cost of new hashes and of every failed sign-in, and the
    /// highest that a stored hash may have.
    pub bcrypt_cost: u32,
    /// `USERS_TABLE`, `SESSIONS_TABLE`, `ATTEMPTS_TABLE` and `KEYS_TABLE`.
    pub tables: TableNames,
    /// `CORS_ALLOWED_ORIGINS`: the origins of the owner's web pages, which may hold a refresh token
    /// in a cookie. CORS itself is the gateway's, which has the same list.
    pub allowed_origins: AllowedOrigins,
    /// `SIGNIN_FREE_ATTEMPTS`, `SIGNIN_ATTEMPTS_PER_EMAIL` and `SIGNIN_ATTEMPTS_PER_ADDRESS`.
    pub attempt_limits: Limits,
    /// `TRUSTED_PROXY_HOPS`: how many of the owner's proxies are in front of the API, and are
    /// the only way to it; their `X-Forwarded-For` says who calls. 0 believes no such header.
    pub trusted_proxy_hops: usize,
    /// `AUTHORIZER_MODE`: whether the authorizer looks at the session.
    pub authorizer_mode: AuthorizerMode,
    /// `AUTHORIZER_SCOPE`: the scope that an access token needs for the guarded routes.
    pub authorizer_scope: Option<String>,
    /// Where the keys are.
    pub key_source: KeySource,
    /// How AWS is reached.
    pub aws: AwsSettings,
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

/// Where the functions run; decides the lowest bcrypt cost that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// In Lambda: a cost of at least 10 (OWASP's minimum for bcrypt).
    Deployed,
    /// In the local stack or a test: any cost that bcrypt has.
    Local,
}

/// Everything that is missing or wrong in the environment, a line for each variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ConfigError(pub(super) Vec<String>);

impl ConfigError {
    /// The findings: each starts with the name of its variable and never holds a value.
    pub fn findings(&self) -> &[String] {
        &self.0
    }
}
