//! Cookie mode: a web page whose refresh token is in a cookie, in both payloads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod others;
mod site;

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use relatch_tests::{Fault, Gateway, ItemKey, TestStack, claims, generation};
use serde_json::{Value, json};

use crate::site::{NAME, OTHER_PAGE, PageResponse as _, Site, post};

const KEY: &str = "a-key-of-the-page-with-its-length";

/// The retry window.
const W: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_page_lives_on_its_cookie() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (first, access) = site.sign_in().await;
        assert_eq!(generation(&first), 0);
        assert_eq!(site.stack.client().user_info(&access).await.status, 200);
        let second = site.refresh(&first).await.cookie_token();
        assert_eq!(generation(&second), 1);
        site.stack.clock.advance(W);
        let third = site.refresh(&second).await.cookie_token();
        site.sign_out(&third, false).await.expect_signed_out();
        site.refresh(&third).await.expect_over();
        // A page whose browser has none any more: final as well, and nothing to forget.
        site.send(&post("/refresh", &json!({}))).await.expect_refusal(400, "invalid_grant");
        site.send(&post("/signout", &json!({}))).await.expect_signed_out();
        site.sign_in().await;
    }
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_its_token() {
    let site = Site::start(Gateway::HttpApi, &[("REFRESH_TOKEN_TTL", "2000"), ("SESSION_MAX_AGE", "3000")]).await;
    let mut token = site.sign_in().await.0;
    // Idle for two thousand seconds at most, and three thousand in all.
    for (pause, left) in [(500, 2000), (900, 1600), (1000, 600)] {
        site.stack.clock.advance(Duration::from_secs(pause));
        let response = site.refresh(&token).await;
        assert_eq!(response.json()["refresh_expires_in"], left);
        token = response.cookie_token();
        assert_eq!(claims(&token)["exp"], site.stack.clock.now().seconds() + left);
    }
}

/// A token is the same in both places, so that a page can go from one mode to the other.
#[tokio::test]
async fn both_modes_are_one_chain() {
    let site = Site::start(Gateway::HttpApi, &[]).await;
    let client = site.stack.client();
    let (first, _) = site.sign_in().await;
    let second = client.refresh(&first).await.refresh_token();
    assert_eq!(site.refresh(&first).await.cookie_token(), second);
    assert_eq!(site.refresh(&second).await.cookie_token(), second);
    let other = client.sign_in().await.refresh_token();
    assert_eq!(client.refresh(&other).await.refresh_token(), site.refresh(&other).await.cookie_token());
    site.sign_out(&other, false).await.expect_signed_out();
    client.refresh(&other).await.expect_error(400, "invalid_grant");
}

/// Only a final answer takes the cookie away: not one of these.
#[tokio::test]
async fn what_is_not_final_leaves_the_cookie() {
    const BROKEN: Fault = Fault::Error("InternalServerError", 500);
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (token, access) = site.sign_in().await;
        let refresh = post("/refresh", &json!({})).with_cookie(NAME, &token);
        let sign_out = post("/signout", &json!({})).with_cookie(NAME, &token);

        for request in [&site.sign_in_request(), &refresh, &sign_out] {
            let too_long = request.clone().with_body(format!("{{\"x\":\"{}\"}}", "x".repeat(8192)));
            site.send(&too_long).await.expect_refusal(413, "payload_too_large");
            for body in ["", "null", "[]", "{", "{\"x\":1,\"x\":2}"] {
                let malformed = request.clone().with_body(body);
                site.send(&malformed).await.expect_refusal(400, "invalid_request");
            }
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
                let response = site.send(&request.clone().with_header("content-type", kind)).await;
                response.expect_refusal(415, "unsupported_media_type");
            }
            let evil = request.clone().with_header("origin", "https://evil.example");
            site.send(&evil).await.expect_refusal(400, "invalid_request");
        }
        for request in [&refresh, &sign_out] {
            site.send(&request.clone().with_header("idempotency-key", "short"))
                .await
                .expect_refusal(400, "invalid_request");
            site.send(&request.clone().with_cookie(NAME, "x")).await.expect_refusal(400, "invalid_request");
            site.database.fail("UpdateItem", BROKEN, 3);
            let response = site.send(request).await;
            response.expect_refusal(503, "temporarily_unavailable");
            assert_eq!(response.header("retry-after"), "2");
        }
        let wrong = sign_out.clone().with_body("{\"everywhere\":1}");
        site.send(&wrong).await.expect_refusal(400, "invalid_request");

        let session = ItemKey::session_of(&access);
        let stored = site.stack.item(&session).await.unwrap()["gen"].clone();
        site.stack.set(&session, "gen", AttributeValue::S("broken".to_owned())).await;
        site.send(&refresh).await.expect_refusal(500, "server_error");
        site.stack.set(&session, "gen", stored).await;

        site.database.fail("PutItem", BROKEN, 3);
        site.send(&site.sign_in_request()).await.expect_refusal(503, "temporarily_unavailable");
        let wrong =
            site.sign_in_request().body.unwrap().replace(&site.stack.client().password, "a wrong password");
        let wrong = site.sign_in_request().with_body(wrong);
        for _ in 0..5 {
            site.send(&wrong).await.expect_refusal(401, "invalid_credentials");
        }
        let response = site.send(&wrong).await;
        response.expect_refusal(429, "too_many_attempts");
        assert!(response.header("retry-after").parse::<u32>().unwrap() >= 1);

        // After all of it the page goes on as if nothing had been.
        assert_eq!(generation(&site.refresh(&token).await.cookie_token()), 1);
    }
}

/// A page cannot mend its cookie: one that is no token of ours is over.
#[tokio::test]
async fn a_cookie_that_is_no_token_is_over() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
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
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (first, _) = site.sign_in().await;
        let second = site.refresh(&first).await.cookie_token();
        site.stack.clock.advance(W - Duration::from_secs(1));
        assert_eq!(site.refresh(&first).await.cookie_token(), second, "within the window");

        // With the token's key, hours later.
        site.stack.clock.advance(Duration::from_secs(1));
        let with_key = |token: &str| {
            post("/refresh", &json!({})).with_cookie(NAME, token).with_header("idempotency-key", KEY)
        };
        let third = site.send(&with_key(&second)).await.cookie_token();
        site.stack.clock.advance(Duration::from_hours(2));
        let again = site.send(&with_key(&second)).await;
        assert_eq!(again.cookie_token(), third);
        assert_eq!(generation(&third), 2);
        // The key alone is worth nothing, nor is the token without it.
        let key_alone = post("/refresh", &json!({})).with_header("idempotency-key", KEY);
        site.send(&key_alone).await.expect_refusal(400, "invalid_grant");
        site.refresh(&second).await.expect_over();
        site.refresh(&third).await.expect_over();
    }
}

/// A cookie that was copied from the browser is caught as any stolen token is.
#[tokio::test]
async fn a_stolen_cookie_is_caught() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (stolen, access) = site.sign_in().await;
        let next = site.refresh(&stolen).await.cookie_token();
        site.stack.clock.advance(W);
        // As long as the end of the session is not written, nobody is told of it.
        site.database.fail_after(1, "UpdateItem", Fault::Error("InternalServerError", 500), 3);
        site.refresh(&stolen).await.expect_refusal(503, "temporarily_unavailable");
        site.refresh(&stolen).await.expect_over();
        let session = site.stack.item(&ItemKey::session_of(&access)).await.unwrap();
        assert_eq!(session["ended_by"], AttributeValue::S("reuse".to_owned()));
        site.refresh(&next).await.expect_over();
        site.sign_in().await;
    }
}

#[tokio::test]
async fn a_cookie_signs_out_everywhere() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let elsewhere = site.stack.client().sign_in().await.refresh_token();
        let (first, _) = site.sign_in().await;
        let second = site.refresh(&first).await.cookie_token();
        site.stack.clock.advance(W);
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

    let send = async |path: &str, body: Value, cookie: &str| {
        let cookie = Some(cookie).filter(|cookie| !cookie.is_empty());
        let response = client.post_from(OTHER_PAGE, path, &body, cookie).await;
        assert_eq!(response.header("access-control-allow-origin"), OTHER_PAGE, "{response:?}");
        assert_eq!(response.header("access-control-allow-credentials"), "true");
        assert_eq!(response.header("access-control-expose-headers"), "retry-after");
        let vary = response.headers.get_all("vary").iter().collect::<Vec<_>>();
        assert_eq!(vary, ["origin"]);
        response
    };
    let body = json!({"email": client.email, "password": client.password, "cookie": true});
    let mut cookie = String::new();
    for (path, body) in [("/signin", body), ("/refresh", json!({})), ("/refresh", json!({}))] {
        let response = send(path, body, &cookie).await;
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json().get("refresh_token"), None);
        let (pair, attributes) = response.header("set-cookie").split_once("; ").unwrap();
        assert!(pair.starts_with("local-relatch_refresh=ey"), "{pair}");
        let left = &response.json()["refresh_expires_in"];
        assert_eq!(attributes, format!("Path=/; Max-Age={left}; HttpOnly; SameSite=Strict"));
        pair.clone_into(&mut cookie);
    }
    let response = send("/signout", json!({}), &cookie).await;
    assert_eq!(response.status, 204);
    assert_eq!(
        response.header("set-cookie"),
        "local-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
    );
    send("/refresh", json!({}), &cookie).await.expect_error(400, "invalid_grant");
}
