//! Cookie mode: a web page whose refresh token is in a cookie, in both payloads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod others;
mod site;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{Fault, ItemKey, TestStack, claims};
use serde_json::{Value, json};

use crate::site::{NAME, OTHER_PAGE, PAYLOADS, Payload, Site, post};

const KEY: &str = "a-key-of-the-page-with-its-length";

/// The retry window in seconds.
const W: i64 = 60;

#[tokio::test]
async fn a_page_lives_on_its_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (first, access) = site.sign_in().await;
        assert_eq!(claims(&first)["gen"], 0);
        assert_eq!(site.stack.client().user_info(&access).await.status, 200);
        let second = site.refresh(&first).await.token();
        assert_eq!(claims(&second)["gen"], 1);
        site.stack.clock.advance_seconds(W);
        let third = site.refresh(&second).await.token();
        site.sign_out(&third, false).await.expect_signed_out();
        site.refresh(&third).await.expect_over();
        // A page whose browser has none any more: final as well, and nothing to forget.
        site.ask(&post("/refresh", &json!({}))).await.expect_error(400, "invalid_grant");
        site.ask(&post("/signout", &json!({}))).await.expect_signed_out();
        site.sign_in().await;
    }
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_its_token() {
    let site = Site::start(Payload::HttpApi, &[("REFRESH_TOKEN_TTL", "2000"), ("SESSION_MAX_AGE", "3000")]).await;
    let mut token = site.sign_in().await.0;
    // Idle for two thousand seconds at most, and three thousand in all.
    for (passed, left) in [(500, 2000), (900, 1600), (1000, 600)] {
        site.stack.clock.advance_seconds(passed);
        let answer = site.refresh(&token).await;
        assert_eq!(answer.body["refresh_expires_in"], left);
        token = answer.token();
        assert_eq!(claims(&token)["exp"], site.stack.clock.now().seconds() + left);
    }
}

/// A token is the same in both places, so that a page can go from one mode to the other.
#[tokio::test]
async fn both_modes_are_one_chain() {
    let site = Site::start(Payload::HttpApi, &[]).await;
    let client = site.stack.client();
    let (first, _) = site.sign_in().await;
    let second = client.refresh(&first).await.refresh_token();
    assert_eq!(site.refresh(&first).await.token(), second);
    assert_eq!(site.refresh(&second).await.token(), second);
    let other = client.sign_in().await.refresh_token();
    assert_eq!(client.refresh(&other).await.refresh_token(), site.refresh(&other).await.token());
    site.sign_out(&other, false).await.expect_signed_out();
    client.refresh(&other).await.expect_error(400, "invalid_grant");
}

/// Only a final answer takes the cookie away: not one of these.
#[tokio::test]
async fn what_is_not_final_leaves_the_cookie() {
    const BROKEN: Fault = Fault::Error("InternalServerError", 500);
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (token, access) = site.sign_in().await;
        let refreshing = post("/refresh", &json!({})).with_cookie(NAME, &token);
        let signing_out = post("/signout", &json!({})).with_cookie(NAME, &token);

        for sent in [&site.signing_in(), &refreshing, &signing_out] {
            let too_long = sent.clone().with_body(format!("{{\"x\":\"{}\"}}", "x".repeat(8192)));
            site.ask(&too_long).await.expect_error(413, "payload_too_large");
            for body in ["", "null", "[]", "{", "{\"x\":1,\"x\":2}"] {
                let malformed = sent.clone().with_body(body);
                site.ask(&malformed).await.expect_error(400, "invalid_request");
            }
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
                let answer = site.ask(&sent.clone().with_header("content-type", kind)).await;
                answer.expect_error(415, "unsupported_media_type");
            }
            let evil = sent.clone().with_header("origin", "https://evil.example");
            site.ask(&evil).await.expect_error(400, "invalid_request");
        }
        for sent in [&refreshing, &signing_out] {
            site.ask(&sent.clone().with_header("idempotency-key", "short"))
                .await
                .expect_error(400, "invalid_request");
            site.ask(&sent.clone().with_cookie(NAME, "x")).await.expect_error(400, "invalid_request");
            site.database.fail("UpdateItem", BROKEN, 3);
            let answer = site.ask(sent).await;
            answer.expect_error(503, "temporarily_unavailable");
            assert_eq!(answer.headers["retry-after"], "2");
        }
        let wrong = signing_out.clone().with_body("{\"everywhere\":1}");
        site.ask(&wrong).await.expect_error(400, "invalid_request");

        let session = ItemKey::session_of(&access);
        let generation = site.stack.item(&session).await.unwrap()["gen"].clone();
        site.stack.set(&session, "gen", AttributeValue::S("broken".to_owned())).await;
        site.ask(&refreshing).await.expect_error(500, "server_error");
        site.stack.set(&session, "gen", generation).await;

        site.database.fail("PutItem", BROKEN, 3);
        site.ask(&site.signing_in()).await.expect_error(503, "temporarily_unavailable");
        let wrong = site.signing_in().body.unwrap().replace(&site.stack.client().password, "a wrong password");
        let wrong = site.signing_in().with_body(wrong);
        for _ in 0..5 {
            site.ask(&wrong).await.expect_error(401, "invalid_credentials");
        }
        let answer = site.ask(&wrong).await;
        answer.expect_error(429, "too_many_attempts");
        assert!(answer.headers["retry-after"].as_str().unwrap().parse::<u32>().unwrap() >= 1);

        // After all of it the page goes on as if nothing had been.
        assert_eq!(claims(&site.refresh(&token).await.token())["gen"], 1);
    }
}

/// A page cannot mend its cookie: one that is no token of ours is over.
#[tokio::test]
async fn a_cookie_that_is_no_token_is_over() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (token, access) = site.sign_in().await;
        let (long, huge) = ("x".repeat(4097), "x".repeat(9000));
        for wrong in ["", "x", "a.b.c", &access, &format!("\"{token}\""), &format!("{token}x"), &long, &huge] {
            site.refresh(wrong).await.expect_over();
            site.sign_out(wrong, false).await.expect_signed_out();
            site.sign_out(wrong, true).await.expect_signed_out();
        }
        assert!(site.is_good(&token).await);
    }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (first, _) = site.sign_in().await;
        let second = site.refresh(&first).await.token();
        site.stack.clock.advance_seconds(W - 1);
        assert_eq!(site.refresh(&first).await.token(), second, "within the window");

        // With the token's key, hours later.
        site.stack.clock.advance_seconds(1);
        let with_key = |token: &str| {
            post("/refresh", &json!({})).with_cookie(NAME, token).with_header("idempotency-key", KEY)
        };
        let third = site.ask(&with_key(&second)).await.token();
        site.stack.clock.advance_seconds(7200);
        let again = site.ask(&with_key(&second)).await;
        assert_eq!(again.token(), third);
        assert_eq!(claims(&third)["gen"], 2);
        // The key alone is worth nothing, nor is the token without it.
        let key_alone = post("/refresh", &json!({})).with_header("idempotency-key", KEY);
        site.ask(&key_alone).await.expect_error(400, "invalid_grant");
        site.refresh(&second).await.expect_over();
        site.refresh(&third).await.expect_over();
    }
}

/// A cookie that was copied from the browser is caught as any stolen token is.
#[tokio::test]
async fn a_stolen_cookie_is_caught() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (stolen, access) = site.sign_in().await;
        let next = site.refresh(&stolen).await.token();
        site.stack.clock.advance_seconds(W);
        // As long as the end of the session is not written, nobody is told of it.
        site.database.fail_after(1, "UpdateItem", Fault::Error("InternalServerError", 500), 3);
        site.refresh(&stolen).await.expect_error(503, "temporarily_unavailable");
        site.refresh(&stolen).await.expect_over();
        let session = site.stack.item(&ItemKey::session_of(&access)).await.unwrap();
        assert_eq!(session["ended_by"], AttributeValue::S("reuse".to_owned()));
        site.refresh(&next).await.expect_over();
        site.sign_in().await;
    }
}

#[tokio::test]
async fn a_cookie_signs_out_everywhere() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let elsewhere = site.stack.client().sign_in().await.refresh_token();
        let (first, _) = site.sign_in().await;
        let second = site.refresh(&first).await.token();
        site.stack.clock.advance_seconds(W);
        // A token that was rotated away ends its own session at most.
        site.sign_out(&first, true).await.expect_signed_out();
        assert!(!site.is_good(&second).await && site.is_good(&elsewhere).await);
        let (current, _) = site.sign_in().await;
        site.sign_out(&current, true).await.expect_signed_out();
        assert!(!site.is_good(&current).await && !site.is_good(&elsewhere).await);
    }
}

/// Through the local gateway, which speaks no TLS: the way of a browser, from preflight to
/// sign-out.
#[tokio::test]
async fn over_http_the_cookie_has_a_name_that_browsers_take() {
    let stack = TestStack::start(&[("CORS_ALLOWED_ORIGINS", OTHER_PAGE)]).await;
    let client = stack.client();
    let preflight = client
        .request("OPTIONS", "/refresh")
        .header("origin", OTHER_PAGE)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,idempotency-key");
    let preflight = client.send(preflight).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), OTHER_PAGE);
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    assert!(preflight.header("access-control-allow-headers").contains("idempotency-key"));

    let ask = async |path: &str, body: Value, cookie: &str| {
        let cookie = Some(cookie).filter(|cookie| !cookie.is_empty());
        let answer = client.post_from(OTHER_PAGE, path, &body, cookie).await;
        assert_eq!(answer.header("access-control-allow-origin"), OTHER_PAGE, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-expose-headers"), "retry-after");
        let varies = answer.headers.get_all("vary").iter().collect::<Vec<_>>();
        assert_eq!(varies, ["origin"]);
        answer
    };
    let body = json!({"email": client.email, "password": client.password, "cookie": true});
    let mut cookie = String::new();
    for (path, body) in [("/signin", body), ("/refresh", json!({})), ("/refresh", json!({}))] {
        let answer = ask(path, body, &cookie).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json().get("refresh_token"), None);
        let (pair, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
        assert!(pair.starts_with("local-relatch_refresh=ey"), "{pair}");
        let left = &answer.json()["refresh_expires_in"];
        assert_eq!(attributes, format!("Path=/; Max-Age={left}; HttpOnly; SameSite=Strict"));
        pair.clone_into(&mut cookie);
    }
    let answer = ask("/signout", json!({}), &cookie).await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("set-cookie"),
        "local-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
    );
    ask("/refresh", json!({}), &cookie).await.expect_error(400, "invalid_grant");
}
