//! The options of a test's local stacks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use relatch::keys::{Algorithm, KeySet, generate};
use relatch::time::Clock;
use relatch_cli::dev::StackOptions;
use relatch_cli::dev::chaos::Chaos;
use relatch_cli::dev::engine::Storage;
use relatch_lambda::telemetry::Log;

/// One key file for all stacks of a test's process: it takes a while to make RSA keys.
static KEYS_FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap().keep();
    let path = folder.join("keys.json");
    let yesterday = Clock::system().now() - Duration::from_hours(24);
    std::fs::write(&path, generate(Algorithm::RS256, yesterday).unwrap().expose()).unwrap();
    path
});

/// The keys with which all local stacks of a test's process sign.
pub fn keys() -> KeySet {
    KeySet::parse(&std::fs::read_to_string(&*KEYS_FILE).unwrap()).unwrap()
}

/// Options of a stack in memory, with the cheapest bcrypt cost unless the settings have another.
pub fn stack_options(settings: &[(&str, &str)], clock: Clock, log: Log) -> StackOptions {
    let mut overrides = BTreeMap::from([("BCRYPT_COST".to_owned(), "4".to_owned())]);
    overrides.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    StackOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        dynamodb: "127.0.0.1:0".parse().unwrap(),
        storage: Storage::Memory,
        keys_file: KEYS_FILE.clone(),
        template: include_str!("../../template.yaml").to_owned(),
        overrides,
        invoke_overrides: BTreeMap::new(),
        chaos: Chaos::default(),
        playground: false,
        demo: true,
        clock,
        log,
    }
}
