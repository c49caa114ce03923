//! Running the command line, and reading what it says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use relatch_tests::Client;
use tempfile::TempDir;

pub const DEMO: (&str, &str) = ("demo@example.com", "correct horse battery staple");

/// `relatch` in the root of the workspace, without the settings of whoever runs the test.
pub fn relatch(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relatch"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for name in [
        "USERS_TABLE",
        "SESSIONS_TABLE",
        "KEYS_TABLE",
        "BCRYPT_COST",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
    ] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A running local stack; killed when dropped.
pub struct Dev {
    pub process: Child,
    pub url: String,
    pub dynamodb: String,
}

impl Dev {
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = relatch(&["dev", "--dynamodb", "127.0.0.1:0"]);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let process = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = process.unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        let address_after = |line: Option<String>, before: &str| {
            let line = line.expect("the stack started");
            let rest = line.split_once(before).unwrap_or_else(|| panic!("{line}")).1;
            rest.split_whitespace().next().unwrap().to_owned()
        };
        let url = address_after(lines.next(), "ready at ");
        let dynamodb = address_after(lines.next(), "database ");
        drop(lines);
        Self { process, url, dynamodb }
    }

    pub fn start_in(folder: &TempDir) -> Self {
        Self::start(&[
            "--data",
            path(folder),
            "--set",
            "BCRYPT_COST=4",
            "--set",
            "TOKEN_ISSUER=https://auth.example.com",
        ])
    }

    pub fn client(&self, (email, password): (&str, &str)) -> Client {
        Client::new(&self.url, email, password)
    }

    /// As by `kill -9`.
    pub fn kill(mut self) {
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

pub fn path(folder: &TempDir) -> &str {
    folder.path().to_str().unwrap()
}

/// Runs a command to its end, with a text on its standard input.
pub fn run(mut command: Command, stdin: &str) -> Output {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = process.stdin.take().unwrap().write_all(stdin.as_bytes());
    process.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The command failed, and said why in one line.
#[track_caller]
pub fn expect_failure(output: &Output, why: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("relatch: ") && stderr.contains(why), "{why} in {stderr}");
}

#[track_caller]
pub fn expect_success(output: &Output, says: &str) {
    let stdout = text(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", text(&output.stderr));
    assert!(stdout.contains(says), "{says} in {stdout}");
}

/// The template of the deployment.
pub fn template() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    path.to_str().unwrap().to_owned()
}
