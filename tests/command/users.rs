//! `relatch users`.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::process::{DEMO, Dev, expect_failure, expect_success, path, relatch, run, text};

const ADA: (&str, &str) = ("ada@example.com", "a password of Ada's");

fn add(folder: &TempDir, (email, password): (&str, &str)) -> Output {
    run(relatch(&["users", "add", email, "--password-stdin", "--dev", "--data", path(folder)]), password)
}

#[tokio::test]
async fn an_added_user_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(&folder);
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
    Dev::start_in(&folder).kill();
    expect_success(&add(&folder, ADA), "added ada@example.com");
    assert_eq!(Dev::start_in(&folder).client(ADA).sign_in().await.status, 200);
}

#[tokio::test]
async fn a_password_that_breaks_a_rule_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Dev::start_in(&folder).kill();
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
    assert_eq!(Dev::start_in(&folder).client((ADA.0, &longest)).sign_in().await.status, 200);
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
    let dev = Dev::start_in(&folder);
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
    Dev::start_in(&folder).kill();
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
    Dev::start_in(&folder).kill();
    let csv = folder.path().join("users.csv");
    std::fs::write(&csv, "name\nBob\n").unwrap();
    expect_failure(&import(&folder, &csv, &[]), "must name the columns");
    expect_failure(&import(&folder, &folder.path().join("nowhere"), &[]), "nowhere");
}

// ------------------------------------------------------------------ the others

/// A command on users of the local stack's folder.
fn users(folder: &TempDir, arguments: &[&str], stdin: &str) -> Output {
    let mut command = relatch(&["users"]);
    command.args(arguments).args(["--dev", "--data", path(folder)]);
    run(command, stdin)
}

#[tokio::test]
async fn one_user_is_shown_disabled_enabled_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(&folder);
    expect_success(&add(&folder, ADA), "added");
    let shown = users(&folder, &["show", "ADA@example.com"], "");
    for part in ["ada@example.com", "active", "bcrypt, cost 4"] {
        expect_success(&shown, part);
    }
    assert!(!text(&shown.stdout).contains("$2b$"), "{shown:?}");
    expect_success(&users(&folder, &["list"], ""), "ada@example.com");

    let session = dev.client(ADA).sign_in().await.refresh_token();
    expect_success(&users(&folder, &["disable", ADA.0], ""), "may not sign in");
    dev.client(ADA).refresh(&session).await.expect_error(400, "invalid_grant");
    dev.client(ADA).sign_in().await.expect_error(401, "invalid_credentials");
    expect_success(&users(&folder, &["list"], ""), "disabled");
    expect_success(&users(&folder, &["enable", ADA.0], ""), "may sign in");

    let session = dev.client(ADA).sign_in().await.refresh_token();
    expect_success(
        &users(&folder, &["set-password", ADA.0, "--password-stdin"], "another password\n"),
        "new password",
    );
    dev.client(ADA).refresh(&session).await.expect_error(400, "invalid_grant");
    dev.client(ADA).sign_in().await.expect_error(401, "invalid_credentials");
    assert_eq!(dev.client((ADA.0, "another password")).sign_in().await.status, 200);

    expect_success(&users(&folder, &["delete", ADA.0], ""), "deleted");
    dev.client((ADA.0, "another password")).sign_in().await.expect_error(401, "invalid_credentials");
}

#[test]
fn nobody_is_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Dev::start_in(&folder).kill();
    for command in ["show", "disable", "enable", "delete"] {
        expect_failure(&users(&folder, &[command, ADA.0], ""), "is no user");
    }
    expect_failure(&users(&folder, &["set-password", ADA.0, "--password-stdin"], ADA.1), "is no user");
    expect_failure(
        &users(&folder, &["set-password", DEMO.0, "--password-stdin"], "short"),
        "at least 8 characters",
    );
}

#[tokio::test]
async fn what_is_exported_is_imported_elsewhere() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Dev::start_in(&here).kill();
    expect_success(&add(&here, ADA), "added");
    expect_success(&add(&here, ("bob@example.com", "a password of Bob's")), "added");
    expect_success(&users(&here, &["disable", "bob@example.com"], ""), "may not sign in");
    let file = here.path().join("users.jsonl");
    let export = || users(&here, &["export", file.to_str().unwrap()], "");
    expect_success(&export(), "3 exported");
    expect_failure(&export(), "exists");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    Dev::start(&["--data", path(&there), "--no-demo", "--set", "BCRYPT_COST=4"]).kill();
    expect_success(&import(&there, &file, &[]), "3 added, 0 existed already, 0 rejected");
    let dev = Dev::start_in(&there);
    assert_eq!(dev.client(ADA).sign_in().await.status, 200);
    assert_eq!(dev.client(DEMO).sign_in().await.status, 200);
    let bob = dev.client(("bob@example.com", "a password of Bob's"));
    bob.sign_in().await.expect_error(401, "invalid_credentials");
    let again = there.path().join("again.jsonl");
    expect_success(&users(&there, &["export", again.to_str().unwrap()], ""), "3 exported");
    let sorted = |file: &Path| {
        let mut lines: Vec<_> = std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&file), sorted(&again));
}

#[test]
fn an_export_that_was_cut_off_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    Dev::start_in(&folder).kill();
    let users_file = folder.path().join("users.jsonl");
    // More than one page of the table: a page is a megabyte.
    let line = |n: usize| format!("{{\"email\":\"user-{n}@example.com\",\"password_hash\":\"{BOB}\"}}\n");
    std::fs::write(&users_file, (0..8000).map(line).collect::<String>()).unwrap();
    expect_success(&import(&folder, &users_file, &[]), "8000 added");
    let whole = folder.path().join("whole.jsonl");
    expect_success(&users(&folder, &["export", whole.to_str().unwrap()], ""), "8001 exported");
    let whole = std::fs::read_to_string(whole).unwrap();

    // As a run leaves it that is cut off in the middle of a line of its second page.
    let cut = folder.path().join("cut.jsonl");
    let first_page: String = whole.lines().take(1000).map(|line| format!("{line}\n")).collect();
    let last: serde_json::Value = serde_json::from_str(whole.lines().nth(999).unwrap()).unwrap();
    std::fs::write(&cut, format!("{first_page}{{\"email\":\"half a li")).unwrap();
    let state = serde_json::json!({
        "bytes": first_page.len(), "users": 1000, "after": format!("EMAIL#{}", last["email"].as_str().unwrap()),
    });
    let state_file = folder.path().join("cut.jsonl.state");
    std::fs::write(&state_file, state.to_string()).unwrap();
    let taken_up = users(&folder, &["export", cut.to_str().unwrap()], "");
    expect_success(&taken_up, "taking up an export after 1000 users");
    expect_success(&taken_up, "8001 exported");
    assert_eq!(std::fs::read_to_string(&cut).unwrap(), whole);
    assert!(!state_file.exists());
}

// ------------------------------------------------------------------ sessions

#[tokio::test]
async fn a_users_sessions_are_listed_and_ended() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(&folder);
    let (one, two) = (dev.client(DEMO).sign_in().await, dev.client(DEMO).sign_in().await);
    let sessions = |command: &str, email: &str| {
        run(relatch(&["sessions", command, email, "--dev", "--data", path(&folder)]), "")
    };
    let listed = sessions("list", DEMO.0);
    expect_success(&listed, "since 20");
    assert_eq!(text(&listed.stdout).lines().count(), 2);
    expect_success(&sessions("end", DEMO.0), "are ended");
    for response in [&one, &two] {
        dev.client(DEMO).refresh(&response.refresh_token()).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(text(&sessions("list", DEMO.0).stdout), "");
    expect_failure(&sessions("list", ADA.0), "is no user");
    let without_table = relatch(&["sessions", "list", DEMO.0, "--users-table", "Users"]);
    expect_failure(&run(without_table, ""), "--sessions-table");
}
