use super::*;
use crate::lifetime::SessionLifetime;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_123);

fn issuer(ttl: u64) -> TokenIssuer {
    TokenIssuer {
        issuer: "https://auth.example.com".to_owned(),
        audience: "https://api.example.com".to_owned(),
        client_id: "relatch".to_owned(),
        scope: Some("read write".to_owned()),
        access_token_ttl: Duration::from_secs(ttl),
    }
}

fn session(lifetime: SessionLifetime) -> Session {
    Session::open(&User::ada(NOW), SessionSecret::from_random([1; 16]).session_id(), lifetime, None, NOW)
}

fn lifetime(idle: u64, absolute: u64) -> SessionLifetime {
    SessionLifetime { idle: Duration::from_secs(idle), absolute: Duration::from_secs(absolute) }
}

const LONG: SessionLifetime =
    SessionLifetime { idle: Duration::from_secs(100_000), absolute: Duration::from_secs(200_000) };

/// The life of an access token in seconds.
fn life(ttl: u64, [high, low]: [u8; 2], lifetime: SessionLifetime) -> u64 {
    let mut random = [7; 18];
    random[16..].copy_from_slice(&[high, low]);
    let token = issuer(ttl).access_token(&session(lifetime), &User::ada(NOW), random, NOW);
    let life = token.claims.exp.timestamp().duration_since(token.claims.iat.timestamp());
    assert_eq!(life, token.expires_in);
    life.as_secs()
}

#[test]
fn an_access_token_is_shortened_by_up_to_a_fifth() {
    assert_eq!(life(900, [0, 0], LONG), 900);
    assert_eq!(life(900, [255, 255], LONG), 720);
    assert_eq!(life(900, [128, 0], LONG), 810);
    assert_eq!(life(5, [0, 0], LONG), 5);
    assert_eq!(life(5, [255, 255], LONG), 4);
    let mut lives: Vec<u64> = (0..=u16::MAX).map(|n| life(100, n.to_be_bytes(), LONG)).collect();
    lives.dedup();
    assert_eq!(lives, (80..=100).rev().collect::<Vec<_>>(), "each as likely as the others");
}

#[test]
fn an_access_token_never_outlives_its_session() {
    assert_eq!(life(900, [0, 0], lifetime(60, 500)), 500);
    assert_eq!(life(900, [255, 255], lifetime(60, 730)), 720);
}

#[test]
fn the_claims_say_who_when_and_for_whom() {
    let session = session(LONG);
    let claims = issuer(900).access_token(&session, &User::ada(NOW), [7; 18], NOW).claims;
    assert_eq!((claims.sub.as_str(), claims.user_email.as_str()), ("ada", "ada@example.com"));
    assert_eq!(claims.session_id(), Some(session.id.clone()));
    assert_eq!(claims.scope.as_deref(), Some("read write"));
    assert_eq!(claims.auth_time, NumericDate::from_timestamp(NOW));
    assert_eq!(claims.jti, encoding::encode([7; 16]));
    let secret = SessionSecret::from_random([1; 16]);
    let refresh = issuer(900).refresh_claims(&session, &secret);
    assert_eq!(refresh.session_secret(), Some(secret));
    assert_eq!(refresh.exp.timestamp(), session.expires_at());
    let shown = format!("{refresh:?}");
    assert!(shown.contains("ada") && !shown.contains(&refresh.secret), "{shown}");
}

#[test]
fn an_access_token_of_a_session_that_is_over_has_no_life() {
    let over = Session { absolute_expires_at: NOW - Duration::from_secs(1), ..session(LONG) };
    let token = issuer(900).access_token(&over, &User::ada(NOW), [0; 18], NOW);
    assert_eq!(token.expires_in, Duration::ZERO);
}
