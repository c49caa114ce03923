use super::*;
use crate::config::Place;
use crate::session::Lifetime;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);

fn issuance(ttl: &str) -> Issuance {
    let config = Config::from_lookup(Place::Local, |name| {
        let value = match name {
            "TOKEN_ISSUER" => "https://auth.example.com",
            "ACCESS_TOKEN_TTL" => ttl,
            "TOKEN_SCOPE" => "read write",
            "TOKEN_AUDIENCE" => "x",
            "USERS_TABLE" | "SESSIONS_TABLE" | "ATTEMPTS_TABLE" | "KEYS_TABLE" | "KEYS_FILE" => "x",
            "AWS_REGION" | "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    });
    Issuance::new(&config.unwrap())
}

fn session(lifetime: Lifetime) -> Session {
    Session::open(&User::ada(NOW), SessionSecret::from_random([1; 16]).session_id(), lifetime, None, NOW)
}

const LONG: Lifetime = Lifetime { idle: 100_000, absolute: 200_000 };

fn life(ttl: &str, [high, low]: [u8; 2], lifetime: Lifetime) -> i64 {
    let mut random = [7; 18];
    random[16..].copy_from_slice(&[high, low]);
    let token = issuance(ttl).access_token(&session(lifetime), &User::ada(NOW), random, NOW);
    let life = token.claims.exp.timestamp().millis_since(token.claims.iat.timestamp());
    assert_eq!(life, token.expires_in * 1000);
    token.expires_in
}

#[test]
fn an_access_token_is_shortened_by_up_to_a_fifth() {
    assert_eq!(life("900", [0, 0], LONG), 900);
    assert_eq!(life("900", [255, 255], LONG), 720);
    assert_eq!(life("900", [128, 0], LONG), 810);
    assert_eq!(life("5", [0, 0], LONG), 5);
    assert_eq!(life("5", [255, 255], LONG), 4);
    let mut lives: Vec<i64> = (0..=u16::MAX).map(|n| life("100", n.to_be_bytes(), LONG)).collect();
    lives.dedup();
    assert_eq!(lives, (80..=100).rev().collect::<Vec<_>>(), "each as likely as the others");
}

#[test]
fn an_access_token_never_outlives_its_session() {
    let short = Lifetime { idle: 60, absolute: 500 };
    assert_eq!(life("900", [0, 0], short), 500);
    assert_eq!(life("900", [255, 255], Lifetime { absolute: 730, ..short }), 720);
}

#[test]
fn the_claims_say_who_when_and_for_whom() {
    let session = session(LONG);
    let claims = issuance("900").access_token(&session, &User::ada(NOW), [7; 18], NOW).claims;
    assert_eq!((claims.sub.as_str(), claims.user_email.as_str()), ("ada", "ada@example.com"));
    assert_eq!(claims.session_id(), Some(session.id.clone()));
    assert_eq!(claims.scope.as_deref(), Some("read write"));
    assert_eq!(claims.auth_time, NumericDate::from_timestamp(NOW));
    assert_eq!(claims.jti, encoding::encode([7; 16]));
    let secret = SessionSecret::from_random([1; 16]);
    let refresh = issuance("900").refresh_claims(&session, &secret);
    assert_eq!(refresh.session_secret(), Some(secret));
    assert_eq!(refresh.exp.timestamp(), session.expires_at());
    let shown = format!("{refresh:?}");
    assert!(shown.contains("ada") && !shown.contains(&refresh.secret), "{shown}");
}

#[test]
fn a_numeric_date_ends_with_the_year_9999() {
    let read = |text: &str| serde_json::from_str::<NumericDate>(text).ok();
    assert_eq!(read("253402300799"), Some(NumericDate(253_402_300_799)));
    assert_eq!(read("253402300800"), None);
    assert_eq!(NumericDate::from_timestamp(Timestamp::from_millis(i64::MAX)), NumericDate(253_402_300_799));
    assert_eq!(NumericDate::from_timestamp(Timestamp::from_millis(-1)), NumericDate(0));
}
