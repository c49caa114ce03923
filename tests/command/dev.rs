//! `relatch dev`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use relatch_tests::{InvokeEndpoint, TestStack, generation};

use crate::process::{DEMO, Dev, expect_failure, path, relatch, run, template};

#[tokio::test]
async fn users_sessions_and_keys_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(&folder);
    let first = dev.client(DEMO).sign_in().await;
    let next = dev.client(DEMO).refresh(&first.refresh_token()).await.refresh_token();
    dev.kill();

    let dev = Dev::start_in(&folder);
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
        let mut dev = Dev::start_in(&folder);
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

/// Page and API have one origin here, and a cookie is for the pages of listed ones only.
#[tokio::test]
async fn the_playground_may_have_its_token_in_a_cookie() {
    const PAGE: &str = "https://app.example.com";
    let with_cookie = serde_json::json!({"email": DEMO.0, "password": DEMO.1, "cookie": true});
    for settings in [vec![], vec!["--set", "CORS_ALLOWED_ORIGINS=https://app.example.com"]] {
        let dev = Dev::start(&[&["--in-memory", "--set", "BCRYPT_COST=4"], settings.as_slice()].concat());
        let client = dev.client(DEMO);
        let page = client.get("/").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let by_name = dev.url.replace("127.0.0.1", "localhost");
        assert_ne!(by_name, dev.url);
        for origin in [&dev.url, &by_name] {
            let response = client.post_from(origin, "/signin", &with_cookie, None).await;
            assert_eq!(response.status, 200, "{origin}: {response:?}");
            assert!(response.header("set-cookie").starts_with("local-relatch_refresh="), "{response:?}");
        }
        for origin in ["http://127.0.0.1:1", "http://localhost", "https://evil.example", "null"] {
            let response = client.post_from(origin, "/signin", &with_cookie, None).await;
            response.expect_error(400, "invalid_request");
        }
        let response = client.post_from(PAGE, "/signin", &with_cookie, None).await;
        assert_eq!(
            response.status,
            if settings.is_empty() { 400 } else { 200 },
            "what is listed stays so: {response:?}"
        );
    }
}

#[tokio::test]
async fn there_is_no_playground_where_others_can_reach_it() {
    let dev = Dev::start(&["--in-memory", "--set", "BCRYPT_COST=4", "--listen", "0.0.0.0:0"]);
    let client = dev.client(DEMO);
    for path in ["/", "/relatch.js", "/playground/page.js"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    let with_cookie = serde_json::json!({"email": DEMO.0, "password": DEMO.1, "cookie": true});
    client.post_from(&dev.url, "/signin", &with_cookie, None).await.expect_error(400, "invalid_request");
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
        (vec!["--in-memory", "--set", "CORS_ALLOWED_ORIGINS=*"], "CORS_ALLOWED_ORIGINS must be exact origins"),
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
    let _dev = Dev::start_in(&folder);
    let second =
        relatch(&["dev", "--listen", "127.0.0.1:0", "--dynamodb", "127.0.0.1:0", "--data", path(&folder)]);
    expect_failure(&run(second, ""), "in use");
}

#[tokio::test]
async fn a_reply_that_is_lost_on_request_was_done_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start_in(&folder);
    let token = dev.client(DEMO).sign_in().await.refresh_token();
    dev.kill();
    let settings =
        ["--data", path(&folder), "--set", "BCRYPT_COST=4", "--set", "TOKEN_ISSUER=https://auth.example.com"];
    let unlucky = Dev::start(&[settings.as_slice(), &["--chaos", "lost-replies=100%"]].concat());
    let client = unlucky.client(DEMO);
    let request = client.request("POST", "/refresh").json(&serde_json::json!({ "refresh_token": token }));
    assert!(client.try_send(request).await.is_err());
    unlucky.kill();
    let lucky = Dev::start(&settings);
    let next = lucky.client(DEMO).refresh(&token).await.refresh_token();
    assert_eq!(generation(&next), 1);
}

#[tokio::test]
async fn throttled_on_request() {
    let dev = Dev::start(&["--in-memory", "--set", "BCRYPT_COST=4", "--chaos", "throttle=100%"]);
    let response = dev.client(DEMO).sign_in().await;
    assert_eq!((response.status, response.text.as_str()), (429, "{\"message\":\"Too Many Requests\"}"));
}

/// An Invoke address that answers as Lambda does: with what the function returned, or
/// with an error that a header tells from an answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_run_behind_an_invoke_address() {
    let stack = TestStack::start(&[]).await;
    let endpoint = InvokeEndpoint::start(stack.function::<userinfo::UserInfo>(&[])).await;
    let issuer = format!("TOKEN_ISSUER={}", stack.stack().url());
    let keys = format!("KEYS_FILE={}", stack.environment()["KEYS_FILE"]);
    let invoke = format!("userinfo={}", endpoint.url());
    let dev = Dev::start(&[
        "--in-memory",
        "--set",
        "BCRYPT_COST=4",
        "--set",
        &issuer,
        "--set",
        &keys,
        "--invoke",
        &invoke,
    ]);
    let client = dev.client(DEMO);
    let token = client.sign_in().await.access_token();
    assert_eq!(client.user_info(&token).await.json()["email"], DEMO.0);
    client.user_info("x").await.expect_error(401, "invalid_token");
    assert_eq!(endpoint.invocations(), 2);
    endpoint.fail();
    let failed = client.user_info(&token).await;
    assert_eq!((failed.status, failed.text.as_str()), (500, "{\"message\":\"Internal Server Error\"}"));
    drop(dev);

    let nobody = relatch(&[
        "dev",
        "--in-memory",
        "--listen",
        "127.0.0.1:0",
        "--dynamodb",
        "127.0.0.1:0",
        "--invoke",
        "x=y",
    ]);
    expect_failure(&run(nobody, ""), "--invoke x: the functions are");
}
