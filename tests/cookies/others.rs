//! Who has no cookie: pages that are not on the list, apps, standard clients.

use relatch_tests::claims;
use serde_json::{Value, json};

use crate::site::{NAME, OTHER_PAGE, PAGE, PAYLOADS, Payload, Site, post};

/// What a client in body mode is answered never sets a cookie, and never takes one away,
/// whatever cookies come with its request.
#[tokio::test]
async fn a_client_in_body_mode_never_meets_a_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (cookie, _) = site.sign_in().await;
        let client = site.stack.client();
        let (email, password) = (client.email.as_str(), client.password.as_str());
        let ask = async |path: &'static str, body: Value, token: &str| {
            let answers = [
                site.ask(&post(path, &body).with_cookie(NAME, token)).await,
                site.ask(&post(path, &body).with_cookie(NAME, token).with_cookie(NAME, "x")).await,
                site.ask(&post(path, &body).without_header("origin")).await,
            ];
            for answer in &answers {
                assert_eq!(answer.set_cookie, [""; 0], "{answer:?}");
                assert_eq!(answer.status, answers[0].status, "{answer:?}");
            }
            let [answer, ..] = answers;
            answer
        };
        let signed_in = ask("/signin", json!({"email": email, "password": password}), &cookie).await;
        let token = signed_in.body["refresh_token"].as_str().unwrap().to_owned();
        let explicit = json!({"email": email, "password": password, "cookie": false});
        assert!(ask("/signin", explicit, &cookie).await.body["refresh_token"].is_string());
        ask("/signin", json!({"email": email, "password": "wrong"}), &cookie)
            .await
            .expect_error(401, "invalid_credentials");
        let refreshed = ask("/refresh", json!({"refresh_token": token}), &cookie).await;
        assert_eq!(claims(refreshed.body["refresh_token"].as_str().unwrap())["gen"], 1);
        for dead in ["", "x", "a.b.c"] {
            ask("/refresh", json!({"refresh_token": dead}), &cookie).await.expect_error(400, "invalid_grant");
            assert_eq!(ask("/signout", json!({"refresh_token": dead}), &cookie).await.status, 204);
        }
        ask("/refresh", json!({"refresh_token": null}), &cookie).await.expect_error(400, "invalid_request");
        assert_eq!(ask("/signout", json!({"refresh_token": token}), &cookie).await.status, 204);
        ask("/refresh", json!({"refresh_token": token}), &cookie).await.expect_error(400, "invalid_grant");
        assert!(site.is_good(&cookie).await, "the session of the cookie is another one");
    }
}

/// The origins of the list, to the letter; anything else reaches neither database nor session.
#[tokio::test]
async fn only_pages_of_the_allowed_origins_use_the_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (token, _) = site.sign_in().await;
        site.database.calls();
        let requests = [
            site.signing_in(),
            post("/refresh", &json!({})).with_cookie(NAME, &token),
            post("/signout", &json!({})).with_cookie(NAME, &token),
            post("/signout", &json!({"everywhere": true})).with_cookie(NAME, &token),
        ];
        for sent in &requests {
            for origin in [
                "https://app.example.com.evil.example",
                "https://evil-app.example.com",
                "https://evil.app.example.com",
                "https://example.com",
                "https://app.example.com:444",
                "https://app.example.com:443",
                "https://app.example.com/",
                "https://APP.EXAMPLE.COM",
                "https://app.example.com, https://app.example.com",
                "https://app.example.com,http://localhost:5173",
                "http://app.example.com",
                "http://localhost:5174",
                "http://localhost",
                "http://127.0.0.1:5173",
                "null",
                "*",
                "",
            ] {
                let answer = site.ask(&sent.clone().with_header("origin", origin)).await;
                answer.expect_error(400, "invalid_request");
            }
            let nowhere = sent.clone().without_header("origin");
            site.ask(&nowhere).await.expect_error(400, "invalid_request");
            for claim in ["same-origin", "same-site", "none"] {
                site.ask(&nowhere.clone().with_header("sec-fetch-site", claim))
                    .await
                    .expect_error(400, "invalid_request");
            }
            site.ask(&nowhere.clone().with_header("referer", PAGE)).await.expect_error(400, "invalid_request");
            // From another site a browser would not keep the cookie that it is given.
            let elsewhere = sent.clone().with_header("sec-fetch-site", "cross-site");
            site.ask(&elsewhere).await.expect_error(400, "invalid_request");
        }
        assert_eq!(site.database.calls(), [""; 0]);
        assert_eq!(site.stack.counted("PAIR").await.iter().sum::<u32>(), 0, "no attempt was counted");
        let refused: Vec<_> =
            site.stack.events().into_iter().filter(|event| event["event"] == "input_refused").collect();
        assert!(refused.len() >= 88, "{}", refused.len());
        assert!(refused.iter().all(|event| event["why"] == "foreign_page"), "{refused:?}");

        for origin in [PAGE, OTHER_PAGE] {
            for site_of in ["same-site", "same-origin"] {
                let sent =
                    requests[1].clone().with_header("origin", origin).with_header("sec-fetch-site", site_of);
                assert_eq!(claims(&site.ask(&sent).await.token())["gen"], 1);
            }
        }
    }
}

#[tokio::test]
async fn without_allowed_origins_there_is_no_cookie_mode() {
    let site = Site::start(Payload::HttpApi, &[("CORS_ALLOWED_ORIGINS", "")]).await;
    site.ask(&site.signing_in()).await.expect_error(400, "invalid_request");
    let token = site.stack.client().sign_in().await.refresh_token();
    for path in ["/refresh", "/signout"] {
        for origin in [PAGE, "", "null"] {
            let sent = post(path, &json!({})).with_cookie(NAME, &token).with_header("origin", origin);
            site.ask(&sent).await.expect_error(400, "invalid_request");
        }
    }
    assert!(site.is_good(&token).await);
}

/// One of two cookies of a name is a stranger's, and nothing says which.
#[tokio::test]
async fn two_cookies_are_no_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (mine, theirs) = (site.sign_in().await.0, site.sign_in().await.0);
        for path in ["/refresh", "/signout"] {
            for (one, other) in [(&mine, &theirs), (&theirs, &mine), (&mine, &mine), (&mine, &String::new())] {
                let sent = post(path, &json!({})).with_cookie(NAME, one).with_cookie(NAME, other);
                site.ask(&sent).await.expect_error(400, "invalid_request");
            }
        }
        // A name in another case, or one that looks alike, is another cookie.
        let mut tossed = post("/refresh", &json!({}));
        tossed.cookies =
            ["__host-relatch_refresh", "relatch_refresh", "__Secure-relatch_refresh", "local-relatch_refresh"]
                .map(|name| format!("{name}={theirs}"))
                .to_vec();
        site.ask(&tossed).await.expect_error(400, "invalid_grant");
        let answer = site.ask(&tossed.with_cookie(NAME, &mine)).await;
        assert_eq!(claims(&answer.token())["secret"], claims(&mine)["secret"]);
        assert!(site.is_good(&theirs).await);
    }
}

/// The member decides: the cookie that a browser sends along is not looked at.
#[tokio::test]
async fn a_token_in_the_body_goes_before_the_cookie() {
    let site = Site::start(Payload::HttpApi, &[]).await;
    let client = site.stack.client();
    let (in_cookie, in_body) = (site.sign_in().await.0, client.sign_in().await.refresh_token());
    let body = json!({"refresh_token": in_body});
    let answer = site.ask(&post("/refresh", &body).with_cookie(NAME, &in_cookie)).await;
    assert_eq!(answer.set_cookie, [""; 0]);
    let next = answer.body["refresh_token"].as_str().unwrap();
    assert_eq!(claims(next)["secret"], claims(&in_body)["secret"]);
    let answer = site.ask(&post("/signout", &body).with_cookie(NAME, &in_cookie)).await;
    assert_eq!((answer.status, answer.set_cookie.len()), (204, 0));
    assert!(!site.is_good(&in_body).await);
    assert_eq!(claims(&site.refresh(&in_cookie).await.token())["gen"], 1, "it was not used up");
}

#[tokio::test]
async fn the_routes_of_standard_clients_read_no_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (cookie, _) = site.sign_in().await;
        let own = site.stack.client().sign_in().await.refresh_token();
        let form = |path: &'static str, body: String| {
            let sent = post(path, &Value::Null).with_body(body);
            sent.with_header("content-type", "application/x-www-form-urlencoded").with_cookie(NAME, &cookie)
        };
        for (path, body) in [("/token", "grant_type=refresh_token"), ("/revoke", "token_type_hint=refresh_token")]
        {
            site.ask(&form(path, body.to_owned())).await.expect_error(400, "invalid_request");
            site.ask(&post(path, &json!({})).with_cookie(NAME, &cookie))
                .await
                .expect_error(415, "unsupported_media_type");
        }
        let asking_for_one = format!("grant_type=refresh_token&refresh_token={own}&cookie=true");
        let answer = site.ask(&form("/token", asking_for_one)).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 0));
        assert!(answer.body["refresh_token"].is_string());
        let dead = site.ask(&form("/token", "grant_type=refresh_token&refresh_token=x".to_owned())).await;
        dead.expect_error(400, "invalid_grant");
        let answer = site.ask(&form("/revoke", format!("token={own}"))).await;
        assert_eq!((answer.status, answer.set_cookie.len()), (200, 0));
        assert!(!site.is_good(&own).await && site.is_good(&cookie).await);
    }
}
