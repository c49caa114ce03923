//! Who has no cookie: pages that are not on the list, apps, standard clients.

use relatch_tests::{EventRequest, Gateway, claims, generation};
use serde_json::{Value, json};

use crate::site::{NAME, OTHER_PAGE, PAGE, PageResponse as _, Site, post};

/// What a client in body mode is answered never sets a cookie, and never takes one away,
/// whatever cookies come with its request.
#[tokio::test]
async fn a_client_in_body_mode_never_meets_a_cookie() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (cookie, _) = site.sign_in().await;
        let client = site.stack.client();
        let (email, password) = (client.email.as_str(), client.password.as_str());
        let send = async |path: &'static str, body: Value, token: &str| {
            let responses = [
                site.send(&post(path, &body).with_cookie(NAME, token)).await,
                site.send(&post(path, &body).with_cookie(NAME, token).with_cookie(NAME, "x")).await,
                site.send(&post(path, &body).without_header("origin")).await,
            ];
            for response in &responses {
                assert_eq!(response.cookies(), [""; 0], "{response:?}");
                assert_eq!(response.status, responses[0].status, "{response:?}");
            }
            let [response, ..] = responses;
            response
        };
        let signed_in = send("/signin", json!({"email": email, "password": password}), &cookie).await;
        let token = signed_in.refresh_token();
        let explicit = json!({"email": email, "password": password, "cookie": false});
        assert!(send("/signin", explicit, &cookie).await.json()["refresh_token"].is_string());
        send("/signin", json!({"email": email, "password": "wrong"}), &cookie)
            .await
            .expect_error(401, "invalid_credentials");
        let refreshed = send("/refresh", json!({"refresh_token": token}), &cookie).await;
        assert_eq!(generation(&refreshed.refresh_token()), 1);
        for dead in ["", "x", "a.b.c"] {
            send("/refresh", json!({"refresh_token": dead}), &cookie).await.expect_error(400, "invalid_grant");
            assert_eq!(send("/signout", json!({"refresh_token": dead}), &cookie).await.status, 204);
        }
        send("/refresh", json!({"refresh_token": null}), &cookie).await.expect_error(400, "invalid_request");
        assert_eq!(send("/signout", json!({"refresh_token": token}), &cookie).await.status, 204);
        send("/refresh", json!({"refresh_token": token}), &cookie).await.expect_error(400, "invalid_grant");
        assert!(site.is_good(&cookie).await, "the session of the cookie is another one");
    }
}

/// The origins of the list, to the letter; anything else reaches neither database nor session.
#[tokio::test]
async fn only_pages_of_the_allowed_origins_use_the_cookie() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (token, _) = site.sign_in().await;
        site.database.take_calls();
        let requests = [
            site.sign_in_request(),
            post("/refresh", &json!({})).with_cookie(NAME, &token),
            post("/signout", &json!({})).with_cookie(NAME, &token),
            post("/signout", &json!({"everywhere": true})).with_cookie(NAME, &token),
        ];
        for request in &requests {
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
                let response = site.send(&request.clone().with_header("origin", origin)).await;
                response.expect_refusal(400, "invalid_request");
            }
            let without_origin = request.clone().without_header("origin");
            site.send(&without_origin).await.expect_refusal(400, "invalid_request");
            for claim in ["same-origin", "same-site", "none"] {
                site.send(&without_origin.clone().with_header("sec-fetch-site", claim))
                    .await
                    .expect_refusal(400, "invalid_request");
            }
            site.send(&without_origin.clone().with_header("referer", PAGE))
                .await
                .expect_refusal(400, "invalid_request");
            // From another site a browser would not keep the cookie that it is given.
            let cross_site = request.clone().with_header("sec-fetch-site", "cross-site");
            site.send(&cross_site).await.expect_refusal(400, "invalid_request");
        }
        assert_eq!(site.database.take_calls(), [""; 0]);
        assert_eq!(site.stack.attempt_counts("PAIR").await.iter().sum::<u32>(), 0, "no attempt was counted");
        let lines = site.stack.lines_about("input_refused");
        assert!(lines.len() >= 88, "{}", lines.len());
        assert!(lines.iter().all(|line| line["reason"] == "origin_not_allowed"), "{lines:?}");

        for origin in [PAGE, OTHER_PAGE] {
            for fetch_site in ["same-site", "same-origin"] {
                let request =
                    requests[1].clone().with_header("origin", origin).with_header("sec-fetch-site", fetch_site);
                assert_eq!(generation(&site.send(&request).await.cookie_token()), 1);
            }
        }
    }
}

#[tokio::test]
async fn without_allowed_origins_there_is_no_cookie_mode() {
    let site = Site::start(Gateway::HttpApi, &[("CORS_ALLOWED_ORIGINS", "")]).await;
    site.send(&site.sign_in_request()).await.expect_refusal(400, "invalid_request");
    let token = site.stack.client().sign_in().await.refresh_token();
    for path in ["/refresh", "/signout"] {
        for origin in [PAGE, "", "null"] {
            let request = post(path, &json!({})).with_cookie(NAME, &token).with_header("origin", origin);
            site.send(&request).await.expect_refusal(400, "invalid_request");
        }
    }
    assert!(site.is_good(&token).await);
}

/// One of two cookies of a name is a stranger's, and nothing says which.
#[tokio::test]
async fn two_cookies_are_no_cookie() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (mine, theirs) = (site.sign_in().await.0, site.sign_in().await.0);
        for path in ["/refresh", "/signout"] {
            for (one, other) in [(&mine, &theirs), (&theirs, &mine), (&mine, &mine), (&mine, &String::new())] {
                let request = post(path, &json!({})).with_cookie(NAME, one).with_cookie(NAME, other);
                site.send(&request).await.expect_refusal(400, "invalid_request");
            }
        }
        // A name in another case, or one that looks alike, is another cookie.
        let names =
            ["__host-relatch_refresh", "relatch_refresh", "__Secure-relatch_refresh", "local-relatch_refresh"];
        let other_names =
            names.iter().fold(post("/refresh", &json!({})), |request, name| request.with_cookie(name, &theirs));
        site.send(&other_names).await.expect_refusal(400, "invalid_grant");
        let response = site.send(&other_names.with_cookie(NAME, &mine)).await;
        assert_eq!(claims(&response.cookie_token())["secret"], claims(&mine)["secret"]);
        assert!(site.is_good(&theirs).await);
    }
}

/// The member decides: the cookie that a browser sends along is not looked at.
#[tokio::test]
async fn a_token_in_the_body_goes_before_the_cookie() {
    let site = Site::start(Gateway::HttpApi, &[]).await;
    let client = site.stack.client();
    let (in_cookie, in_body) = (site.sign_in().await.0, client.sign_in().await.refresh_token());
    let body = json!({"refresh_token": in_body});
    let response = site.send(&post("/refresh", &body).with_cookie(NAME, &in_cookie)).await;
    assert_eq!(response.cookies(), [""; 0]);
    let next = response.refresh_token();
    assert_eq!(claims(&next)["secret"], claims(&in_body)["secret"]);
    let response = site.send(&post("/signout", &body).with_cookie(NAME, &in_cookie)).await;
    assert_eq!((response.status, response.cookies().len()), (204, 0));
    assert!(!site.is_good(&in_body).await);
    assert_eq!(generation(&site.refresh(&in_cookie).await.cookie_token()), 1, "it was not used up");
}

#[tokio::test]
async fn the_routes_of_standard_clients_read_no_cookie() {
    for gateway in Gateway::ALL {
        let site = Site::start(gateway, &[]).await;
        let (cookie, _) = site.sign_in().await;
        let own = site.stack.client().sign_in().await.refresh_token();
        let form = |path: &str, body: String| {
            EventRequest::post_form(path, body).with_header("origin", PAGE).with_cookie(NAME, &cookie)
        };
        for (path, body) in [("/token", "grant_type=refresh_token"), ("/revoke", "token_type_hint=refresh_token")]
        {
            site.send(&form(path, body.to_owned())).await.expect_refusal(400, "invalid_request");
            site.send(&post(path, &json!({})).with_cookie(NAME, &cookie))
                .await
                .expect_refusal(415, "unsupported_media_type");
        }
        let with_cookie_field = format!("grant_type=refresh_token&refresh_token={own}&cookie=true");
        let response = site.send(&form("/token", with_cookie_field)).await;
        assert_eq!((response.status, response.cookies().len()), (200, 0));
        assert!(response.json()["refresh_token"].is_string());
        let dead = site.send(&form("/token", "grant_type=refresh_token&refresh_token=x".to_owned())).await;
        dead.expect_refusal(400, "invalid_grant");
        let response = site.send(&form("/revoke", format!("token={own}"))).await;
        assert_eq!((response.status, response.cookies().len()), (200, 0));
        assert!(!site.is_good(&own).await && site.is_good(&cookie).await);
    }
}
