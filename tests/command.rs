//! The command line as a process: the local stack, and the commands on users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use relatch_tests::Client;
use tempfile::TempDir;

const DEMO: (&str, &str) = ("demo@example.com", "correct horse battery staple");

/// `relatch` in the root of the workspace, without the settings of whoever runs the test.
fn relatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relatch"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for name in
        ["USERS_TABLE", "BCRYPT_COST", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"]
    {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A running local stack; killed when dropped.
struct Dev {
    process: Child,
    url: String,
    dynamodb: String,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut command = relatch(&["dev", "--dynamodb", "127.0.0.1:0"]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let process = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = process.unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        let address_in = |line: Option<String>, before: &str| {
            let line = line.expect("the stack started");
            let rest = line.split_once(before).unwrap_or_else(|| panic!("{line}")).1;
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let url = address_in(lines.next(), "ready at ");
        let dynamodb = address_in(lines.next(), "database ");
        drop(lines);
        Self { process, url, dynamodb }
    }

    fn on(folder: &TempDir) -> Self {
        Self::start(&[
            "--data",
            path(folder),
            "--set",
            "BCRYPT_COST=4",
            "--set",
            "TOKEN_ISSUER=https://auth.example.com",
        ])
    }

    fn client(&self, (email, password): (&str, &str)) -> Client {
        Client::new(&self.url, email, password)
    }

    /// As by `kill -9`.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// Runs a command to its end, with a text on its standard input.
fn run(mut command: Command, stdin: &str) -> Output {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
    process.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The command failed, and said why in one line.
#[track_caller]
fn expect_failure(output: &Output, why: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("relatch: ") && stderr.contains(why), "{why} in {stderr}");
}

#[track_caller]
fn expect_success(output: &Output, says: &str) {
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", text(&output.stderr));
    assert!(stdout.contains(says), "{says} in {stdout}");
}

// ------------------------------------------------------------------ dev

#[tokio::test]
async fn users_sessions_and_keys_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::on(&folder);
    let first = dev.client(DEMO).sign_in().await;
    let next = dev.client(DEMO).refresh(&first.refresh_token()).await.refresh_token();
    dev.kill();

    let dev = Dev::on(&folder);
    let client = dev.client(DEMO);
    assert_eq!(client.user_info(&first.access_token()).await.status, 200);
    assert_eq!(client.refresh(&first.refresh_token()).await.refresh_token(), next);
    assert_eq!(client.sign_in().await.status, 200);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_stops_it_cleanly() {
    for signal in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut dev = Dev::on(&folder);
        assert_eq!(dev.client(DEMO).sign_in().await.status, 200);
        let id = dev.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert!(dev.process.wait().unwrap().success(), "{signal}");
        let mut rest = String::new();
        dev.process.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("stopped\n"), "{rest}");
    }
}

#[tokio::test]
async fn in_memory_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = relatch(&["dev", "--in-memory", "--listen", "127.0.0.1:0", "--dynamodb", "127.0.0.1:0"]);
    command.args(["--template", &template()]).current_dir(folder.path());
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(line.contains("ready at"), "{line}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn without_the_demo_user_nobody_signs_in_with_its_password() {
    let dev = Dev::start(&["--in-memory", "--no-demo", "--set", "BCRYPT_COST=4"]);
    dev.client(DEMO).sign_in().await.expect_error(401, "invalid_credentials");
}

/// A password that everyone knows is for this machine only.
#[tokio::test]
async fn there_is_no_demo_user_where_others_can_reach_it() {
    let dev = Dev::start(&["--in-memory", "--set", "BCRYPT_COST=4", "--listen", "0.0.0.0:0"]);
    dev.client(DEMO).sign_in().await.expect_error(401, "invalid_credentials");
}

#[test]
fn what_keeps_it_from_starting_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let own_folder = tempfile::tempdir().unwrap();
    std::fs::write(own_folder.path().join("keys.json"), "{}").unwrap();
    let template = std::fs::read_to_string(template()).unwrap();
    let broken_yaml = file("broken.yaml", "a: [");
    let unknown_intrinsic =
        file("intrinsic.yaml", &template.replace("!Ref TokenAudience", "!ImportValue Audience"));
    for (arguments, why) in [
        (vec!["--in-memory", "--listen", &busy], "--listen"),
        (vec!["--in-memory", "--dynamodb", &busy], "--dynamodb"),
        (vec!["--data", &broken_yaml], "--data"),
        (vec!["--data", path(&own_folder)], "keys.json"),
        (vec!["--in-memory", "--template", "nowhere.yaml"], "nowhere.yaml"),
        (vec!["--in-memory", "--template", &broken_yaml], "not valid YAML"),
        (vec!["--in-memory", "--template", &unknown_intrinsic], "Fn::ImportValue"),
        (vec!["--in-memory", "--set", "NO_SUCH_VARIABLE=1"], "NO_SUCH_VARIABLE"),
        (vec!["--in-memory", "--set", "ACCESS_TOKEN_TTL=1"], "ACCESS_TOKEN_TTL"),
    ] {
        let mut command = relatch(&["dev"]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--dynamodb") {
            command.args(["--dynamodb", "127.0.0.1:0"]);
        }
        command.args(&arguments);
        expect_failure(&run(command, ""), why);
    }
}

#[tokio::test]
async fn a_folder_has_one_stack_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _dev = Dev::on(&folder);
    let second =
        relatch(&["dev", "--listen", "127.0.0.1:0", "--dynamodb", "127.0.0.1:0", "--data", path(&folder)]);
    expect_failure(&run(second, ""), "in use");
}

fn template() -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    path.to_str().unwrap().to_owned()
}

// ------------------------------------------------------------------ users add

const ADA: (&str, &str) = ("ada@example.com", "a password of Ada's");

fn add(folder: &TempDir, (email, password): (&str, &str)) -> Output {
    run(relatch(&["users", "add", email, "--password-stdin", "--dev", "--data", path(folder)]), password)
}

#[tokio::test]
async fn an_added_user_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::on(&folder);
    let with_line_end = format!("{}\n", ADA.1);
    expect_success(&add(&folder, ("Ada@Example.com", &with_line_end)), "added ada@example.com");
    assert_eq!(dev.client(ADA).sign_in().await.status, 200);
    expect_failure(&add(&folder, (ADA.0, "another password")), "already");
    assert_eq!(dev.client(ADA).sign_in().await.status, 200);
}

#[tokio::test]
async fn without_a_running_stack_its_folder_is_used() {
    let folder = tempfile::tempdir().unwrap();
    expect_failure(&add(&folder, ADA), "holds no local stack");
    Dev::on(&folder).kill();
    expect_success(&add(&folder, ADA), "added ada@example.com");
    assert_eq!(Dev::on(&folder).client(ADA).sign_in().await.status, 200);
}

#[tokio::test]
async fn a_password_that_breaks_a_rule_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Dev::on(&folder).kill();
    let (longest, too_long) = ("x".repeat(72), "x".repeat(73));
    for (password, why) in [
        ("", "at least 8 characters"),
        ("seven77", "at least 8 characters"),
        (&too_long, "at most 72 bytes"),
        (&"x".repeat(100_000), "at most 72 bytes"),
        ("with a \0 in it", "no NUL"),
    ] {
        expect_failure(&add(&folder, (ADA.0, password)), why);
    }
    let nobody = add(&folder, ("nobody", ADA.1));
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("not a valid email address"));
    expect_success(&add(&folder, (ADA.0, &format!("{longest}\r\n"))), "added");
    assert_eq!(Dev::on(&folder).client((ADA.0, &longest)).sign_in().await.status, 200);
}

#[test]
fn a_deployment_in_aws_needs_its_table_and_a_region() {
    let without_table = run(relatch(&["users", "add", ADA.0, "--password-stdin"]), ADA.1);
    assert_eq!(without_table.status.code(), Some(2));
    assert!(text(&without_table.stderr).contains("--users-table"));
    let home = tempfile::tempdir().unwrap();
    let mut without_region = relatch(&["users", "add", ADA.0, "--password-stdin", "--users-table", "Users"]);
    without_region.env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    expect_failure(&run(without_region, ADA.1), "no AWS region");
}

// ------------------------------------------------------------------ users import

/// A hash of the demo user's password that Python's bcrypt made.
const BOB: &str = "$2b$04$m0GOhVHRZqhuv3pRb1wGLuu7LvpGl.j/ou9fyBY1K3zXKS.H4L3Le";

fn import(folder: &TempDir, file: &Path, more: &[&str]) -> Output {
    let mut command = relatch(&["users", "import", file.to_str().unwrap(), "--dev", "--data", path(folder)]);
    command.args(more);
    run(command, "")
}

#[tokio::test]
async fn imported_users_sign_in_and_a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::on(&folder);
    let json = folder.path().join("users.jsonl");
    let lines = format!(
        "{{\"email\":\"bob@example.com\",\"password_hash\":\"{BOB}\",\"sub\":\"auth0|bob\"}}\n\
         {{\"email\":\"demo@example.com\",\"password_hash\":\"{BOB}\"}}\n"
    );
    std::fs::write(&json, lines).unwrap();
    expect_success(&import(&folder, &json, &[]), "1 added, 1 existed already, 0 rejected");
    expect_success(&import(&folder, &json, &[]), "0 added, 2 existed already, 0 rejected");
    assert!(!folder.path().join("users.jsonl.rejects.jsonl").exists());

    let bob = dev.client(("bob@example.com", "correct horse battery staple")).sign_in().await;
    let user = dev.client(DEMO).user_info(&bob.access_token()).await;
    assert_eq!(user.json(), serde_json::json!({"sub": "auth0|bob", "email": "bob@example.com"}));
    assert_eq!(dev.client(DEMO).sign_in().await.status, 200);
}

#[tokio::test]
async fn lines_that_are_no_user_are_listed_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    Dev::on(&folder).kill();
    let csv = folder.path().join("users.csv");
    let high = BOB.replace("$04$", "$12$");
    let lines = format!(
        "email,password_hash,sub\nbob@example.com,{BOB},bob\neve@example.com,{BOB},bob\nnobody,{BOB},\n\
         mallory@example.com,secret,\nmallory@example.com,{high},\nBob@example.com,{BOB},\n"
    );
    std::fs::write(&csv, lines).unwrap();
    let rejects = folder.path().join("rejects.jsonl");
    let output = import(&folder, &csv, &["--rejects", rejects.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("1 added, 1 existed already, 4 rejected"), "{output:?}");
    let listed = std::fs::read_to_string(&rejects).unwrap();
    let listed: Vec<serde_json::Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (lines, reasons): (Vec<_>, Vec<_>) =
        listed.iter().map(|it| (it["line"].as_u64().unwrap(), it["reason"].as_str().unwrap())).unzip();
    assert_eq!(lines, [3, 4, 5, 6]);
    for (reason, part) in
        reasons.iter().zip(["sub belongs to another", "valid email", "bcrypt hash", "BCRYPT_COST"])
    {
        assert!(reason.contains(part), "{part} in {reason}");
    }
}

#[tokio::test]
async fn a_thousand_users_are_imported_by_the_standard_variables() {
    let dev = Dev::start(&["--in-memory", "--set", "BCRYPT_COST=4"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("many");
    let line = |n: usize| format!("{{\"email\":\"user-{n}@example.com\",\"password_hash\":\"{BOB}\"}}\n");
    std::fs::write(&file, (0..1000).map(line).collect::<String>()).unwrap();
    let mut command = relatch(&["users", "import", file.to_str().unwrap()]);
    command
        .env("USERS_TABLE", "UsersTable")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_ENDPOINT_URL_DYNAMODB", &dev.dynamodb);
    expect_success(&run(command, ""), "1000 added, 0 existed already, 0 rejected");
    assert_eq!(dev.client(("user-999@example.com", "correct horse battery staple")).sign_in().await.status, 200);
}

#[test]
fn a_file_that_cannot_be_imported_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    Dev::on(&folder).kill();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "name\nBob\n").unwrap();
    expect_failure(&import(&folder, &csv, &[]), "must name the columns");
    expect_failure(&import(&folder, &folder.path().join("nowhere"), &[]), "nowhere");
}
