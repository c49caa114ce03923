use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn variables(overrides: &[(&str, &str)]) -> BTreeMap<String, String> {
    [
        ("TOKEN_ISSUER", "https://auth.example.com"),
        ("TOKEN_AUDIENCE", "https://api.example.com"),
        ("USERS_TABLE", "Users"),
        ("SESSIONS_TABLE", "Sessions"),
        ("ATTEMPTS_TABLE", "Attempts"),
        ("KEYS_TABLE", "Keys"),
        ("KEYS_FILE", "keys.json"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "not-to-be-seen"),
    ]
    .iter()
    .chain(overrides)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect()
}

fn read(overrides: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables(overrides);
    Config::from_lookup(Environment::Deployed, |name| variables.get(name).cloned())
}

fn findings(overrides: &[(&str, &str)]) -> Vec<String> {
    read(overrides).unwrap_err().0
}

#[test]
fn the_defaults() {
    let config = read(&[]).unwrap();
    assert_eq!(config.token_issuer.client_id, "relatch");
    assert_eq!(config.token_issuer.scope, None);
    assert_eq!(config.token_issuer.access_token_ttl, Duration::from_secs(900));
    assert_eq!(config.session_lifetime.idle, Duration::from_secs(2_592_000));
    assert_eq!(config.session_lifetime.absolute, Duration::from_secs(7_776_000));
    assert_eq!(config.retry_window, RetryWindow::DEFAULT);
    assert_eq!(config.bcrypt_cost, 12);
    assert_eq!(config.attempt_limits, Limits { free: 5, per_email: 20, per_address: 100 });
    assert_eq!(config.trusted_proxy_hops, 0);
    assert_eq!(config.access_key_algorithm, Algorithm::RS256);
    assert_eq!(config.token_issuer.refresh_tokens().audience, "https://auth.example.com/refresh");
}

#[test]
fn the_list_of_variables_is_what_is_read() {
    // By the log, which is there before the settings are.
    let by_the_log = std::collections::BTreeSet::from(["METRICS_NAMESPACE".to_owned()]);
    let read = std::cell::RefCell::new(by_the_log);
    for answer in [None, Some(String::new())] {
        let _ = Config::from_lookup(Environment::Deployed, |name| {
            read.borrow_mut().insert(name.to_owned());
            answer.clone()
        });
    }
    assert_eq!(read.into_inner().into_iter().collect::<Vec<_>>(), Config::VARIABLES);
}

const NEEDED: [&str; 7] = [
    "TOKEN_ISSUER",
    "TOKEN_AUDIENCE",
    "USERS_TABLE",
    "SESSIONS_TABLE",
    "ATTEMPTS_TABLE",
    "KEYS_TABLE",
    "KEYS_FILE",
];

#[test]
fn everything_missing_is_reported_at_once() {
    let error = Config::from_lookup(Environment::Deployed, |_| None).unwrap_err();
    let of_aws = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    for name in NEEDED.into_iter().chain(of_aws) {
        assert_eq!(error.findings().iter().filter(|line| line.starts_with(name)).count(), 1, "{name}");
    }
    assert_eq!(error.findings().len(), 10);
}

#[test]
fn an_empty_variable_counts_as_missing() {
    for name in NEEDED {
        assert_eq!(findings(&[(name, "")]).len(), 1, "{name}");
    }
    assert_eq!(
        read(&[("TOKEN_SCOPE", ""), ("REFRESH_RETRY_WINDOW", "")]).unwrap().retry_window,
        RetryWindow::DEFAULT
    );
}

#[test]
fn access_keys_are_of_an_algorithm_with_a_public_half() {
    assert_eq!(read(&[("ACCESS_KEY_ALGORITHM", "EdDSA")]).unwrap().access_key_algorithm, Algorithm::EdDSA);
    for wrong in ["HS256", "none", "es256", "RS512"] {
        assert_eq!(findings(&[("ACCESS_KEY_ALGORITHM", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn the_authorizer_has_two_modes() {
    assert_eq!(read(&[]).unwrap().authorizer_mode, AuthorizerMode::Stateless);
    assert_eq!(read(&[("AUTHORIZER_MODE", "checked")]).unwrap().authorizer_mode, AuthorizerMode::Checked);
    assert_eq!(findings(&[("AUTHORIZER_MODE", "Checked"), ("AUTHORIZER_SCOPE", "a  b")]).len(), 2);
}

#[test]
fn each_number_has_its_bounds() {
    for (name, min, max) in [
        ("ACCESS_TOKEN_TTL", 5, 86_400),
        ("REFRESH_TOKEN_TTL", 86_400, 31_536_000),
        ("SESSION_MAX_AGE", 60, 31_536_000),
        ("REFRESH_RETRY_WINDOW", 0, 600),
        ("BCRYPT_COST", 10, 14),
        ("SIGNIN_FREE_ATTEMPTS", 1, 1_000_000),
        ("SIGNIN_ATTEMPTS_PER_EMAIL", 1, 1_000_000),
        ("SIGNIN_ATTEMPTS_PER_ADDRESS", 1, 1_000_000),
        ("TRUSTED_PROXY_HOPS", 0, 8),
    ] {
        let with = |value: &str| match name {
            "ACCESS_TOKEN_TTL" => read(&[(name, value)]),
            _ => read(&[("ACCESS_TOKEN_TTL", "3000"), (name, value)]),
        };
        assert!(with(&min.to_string()).is_ok(), "{name} {min}");
        assert!(with(&max.to_string()).is_ok(), "{name} {max}");
        for wrong in ["-1", "x", " 60", "6e1", "60.0", "99999999999999999999", &(max + 1).to_string()] {
            let error = with(wrong).unwrap_err();
            assert!(error.findings()[0].starts_with(name), "{name} {wrong}: {error}");
        }
    }
}

#[test]
fn only_the_local_stack_takes_a_cheap_hash() {
    let variables = variables(&[("BCRYPT_COST", "4")]);
    let lookup = |name: &str| variables.get(name).cloned();
    assert!(Config::from_lookup(Environment::Local, lookup).is_ok());
    assert!(Config::from_lookup(Environment::Deployed, lookup).is_err());
}

#[test]
fn the_retry_window_is_at_most_a_fifth_of_the_access_token() {
    assert_eq!(read(&[("ACCESS_TOKEN_TTL", "100")]).unwrap().retry_window.length(), Duration::from_secs(20));
    assert_eq!(read(&[("ACCESS_TOKEN_TTL", "5")]).unwrap().retry_window.length(), Duration::from_secs(1));
    assert_eq!(read(&[("REFRESH_RETRY_WINDOW", "180")]).unwrap().retry_window.length(), Duration::from_secs(180));
    assert_eq!(
        findings(&[("REFRESH_RETRY_WINDOW", "181")]),
        ["REFRESH_RETRY_WINDOW must be at most a fifth of ACCESS_TOKEN_TTL, which is 180"]
    );
}

#[test]
fn the_issuer_is_an_https_url() {
    for good in [
        "https://auth.example.com",
        "https://example.com/auth",
        "https://x.execute-api.eu-central-1.amazonaws.com",
        "http://127.0.0.1:3000",
        "http://localhost:3000",
        "http://[::1]:3000",
    ] {
        assert!(read(&[("TOKEN_ISSUER", good)]).is_ok(), "{good}");
    }
    for bad in [
        "auth.example.com",
        "http://auth.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "https://",
        "https:///x",
        "https://auth.example.com/",
        "https://auth.example.com?x",
        "https://a.example#x",
        " https://auth.example.com",
        "https://auth example.com",
        "https://u@auth.example.com",
        "ftp://localhost",
        &format!("https://{}.example", "a".repeat(1010)),
    ] {
        assert_eq!(findings(&[("TOKEN_ISSUER", bad)]).len(), 1, "{bad}");
    }
}

#[test]
fn the_allowed_origins_are_exact() {
    assert_eq!(read(&[]).unwrap().allowed_origins, AllowedOrigins::default());
    let listed = "https://app.example.com,http://localhost:5173";
    assert!(
        read(&[("CORS_ALLOWED_ORIGINS", listed)]).unwrap().allowed_origins.contains("https://app.example.com")
    );
    for wrong in ["*", "null", "https://*.example.com", "http://app.example.com", "https://app.example.com/"] {
        assert_eq!(findings(&[("CORS_ALLOWED_ORIGINS", wrong)]).len(), 1, "{wrong}");
    }
}

#[test]
fn the_two_audiences_may_not_be_equal() {
    assert_eq!(findings(&[("TOKEN_AUDIENCE", "https://auth.example.com/refresh")]).len(), 1);
}

#[test]
fn one_secret_without_the_other_is_named() {
    assert_eq!(
        findings(&[("KEYS_FILE", ""), ("ACCESS_KEYS_SECRET_ARN", "arn:a")]),
        ["REFRESH_KEYS_SECRET_ARN is missing"]
    );
    let config =
        read(&[("KEYS_FILE", ""), ("ACCESS_KEYS_SECRET_ARN", "arn:a"), ("REFRESH_KEYS_SECRET_ARN", "arn:r")]);
    let expected = KeySource::Secrets { access: "arn:a".to_owned(), refresh: "arn:r".to_owned() };
    assert_eq!(config.unwrap().key_source, expected);
}

#[test]
fn neither_debug_nor_the_findings_show_a_value() {
    assert!(!format!("{:?}", read(&[]).unwrap()).contains("not-to-be-seen"));
    assert!(!findings(&[("ACCESS_TOKEN_TTL", "hunter2")])[0].contains("hunter2"));
}
