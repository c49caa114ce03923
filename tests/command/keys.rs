//! `relatch keys`, on a file and on secrets.

use std::process::Output;

use relatch::keys::{KeySet, Purpose};
use relatch::time::Clock;
use relatch_tests::LocalSecretsManager;

use crate::process::{DEMO, Dev, expect_failure, expect_success, path, relatch, run, text};

fn keys(arguments: &[&str]) -> Output {
    run(relatch(&["keys"].into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>()), "")
}

/// The words of the line about the first key with this purpose and state.
fn find_line(output: &Output, purpose: &str, state: &str) -> Vec<String> {
    let stdout = text(&output.stdout);
    let line = stdout.lines().find(|line| line.starts_with(purpose) && line.contains(state));
    line.unwrap_or_else(|| panic!("{purpose} {state} in {stdout}")).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_first_keys_of_a_file_are_one_for_each_purpose_and_no_private_part_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let file = file.to_str().unwrap();
    let made = keys(&["generate", "--file", file]);
    for purpose in ["access", "refresh", "attempts"] {
        find_line(&made, purpose, "signs");
    }
    let stored = std::fs::read_to_string(file).unwrap();
    let set = KeySet::parse(&stored).unwrap();
    assert!(set.signing_key(Purpose::Access, Clock::system().now()).is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    for output in [made, keys(&["list", "--file", file])] {
        for key in stored["keys"].as_array().unwrap() {
            for field in ["d", "p", "q", "k"] {
                assert!(key[field].as_str().is_none_or(|private| !text(&output.stdout).contains(private)));
            }
        }
    }
    expect_failure(&keys(&["generate", "--file", file]), "holds keys already");
}

#[test]
fn a_key_is_added_to_sign_later_and_retired_when_nothing_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let file = file.to_str().unwrap();
    let first =
        find_line(&keys(&["generate", "--file", file, "--algorithm", "ES256"]), "access", "signs")[2].clone();
    let added = keys(&["add", "--file", file, "--purpose", "access", "--algorithm", "EdDSA"]);
    let second = find_line(&added, "access", "will sign");
    assert_eq!(second[1], "EdDSA");
    assert_eq!(find_line(&added, "access", "ES256")[2], first);
    expect_failure(&keys(&["retire", "--file", file, &first, "--force"]), "the key that signs");
    expect_failure(&keys(&["retire", "--file", file, "no-such-key"]), "has no key no-such-key");
    let retired = keys(&["retire", "--file", file, &second[2]]);
    assert!(retired.status.success() && !text(&retired.stdout).contains(&second[2]), "{retired:?}");
    let too_soon = keys(&["add", "--file", file, "--purpose", "access", "--starts-in", "60"]);
    assert_eq!(too_soon.status.code(), Some(2), "functions know a new key only after five minutes");
}

#[test]
fn the_place_is_named_once_and_its_purposes_for_a_secret() {
    for arguments in [
        vec!["list"],
        vec!["list", "--file", "a", "--secret-id", "b"],
        vec!["generate", "--secret-id", "b"],
        vec!["add", "--file", "a"],
    ] {
        assert_eq!(keys(&arguments).status.code(), Some(2), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, "{}").unwrap();
    expect_failure(&keys(&["list", "--file", file.to_str().unwrap()]), "not a private JWK Set");
}

const ACCESS: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:access";
const REFRESH: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:refresh";

fn keys_in_secrets(service: &LocalSecretsManager, dynamodb: &str, arguments: &[&str]) -> Output {
    let mut command = relatch(&["keys"]);
    command
        .args(arguments)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", service.url());
    run(command, "")
}

/// A local stack whose functions have their keys in secrets and their table.
fn start_dev(service: &LocalSecretsManager, folder: &tempfile::TempDir) -> Dev {
    let set = |name: &str, value: &str| format!("{name}={value}");
    let settings = [
        set("BCRYPT_COST", "4"),
        set("KEYS_FILE", ""),
        set("ACCESS_KEYS_SECRET_ARN", ACCESS),
        set("REFRESH_KEYS_SECRET_ARN", REFRESH),
        set("AWS_ENDPOINT_URL_SECRETS_MANAGER", service.url()),
    ];
    let mut arguments = vec!["--data", path(folder)];
    for setting in &settings {
        arguments.extend(["--set", setting.as_str()]);
    }
    Dev::start(&arguments)
}

const TABLE: [&str; 2] = ["--keys-table", "KeysTable"];

#[tokio::test(flavor = "multi_thread")]
async fn the_first_keys_of_a_deployment_and_the_next() {
    let service = LocalSecretsManager::start(&[ACCESS, REFRESH]).await;
    let folder = tempfile::tempdir().unwrap();
    let dev = start_dev(&service, &folder);
    let keys = |arguments: &[&str]| keys_in_secrets(&service, &dev.dynamodb, arguments);
    let access = ["--secret-id", ACCESS, "--purpose", "access"];
    expect_failure(&keys(&[&["generate"], &access[..]].concat()), "name the --keys-table");
    assert_eq!(service.current(ACCESS), None);
    expect_success(&keys(&[&["generate"], &access[..], &TABLE].concat()), "access");
    expect_success(
        &keys(&["generate", "--secret-id", REFRESH, "--purpose", "refresh", "--purpose", "attempts"]),
        "refresh",
    );
    for (secret, count) in [(ACCESS, 1), (REFRESH, 2)] {
        let set = KeySet::parse(&service.current(secret).unwrap()).unwrap();
        assert_eq!(set.purposes().count(), count);
    }
    let count_published_keys = async || {
        let set = dev.client(DEMO).get("/.well-known/jwks.json").await.json();
        set["keys"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(count_published_keys().await, 1);
    let before = service.current(ACCESS);
    let added = keys(&[&["add"], &access[..], &TABLE].concat());
    let added = find_line(&added, "access", "will sign");
    assert_ne!(service.current(ACCESS), before);
    expect_failure(&keys(&[&["generate"], &access[..], &TABLE].concat()), "holds keys already");
    let retired = keys(&[&["retire", "--secret-id", ACCESS, &added[2]], &TABLE[..]].concat());
    assert!(retired.status.success() && !text(&retired.stdout).contains(&added[2]), "{retired:?}");
    expect_failure(&keys(&["list", "--secret-id", "nowhere"]), "there is no such secret");
    service.refuse(Some(("AccessDeniedException", 400)));
    expect_failure(&keys(&["list", "--secret-id", ACCESS]), "AccessDeniedException");
}

/// Functions take their keys from such secrets, and the public ones from the table.
#[tokio::test(flavor = "multi_thread")]
async fn functions_sign_with_the_keys_that_were_generated() {
    let service = LocalSecretsManager::start(&[ACCESS, REFRESH]).await;
    let folder = tempfile::tempdir().unwrap();
    let dev = start_dev(&service, &folder);
    let keys = |arguments: &[&str]| keys_in_secrets(&service, &dev.dynamodb, arguments);
    keys(
        &[&["generate", "--secret-id", ACCESS, "--purpose", "access", "--algorithm", "ES256"], &TABLE[..]]
            .concat(),
    );
    keys(&["generate", "--secret-id", REFRESH, "--purpose", "refresh", "--purpose", "attempts"]);
    let client = dev.client(DEMO);
    let response = client.sign_in().await;
    assert_eq!(client.user_info(&response.access_token()).await.status, 200);
    assert_eq!(client.refresh(&response.refresh_token()).await.status, 200);
    assert_eq!(client.get("/.well-known/jwks.json").await.json()["keys"][0]["alg"], "ES256");
}
