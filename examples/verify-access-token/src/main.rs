//! Verifies access tokens, one on each line of the standard input.
//!
//! ```sh
//! curl -s https://auth.example.com/.well-known/jwks.json > jwks.json
//! verify-access-token https://auth.example.com https://api.example.com jwks.json < tokens.txt
//! ```
//!
//! A service does the same for each request: a token that is rejected gets the status 401, on
//! which clients refresh and try again. Key your data on `sub`, never on the email.

use std::io::BufRead as _;
use std::process::ExitCode;

use relatch::time::{Clock, Timestamp};
use relatch::token::AccessTokenVerifier;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, jwks_file] = arguments.as_slice() else {
        eprintln!("usage: verify-access-token ISSUER AUDIENCE JWKS_FILE");
        return ExitCode::from(2);
    };
    let verifier = match read_verifier(issuer, audience, jwks_file) {
        Ok(verifier) => verifier,
        Err(error) => {
            eprintln!("{jwks_file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let clock = Clock::system();
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(token) => println!("{}", describe(&verifier, token.trim(), clock.now())),
            Err(error) => {
                eprintln!("standard input: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn read_verifier(
    issuer: &str,
    audience: &str,
    jwks_file: &str,
) -> Result<AccessTokenVerifier, Box<dyn std::error::Error>> {
    let jwk_set = std::fs::read_to_string(jwks_file)?;
    Ok(AccessTokenVerifier::new(issuer, audience, &jwk_set)?)
}

/// Who calls, or why the token is rejected.
fn describe(verifier: &AccessTokenVerifier, token: &str, now: Timestamp) -> String {
    match verifier.verify(token, now) {
        Ok(claims) => format!("200 {}", claims.sub),
        Err(error) => format!("401 {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use relatch::email::Email;
    use relatch::keys::{Algorithm, KeySet, generate};
    use relatch::lifetime::SessionLifetime;
    use relatch::session::{Session, SessionSecret};
    use relatch::token::{TokenIssuer, TokenPair};
    use relatch::user::{User, UserId, UserStatus};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    /// The tokens of a deployment and its public keys, as the two functions make them.
    fn issue() -> (TokenPair, String) {
        let secret = SessionSecret::from_random([1; 16]);
        let user = User {
            id: UserId::from_random([2; 16]),
            email: Email::parse("ada@example.com").unwrap(),
            status: UserStatus::Active,
            epoch: 0,
            credential_version: 1,
            created_at: NOW,
        };
        let lifetime = SessionLifetime { idle: 60 * MINUTE, absolute: 60 * MINUTE };
        let session = Session::open(&user, secret.session_id(), lifetime, None, NOW);
        let issuer = TokenIssuer {
            issuer: "https://auth.example.com".to_owned(),
            audience: "https://api.example.com".to_owned(),
            client_id: "relatch".to_owned(),
            scope: None,
            access_token_ttl: 15 * MINUTE,
        };
        let keys = KeySet::parse(generate(Algorithm::EdDSA, NOW).unwrap().expose()).unwrap();
        let pair = TokenPair::issue((&session, &secret), &user, &keys, &issuer, [3; 18], NOW).unwrap();
        (pair, serde_json::to_string(&keys.public()).unwrap())
    }

    #[test]
    fn a_good_token_names_its_user_until_it_expires() {
        let (pair, jwk_set) = issue();
        let verifier =
            AccessTokenVerifier::new("https://auth.example.com", "https://api.example.com", &jwk_set).unwrap();
        let token = pair.access_token.expose();
        let sub = UserId::from_random([2; 16]);
        assert_eq!(describe(&verifier, token, NOW), format!("200 {}", sub.as_str()));
        assert_eq!(describe(&verifier, token, NOW + pair.access_expires_in), "401 expired");
        assert_eq!(describe(&verifier, pair.refresh_token.expose(), NOW), "401 wrong_type");
        assert_eq!(describe(&verifier, "", NOW), "401 malformed");
    }

    #[test]
    fn a_token_for_another_service_is_rejected() {
        let (pair, jwk_set) = issue();
        for (issuer, audience, expected) in [
            ("https://auth.example.com", "https://other.example.com", "401 wrong_audience"),
            ("https://other.example.com", "https://api.example.com", "401 wrong_issuer"),
        ] {
            let verifier = AccessTokenVerifier::new(issuer, audience, &jwk_set).unwrap();
            assert_eq!(describe(&verifier, pair.access_token.expose(), NOW), expected);
        }
    }
}
