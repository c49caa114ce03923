//! A deployment with fixed keys, and one token of each kind that it has issued.

use std::collections::HashMap;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use relatch::Config;
use relatch::config::Place;
use relatch::session::{Lifetime, Session, SessionSecret};
use relatch::time::Timestamp;
use relatch::token::{
    Issuance, Key, KeySet, Purpose, TokenError, sign, verify_access, verify_refresh, verify_refresh_to_end,
};
use relatch::user::{User, UserId, UserStatus};

/// When the tokens were issued.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The keys that RFC 8037 §A.1 and RFC 7515 §A.1.1 publish: the same in every run.
const KEY_TEXT: &str = r#"{"keys": [
    {"purpose": "access", "kid": "a", "kty": "OKP", "alg": "EdDSA", "nbf": 0, "crv": "Ed25519",
     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
     "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"},
    {"purpose": "refresh", "kid": "r", "kty": "oct", "alg": "HS256", "nbf": 0,
     "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
]}"#;

pub(crate) static KEYS: LazyLock<KeySet> = LazyLock::new(|| match KeySet::parse(KEY_TEXT) {
    Ok(keys) => keys,
    Err(error) => panic!("{error}"),
});

static ISSUANCE: LazyLock<Issuance> = LazyLock::new(|| {
    let config = Config::from_lookup(Place::Local, |name| {
        let value = match name {
            "TOKEN_ISSUER" => "https://auth.example.com",
            "TOKEN_AUDIENCE" => "https://api.example.com",
            "TOKEN_SCOPE" => "read write",
            "KEYS_FILE" | "KEYS_TABLE" | "USERS_TABLE" | "SESSIONS_TABLE" | "ATTEMPTS_TABLE" => "x",
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    });
    match config {
        Ok(config) => Issuance::new(&config),
        Err(error) => panic!("{error}"),
    }
});

/// The one token of each kind that was issued.
pub(crate) static ISSUED: LazyLock<HashMap<Kind, String>> = LazyLock::new(|| {
    let (Ok(id), Ok(email)) = (UserId::parse("ada"), relatch::Email::parse("ada@example.com")) else {
        panic!("Ada is a user");
    };
    let status = UserStatus::Active;
    let user = User { id, email, status, epoch: 1, credential_version: 1, created_at: NOW };
    let secret = SessionSecret::from_random([7; 16]);
    let lifetime = Lifetime { idle: Kind::Refresh.life(), absolute: Kind::Refresh.life() };
    let session = Session::open(&user, secret.session_id(), lifetime, None, NOW);
    let access = sign(&ISSUANCE.access_token(&session, &user, [0; 18], NOW).claims, Kind::Access.key(&KEYS));
    let refresh = sign(&ISSUANCE.refresh_claims(&session, &secret), Kind::Refresh.key(&KEYS));
    [(Kind::Access, access), (Kind::Refresh, refresh)]
        .map(|(kind, token)| (kind, token.unwrap_or_else(|error| panic!("{error}"))))
        .into()
});

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Access,
    Refresh,
}

impl Kind {
    /// How long the token that was issued lasts, in seconds.
    pub(crate) fn life(self) -> i64 {
        match self {
            Self::Access => 900,
            Self::Refresh => 3600,
        }
    }

    pub(crate) fn key(self, keys: &KeySet) -> &Key {
        let purpose = match self {
            Self::Access => Purpose::Access,
            Self::Refresh => Purpose::Refresh,
        };
        keys.signing_key(purpose, NOW).unwrap_or_else(|| panic!("there is a key for each kind"))
    }

    /// Whether a token is good, and for a refresh token also whether it may end its session.
    pub(crate) fn verify(self, token: &str, now: Timestamp) -> (bool, Option<bool>) {
        match self {
            Self::Access => (verify_access(token, &KEYS, &ISSUANCE, now).is_ok(), None),
            Self::Refresh => {
                let to_end = verify_refresh_to_end(token, &KEYS, &ISSUANCE, now).map(drop);
                assert_ne!(to_end, Err(TokenError::Expired));
                (verify_refresh(token, &KEYS, &ISSUANCE, now).is_ok(), Some(to_end.is_ok()))
            }
        }
    }
}
