//! `relatch keys`: the keys of a deployment, in a file or in Secrets Manager. Private
//! parts are never printed.

mod location;

use std::process::ExitCode;
use std::time::Duration;

use relatch::keys::{ACCESS_LEAD, Algorithm, KeyInfo, PrivateKeySet, Purpose, REFRESH_LEAD, retirable_at};
use relatch::lifetime::MAX_SESSION_AGE;
use relatch::time::{Clock, Timestamp};

use crate::CommandError;
use crate::output::print;
use location::KeyLocation;

pub(crate) use location::write_file;

/// The flags of `relatch keys`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make the first keys, one for each purpose
    Generate {
        #[command(flatten)]
        location: KeyLocation,
        /// What the keys are for; may be given more than once [default with --file: all]
        #[arg(long = "purpose", value_enum, required_unless_present = "file")]
        purposes: Vec<PurposeArg>,
        /// How access tokens are signed
        #[arg(long, value_enum, default_value_t = AlgorithmArg::RS256)]
        algorithm: AlgorithmArg,
    },
    /// Tell which keys there are and which of them sign
    List {
        #[command(flatten)]
        location: KeyLocation,
    },
    /// Add a key that signs once every function and verifier knows it
    Add {
        #[command(flatten)]
        location: KeyLocation,
        /// What the key is for
        #[arg(long, value_enum)]
        purpose: PurposeArg,
        /// How access tokens are signed
        #[arg(long, value_enum, default_value_t = AlgorithmArg::RS256)]
        algorithm: AlgorithmArg,
        /// In how many seconds it starts to sign [default: 10800 for access keys, else 600]
        #[arg(long, value_name = "SECONDS", value_parser = parse_lead)]
        starts_in: Option<Duration>,
    },
    /// Take a key away once no token that it signed can be good any more
    Retire {
        #[command(flatten)]
        location: KeyLocation,
        /// The key's id, as `keys list` shows it
        kid: String,
        /// The deployment's ACCESS_TOKEN_TTL
        #[arg(long, value_name = "SECONDS", env = "ACCESS_TOKEN_TTL", default_value = "900", value_parser = parse_seconds)]
        access_token_ttl: Duration,
        /// The deployment's REFRESH_TOKEN_TTL
        #[arg(long, value_name = "SECONDS", env = "REFRESH_TOKEN_TTL", default_value = "2592000",
              value_parser = parse_seconds)]
        refresh_token_ttl: Duration,
        /// Take it away at once, with all tokens that it signed
        #[arg(long)]
        force: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PurposeArg {
    /// Signs access tokens
    Access,
    /// Signs refresh tokens
    Refresh,
    /// Turns emails into the keys of tables
    Attempts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum AlgorithmArg {
    #[value(name = "RS256")]
    RS256,
    #[value(name = "ES256")]
    ES256,
    #[value(name = "EdDSA")]
    EdDSA,
}

impl From<PurposeArg> for Purpose {
    fn from(purpose: PurposeArg) -> Self {
        match purpose {
            PurposeArg::Access => Self::Access,
            PurposeArg::Refresh => Self::Refresh,
            PurposeArg::Attempts => Self::Attempts,
        }
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "not a whole number of seconds".to_owned())
}

fn parse_lead(text: &str) -> Result<Duration, String> {
    let lead = parse_seconds(text)?;
    let (min, max) = (REFRESH_LEAD, MAX_SESSION_AGE);
    if (min..=max).contains(&lead) {
        return Ok(lead);
    }
    Err(format!("not from {} to {} seconds", min.as_secs(), max.as_secs()))
}

/// Runs a command on keys.
///
/// # Errors
/// One line why it failed.
pub async fn run(args: Args) -> Result<ExitCode, CommandError> {
    let now = Clock::system().now();
    match args.command {
        Command::Generate { location, purposes, algorithm } => {
            let mut loaded = location.load().await?;
            if !loaded.keys.list(now).is_empty() {
                return Err(CommandError::new(format!("{location} holds keys already; `keys add` adds one")));
            }
            let all = [PurposeArg::Access, PurposeArg::Refresh, PurposeArg::Attempts];
            for purpose in if purposes.is_empty() { all.to_vec() } else { purposes } {
                add_key(&mut loaded.keys, purpose, algorithm, now)?;
            }
            print(&format_table(&location.save(loaded, now).await?.list(now), now));
        }
        Command::List { location } => print(&format_table(&location.load().await?.keys.list(now), now)),
        Command::Add { location, purpose, algorithm, starts_in } => {
            let mut loaded = location.load().await?;
            let lead = if purpose == PurposeArg::Access { ACCESS_LEAD } else { REFRESH_LEAD };
            add_key(&mut loaded.keys, purpose, algorithm, now + starts_in.unwrap_or(lead))?;
            print(&format_table(&location.save(loaded, now).await?.list(now), now));
        }
        Command::Retire { location, kid, access_token_ttl, refresh_token_ttl, force } => {
            let mut loaded = location.load().await?;
            let keys = loaded.keys.list(now);
            let key = keys.iter().find(|key| key.kid == kid);
            let key = key.ok_or_else(|| CommandError::new(format!("{location} has no key {kid}")))?;
            let max_lifetime = match key.purpose {
                Purpose::Access => Some(access_token_ttl),
                Purpose::Refresh => Some(refresh_token_ttl),
                Purpose::Attempts => None,
            };
            check_retirement(key, &keys, max_lifetime, force, now)?;
            loaded.keys.remove(key.purpose, &kid);
            print(&format_table(&location.save(loaded, now).await?.list(now), now));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn add_key(
    keys: &mut PrivateKeySet,
    purpose: PurposeArg,
    access: AlgorithmArg,
    from: Timestamp,
) -> Result<(), CommandError> {
    let algorithm = match (purpose, access) {
        (PurposeArg::Refresh | PurposeArg::Attempts, _) => Algorithm::HS256,
        (PurposeArg::Access, AlgorithmArg::RS256) => Algorithm::RS256,
        (PurposeArg::Access, AlgorithmArg::ES256) => Algorithm::ES256,
        (PurposeArg::Access, AlgorithmArg::EdDSA) => Algorithm::EdDSA,
    };
    keys.add(purpose.into(), algorithm, from).map(drop).map_err(|error| CommandError::new(error.to_string()))
}

/// A key may go when another one signs, and has signed for so long that the last token
/// of the key has expired. `max_lifetime` is a token's; without one the key
/// signs nothing that expires, and goes by force only.
fn check_retirement(
    key: &KeyInfo,
    keys: &[KeyInfo],
    max_lifetime: Option<Duration>,
    force: bool,
    now: Timestamp,
) -> Result<(), CommandError> {
    if key.signs || !keys.iter().any(|other| other.purpose == key.purpose && other.signs) {
        return Err(CommandError::new(format!("{} is the key that signs; add another one first", key.kid)));
    }
    if force || key.not_before > now {
        return Ok(());
    }
    if max_lifetime.is_none() {
        return Err(CommandError::new(
            "a key for attempts is what emails are found by; only --force takes it away",
        ));
    }
    let last_token = retirable_at(key, keys, max_lifetime).unwrap_or(now);
    if now < last_token {
        let (kid, until) = (&key.kid, last_token.to_rfc3339());
        return Err(CommandError::new(format!(
            "tokens that {kid} signed may be good until {until}; --force ends them now"
        )));
    }
    Ok(())
}

fn format_table(keys: &[KeyInfo], now: Timestamp) -> String {
    let row = |key: &KeyInfo| {
        let state = match (key.signs, key.not_before > now) {
            (true, _) => "signs",
            (false, true) => "will sign",
            (false, false) => "verifies",
        };
        let purpose = key.purpose.name();
        format!(
            "{purpose:<9} {:<6} {:<20} {state:<10} from {}\n",
            key.algorithm.name(),
            key.kid,
            key.not_before.to_rfc3339()
        )
    };
    keys.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const LIFE: Option<Duration> = Some(Duration::from_secs(900));
    /// A function may go on with the keys it has for a day.
    const STALE_FUNCTIONS: i64 = 86_400;

    /// Keys that started so many seconds ago.
    fn keys(purpose: Purpose, ages: &[i64]) -> Vec<KeyInfo> {
        let youngest = ages.iter().filter(|age| **age >= 0).min();
        let info = |age: &i64| KeyInfo {
            purpose,
            kid: format!("key-{age}"),
            algorithm: Algorithm::RS256,
            not_before: Timestamp::from_seconds(NOW.seconds() - age),
            signs: Some(age) == youngest,
        };
        ages.iter().map(info).collect()
    }

    fn may_retire_first(keys: &[KeyInfo], life: Option<Duration>, force: bool) -> bool {
        check_retirement(&keys[0], keys, life, force, NOW).is_ok()
    }

    #[test]
    fn the_key_that_signs_stays_even_by_force() {
        assert!(!may_retire_first(&keys(Purpose::Access, &[5]), LIFE, true));
        assert!(!may_retire_first(&keys(Purpose::Access, &[5, -60]), LIFE, true));
        let mut others = keys(Purpose::Access, &[10, 5]);
        others[1].purpose = Purpose::Refresh;
        others[0].signs = false;
        assert!(!may_retire_first(&others, LIFE, true));
    }

    #[test]
    fn an_older_key_goes_once_its_last_token_has_expired() {
        let at = |age| may_retire_first(&keys(Purpose::Access, &[200_000, age]), LIFE, false);
        assert!(!at(STALE_FUNCTIONS + 899));
        assert!(at(STALE_FUNCTIONS + 900));
        assert!(may_retire_first(&keys(Purpose::Access, &[200_000, 1]), LIFE, true));
    }

    #[test]
    fn a_key_that_never_signed_goes_at_once() {
        assert!(may_retire_first(&keys(Purpose::Access, &[-60, 5]), LIFE, false));
    }

    #[test]
    fn a_key_for_attempts_goes_by_force_only() {
        let keys = keys(Purpose::Attempts, &[1_000_000_000, 5]);
        assert!(!may_retire_first(&keys, None, false));
        assert!(may_retire_first(&keys, None, true));
    }
}
