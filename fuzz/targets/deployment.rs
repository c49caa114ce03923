//! A deployment with fixed keys, and one token of each kind that it has issued.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use relatch::keys::{Key, KeySet, Purpose};
use relatch::lifetime::SessionLifetime;
use relatch::session::{Session, SessionSecret};
use relatch::time::Timestamp;
use relatch::token::{TokenError, TokenIssuer, sign, verify_access, verify_refresh, verify_refresh_to_end};
use relatch::user::{User, UserId, UserStatus};

/// When the tokens were issued.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The keys that RFC 8037 §A.1 and RFC 7515 §A.1.1 publish: the same in every run.
const JWK_SET: &str = r#"{"keys": [
    {"purpose": "access", "kid": "a", "kty": "OKP", "alg": "EdDSA", "nbf": 0, "crv": "Ed25519",
     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
     "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"},
    {"purpose": "refresh", "kid": "r", "kty": "oct", "alg": "HS256", "nbf": 0,
     "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
]}"#;

pub(crate) static KEYS: LazyLock<KeySet> = LazyLock::new(|| match KeySet::parse(JWK_SET) {
    Ok(keys) => keys,
    Err(error) => panic!("{error}"),
});

static ISSUER: LazyLock<TokenIssuer> = LazyLock::new(|| TokenIssuer {
    issuer: "https://auth.example.com".to_owned(),
    audience: "https://api.example.com".to_owned(),
    client_id: "relatch".to_owned(),
    scope: Some("read write".to_owned()),
    access_token_ttl: Kind::Access.lifetime(),
});

/// The one token of each kind that was issued.
pub(crate) static ISSUED_TOKENS: LazyLock<HashMap<Kind, String>> = LazyLock::new(|| {
    let (Ok(id), Ok(email)) = (UserId::parse("ada"), relatch::Email::parse("ada@example.com")) else {
        panic!("Ada is a user");
    };
    let status = UserStatus::Active;
    let user = User { id, email, status, epoch: 1, credential_version: 1, created_at: NOW };
    let secret = SessionSecret::from_random([7; 16]);
    let lifetime = SessionLifetime { idle: Kind::Refresh.lifetime(), absolute: Kind::Refresh.lifetime() };
    let session = Session::open(&user, secret.session_id(), lifetime, None, NOW);
    let access = sign(&ISSUER.access_token(&session, &user, [0; 18], NOW).claims, Kind::Access.signing_key(&KEYS));
    let refresh = sign(&ISSUER.refresh_claims(&session, &secret), Kind::Refresh.signing_key(&KEYS));
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
    /// How long the token that was issued lasts.
    pub(crate) fn lifetime(self) -> Duration {
        match self {
            Self::Access => Duration::from_mins(15),
            Self::Refresh => Duration::from_hours(1),
        }
    }

    pub(crate) fn signing_key(self, keys: &KeySet) -> &Key {
        let purpose = match self {
            Self::Access => Purpose::Access,
            Self::Refresh => Purpose::Refresh,
        };
        keys.signing_key(purpose, NOW).unwrap_or_else(|| panic!("there is a key for each kind"))
    }

    /// Whether a token is good, and for a refresh token also whether it may end its session.
    pub(crate) fn verify(self, token: &str, now: Timestamp) -> (bool, Option<bool>) {
        match self {
            Self::Access => (verify_access(token, &KEYS, &ISSUER.access_tokens(), now).is_ok(), None),
            Self::Refresh => {
                let expected = ISSUER.refresh_tokens();
                let to_end = verify_refresh_to_end(token, &KEYS, &expected, now).map(drop);
                assert_ne!(to_end, Err(TokenError::Expired));
                (verify_refresh(token, &KEYS, &expected, now).is_ok(), Some(to_end.is_ok()))
            }
        }
    }
}
