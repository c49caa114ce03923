//! Reading each variable: its form, its bounds and its default.
//!
//! A variable that is missing or wrong is a finding and reads as `None`, so that no setting ever
//! has a made-up value.

use std::ops::RangeInclusive;
use std::time::Duration;

use relatch::keys::Algorithm;
use relatch::lifetime::{MAX_ACCESS_TOKEN_TTL, MAX_SESSION_AGE, RetryWindow, SessionLifetime};
use relatch::password;
use relatch::secret::Secret;
use relatch::throttling::Limits;
use relatch::token::{TokenIssuer, refresh_audience};
use relatch_store::{AwsSettings, Deadlines, TableNames};

use super::settings::{AuthorizerMode, Config, ConfigError, Environment, KeySource};
use crate::http::AllowedOrigins;

const DEFAULT_ACCESS_TOKEN_TTL: Duration = Duration::from_mins(15);
const DEFAULT_REFRESH_TOKEN_TTL: Duration = Duration::from_hours(30 * 24);
const DEFAULT_SESSION_MAX_AGE: Duration = Duration::from_hours(90 * 24);
const MAX_RETRY_WINDOW: Duration = Duration::from_mins(10);

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
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// [`ConfigError`] with every finding.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one home of the environment")]
        Self::from_lookup(Environment::Deployed, |name| std::env::var(name).ok())
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
    pub fn from_lookup(
        environment: Environment,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader { lookup, findings: Vec::new() };
        let config = reader.config(environment);
        config.filter(|_| reader.findings.is_empty()).ok_or(ConfigError(reader.findings))
    }
}

struct Reader<L> {
    lookup: L,
    findings: Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn config(&mut self, environment: Environment) -> Option<Config> {
        // Every variable is read before the first one that is missing ends this.
        let issuer = self.checked(
            "TOKEN_ISSUER",
            "an https URL of at most 1024 bytes without query, fragment or a slash at the end",
            is_issuer,
        );
        let audience = self.checked("TOKEN_AUDIENCE", "one word without spaces", is_word);
        if audience.is_some() && audience == issuer.as_deref().map(refresh_audience) {
            self.finding("TOKEN_AUDIENCE", "must differ from the audience of refresh tokens");
        }
        let client_id = self.checked_or("TOKEN_CLIENT_ID", "relatch", "visible ASCII", is_word);
        let scope = self.scope("TOKEN_SCOPE");
        let authorizer_scope = self.scope("AUTHORIZER_SCOPE");
        let authorizer_mode = self.authorizer_mode();
        let access_key_algorithm = self.access_key_algorithm();
        let access_token_ttl = self.seconds("ACCESS_TOKEN_TTL", DEFAULT_ACCESS_TOKEN_TTL, 5, MAX_ACCESS_TOKEN_TTL);
        let idle = self.seconds("REFRESH_TOKEN_TTL", DEFAULT_REFRESH_TOKEN_TTL, 60, MAX_SESSION_AGE);
        let absolute = self.seconds("SESSION_MAX_AGE", DEFAULT_SESSION_MAX_AGE, 60, MAX_SESSION_AGE);
        if idle.zip(access_token_ttl).is_some_and(|(idle, access)| idle < access) {
            self.finding("REFRESH_TOKEN_TTL", "must not be shorter than ACCESS_TOKEN_TTL");
        }
        let retry_window = self.retry_window(access_token_ttl.unwrap_or(DEFAULT_ACCESS_TOKEN_TTL));
        let lowest_cost = match environment {
            Environment::Deployed => 10,
            Environment::Local => password::MIN_COST,
        };
        let bcrypt_cost = self.number("BCRYPT_COST", 12, lowest_cost..=14);
        let allowed_origins = self.allowed_origins();
        let attempt_limits = self.limits();
        let trusted_proxy_hops = self.number("TRUSTED_PROXY_HOPS", 0, 0..=8);
        let tables = self.tables();
        let key_source = self.key_source();
        let aws = self.aws();
        Some(Config {
            token_issuer: TokenIssuer {
                issuer: issuer?,
                audience: audience?,
                client_id: client_id?,
                scope,
                access_token_ttl: access_token_ttl?,
            },
            access_key_algorithm: access_key_algorithm?,
            session_lifetime: SessionLifetime { idle: idle?, absolute: absolute? },
            retry_window: retry_window?,
            bcrypt_cost: bcrypt_cost?,
            tables: tables?,
            allowed_origins: allowed_origins?,
            attempt_limits: attempt_limits?,
            trusted_proxy_hops: trusted_proxy_hops?,
            authorizer_mode: authorizer_mode?,
            authorizer_scope,
            key_source: key_source?,
            aws: aws?,
        })
    }

    fn finding(&mut self, name: &str, problem: &str) {
        self.findings.push(format!("{name} {problem}"));
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.finding(name, "is missing");
        }
        value
    }

    fn checked(&mut self, name: &str, form: &str, is_valid: fn(&str) -> bool) -> Option<String> {
        let value = self.required(name)?;
        self.check(name, value, form, is_valid)
    }

    fn checked_or(&mut self, name: &str, default: &str, form: &str, is_valid: fn(&str) -> bool) -> Option<String> {
        let value = self.optional(name).unwrap_or_else(|| default.to_owned());
        self.check(name, value, form, is_valid)
    }

    fn check(&mut self, name: &str, value: String, form: &str, is_valid: fn(&str) -> bool) -> Option<String> {
        if is_valid(&value) {
            return Some(value);
        }
        self.finding(name, &format!("must be {form}"));
        None
    }

    fn number<N>(&mut self, name: &str, default: N, bounds: RangeInclusive<N>) -> Option<N>
    where
        N: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.optional(name) else { return Some(default) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (min, max) = bounds.into_inner();
            self.finding(name, &format!("must be a whole number from {min} to {max}"));
        }
        number
    }

    fn seconds(&mut self, name: &str, default: Duration, min: u64, max: Duration) -> Option<Duration> {
        self.number(name, default.as_secs(), min..=max.as_secs()).map(Duration::from_secs)
    }

    fn scope(&mut self, name: &str) -> Option<String> {
        let scope = self.optional(name)?;
        self.check(name, scope, "scope tokens with one space between them (RFC 6749 §3.3)", is_scope)
    }

    fn allowed_origins(&mut self) -> Option<AllowedOrigins> {
        const NAME: &str = "CORS_ALLOWED_ORIGINS";
        let origins = AllowedOrigins::parse(&self.optional(NAME).unwrap_or_default());
        if origins.is_none() {
            self.finding(NAME, "must be exact origins, such as https://app.example.com, with commas between them");
        }
        origins
    }

    fn authorizer_mode(&mut self) -> Option<AuthorizerMode> {
        const NAME: &str = "AUTHORIZER_MODE";
        match self.optional(NAME).as_deref() {
            None | Some("stateless") => Some(AuthorizerMode::Stateless),
            Some("checked") => Some(AuthorizerMode::Checked),
            Some(_) => {
                self.finding(NAME, "must be stateless or checked");
                None
            }
        }
    }

    fn access_key_algorithm(&mut self) -> Option<Algorithm> {
        const NAME: &str = "ACCESS_KEY_ALGORITHM";
        let Some(name) = self.optional(NAME) else { return Some(Algorithm::RS256) };
        let mut allowed = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA].into_iter();
        let algorithm = allowed.find(|algorithm| algorithm.name() == name);
        if algorithm.is_none() {
            self.finding(NAME, "must be RS256, ES256 or EdDSA");
        }
        algorithm
    }

    /// At most a fifth of the access token's life: with access tokens as short as the
    /// window, a thief and the owner would always refresh within it and no theft
    /// would show. The default shrinks to fit; an explicit value beyond is refused.
    fn retry_window(&mut self, access_token_ttl: Duration) -> Option<RetryWindow> {
        const NAME: &str = "REFRESH_RETRY_WINDOW";
        let max = Duration::from_secs(access_token_ttl.as_secs() / 5);
        let default = RetryWindow::DEFAULT.length().min(max);
        let window = self.seconds(NAME, default, 0, MAX_RETRY_WINDOW)?;
        if window > max {
            let max = max.as_secs();
            self.finding(NAME, &format!("must be at most a fifth of ACCESS_TOKEN_TTL, which is {max}"));
            return None;
        }
        Some(RetryWindow::new(window))
    }

    fn limits(&mut self) -> Option<Limits> {
        let Limits { free, per_email, per_address } = Limits::default();
        let free = self.number("SIGNIN_FREE_ATTEMPTS", free, 1..=Limits::MAX);
        let per_email = self.number("SIGNIN_ATTEMPTS_PER_EMAIL", per_email, 1..=Limits::MAX);
        let per_address = self.number("SIGNIN_ATTEMPTS_PER_ADDRESS", per_address, 1..=Limits::MAX);
        Some(Limits { free: free?, per_email: per_email?, per_address: per_address? })
    }

    fn tables(&mut self) -> Option<TableNames> {
        let users = self.required("USERS_TABLE");
        let sessions = self.required("SESSIONS_TABLE");
        let attempts = self.required("ATTEMPTS_TABLE");
        let public_keys = self.required("KEYS_TABLE");
        Some(TableNames { users: users?, sessions: sessions?, attempts: attempts?, public_keys: public_keys? })
    }

    fn key_source(&mut self) -> Option<KeySource> {
        if let Some(path) = self.optional("KEYS_FILE") {
            return Some(KeySource::File(path.into()));
        }
        match (self.optional("ACCESS_KEYS_SECRET_ARN"), self.optional("REFRESH_KEYS_SECRET_ARN")) {
            (Some(access), Some(refresh)) => return Some(KeySource::Secrets { access, refresh }),
            (None, None) => self
                .finding("KEYS_FILE", "is missing, and so are ACCESS_KEYS_SECRET_ARN and REFRESH_KEYS_SECRET_ARN"),
            (None, Some(_)) => self.finding("ACCESS_KEYS_SECRET_ARN", "is missing"),
            (Some(_), None) => self.finding("REFRESH_KEYS_SECRET_ARN", "is missing"),
        }
        None
    }

    fn aws(&mut self) -> Option<AwsSettings> {
        let endpoint = self.optional("AWS_ENDPOINT_URL");
        let region = self
            .optional("AWS_REGION")
            .or_else(|| self.optional("AWS_DEFAULT_REGION"))
            .or_else(|| self.required("AWS_REGION"));
        let access_key_id = self.required("AWS_ACCESS_KEY_ID");
        let secret_access_key = self.required("AWS_SECRET_ACCESS_KEY");
        let session_token = self.optional("AWS_SESSION_TOKEN");
        let dynamodb_endpoint = self.optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| endpoint.clone());
        let secrets_endpoint = self.optional("AWS_ENDPOINT_URL_SECRETS_MANAGER").or(endpoint);
        Some(AwsSettings {
            region: region?,
            access_key_id: access_key_id?,
            secret_access_key: Secret::new(secret_access_key?),
            session_token: session_token.map(Secret::new),
            dynamodb_endpoint,
            secrets_endpoint,
            deadlines: Deadlines::default(),
        })
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
