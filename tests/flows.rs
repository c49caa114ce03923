//! The flows that hold for any deployment with the default retry window.
//!
//! `RELATCH_URL=… RELATCH_EMAIL=… RELATCH_PASSWORD=… cargo test -p relatch-tests --test flows`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use futures_util::future::join_all;
use relatch_tests::{Response, claim, claims, deployment, header};
use serde_json::json;

#[tokio::test]
async fn sign_in_call_refresh_and_call_again() {
    let client = deployment();
    let first = client.sign_in().await;
    assert_eq!(client.user_info(&first.access_token()).await.status, 200);
    let second = client.refresh(&first.refresh_token()).await;
    assert_ne!(second.refresh_token(), first.refresh_token());
    assert_ne!(second.access_token(), first.access_token());
    let user = client.user_info(&second.access_token()).await;
    assert_eq!(user.status, 200);
    assert_eq!(user.json()["email"], client.email.to_lowercase().as_str());
    assert_eq!(user.json()["sub"], claims(&first.access_token())["sub"]);
}

#[tokio::test]
async fn a_token_response_has_exactly_these_members() {
    let client = deployment();
    let response = client.sign_in().await;
    let body = response.json();
    let mut fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    fields.retain(|field| *field != "scope");
    fields.sort_unstable();
    assert_eq!(fields, ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type"]);
    assert_eq!(body["token_type"], "Bearer");
    let access = claims(&response.access_token());
    let life = access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap();
    assert_eq!(body["expires_in"], life);
    assert_eq!(response.header("cache-control"), "no-store");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(response.header("strict-transport-security"), "max-age=63072000");
    assert!(response.header("content-type").starts_with("application/json"));
}

#[tokio::test]
async fn the_tokens_say_who_when_and_for_whom() {
    let client = deployment();
    let response = client.sign_in().await;
    let configuration = client.get("/.well-known/openid-configuration").await.json();
    let (access, refresh) = (claims(&response.access_token()), claims(&response.refresh_token()));
    let issuer = configuration["issuer"].as_str().unwrap();
    assert_eq!(access["iss"], issuer);
    assert_eq!(refresh["iss"], issuer);
    assert_eq!(refresh["aud"], format!("{issuer}/refresh"));
    assert_ne!(access["aud"], refresh["aud"]);
    assert_eq!(access["sub"], refresh["sub"]);
    assert_ne!(access["sub"], client.email.as_str());
    assert_eq!(access["user_email"], client.email.to_lowercase().as_str());
    assert_eq!(refresh["gen"], 0);
    for name in ["jti", "client_id", "sid", "auth_time"] {
        assert!(!access[name].is_null(), "{name}");
    }
    let text = format!("{access}");
    assert!(
        !text.contains(refresh["secret"].as_str().unwrap()),
        "the session's secret is in the refresh token only"
    );
}

#[tokio::test]
async fn access_tokens_do_not_all_live_equally_long() {
    let client = deployment();
    let mut token = client.sign_in().await;
    let mut lives = BTreeSet::new();
    for _ in 0..20 {
        token = client.refresh(&token.refresh_token()).await;
        lives.insert(token.json()["expires_in"].as_i64().unwrap());
    }
    assert!(lives.len() > 1, "{lives:?}");
}

#[tokio::test]
async fn repeating_a_refresh_gives_the_same_refresh_token() {
    let client = deployment();
    let first = client.sign_in().await.refresh_token();
    let second = client.refresh(&first).await.refresh_token();
    for _ in 0..3 {
        let again = client.refresh(&first).await;
        assert_eq!(again.refresh_token(), second);
        assert_eq!(client.user_info(&again.access_token()).await.status, 200);
    }
    assert_eq!(client.refresh(&second).await.refresh_token(), second, "the window is still open");
}

#[tokio::test]
async fn fifty_refreshes_at_once_have_one_successor() {
    let client = deployment();
    let token = client.sign_in().await.refresh_token();
    let responses = join_all((0..50).map(|_| client.refresh(&token))).await;
    let successors: BTreeSet<String> = responses.iter().map(Response::refresh_token).collect();
    assert_eq!(responses.len(), 50);
    assert_eq!(successors.len(), 1);
    assert_eq!(client.refresh(successors.first().unwrap()).await.status, 200);
}

#[tokio::test]
async fn each_sign_in_is_a_session_of_its_own() {
    let client = deployment();
    let (first, second) = (client.sign_in().await, client.sign_in().await);
    assert_ne!(claims(&first.access_token())["sid"], claims(&second.access_token())["sid"]);
    assert_eq!(client.refresh(&first.refresh_token()).await.status, 200);
    assert_eq!(client.refresh(&second.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn the_email_is_read_without_case_and_spaces_and_other_members_are_ignored() {
    let client = deployment();
    let email = format!(" {} ", client.email.to_uppercase());
    let body = json!({"email": email, "password": client.password, "user_id": 7, "role": "admin"});
    assert_eq!(client.post("/signin", &body).await.status, 200);
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_have_one_answer() {
    let client = deployment();
    let wrong = client.sign_in_with(&client.email, "not the password").await;
    let unknown = client.sign_in_with("nobody@example.com", &client.password).await;
    let cased = client.sign_in_with(&client.email, &client.password.to_uppercase()).await;
    assert_eq!(client.sign_in().await.status, 200, "which forgives what was counted");
    let spaced = client.sign_in_with(&client.email, &format!("{} ", client.password)).await;
    let long = client.sign_in_with(&client.email, &"x".repeat(1024)).await;
    let empty = client.sign_in_with(&client.email, "").await;
    assert_eq!(client.sign_in().await.status, 200);
    for response in [&wrong, &unknown, &cased, &spaced, &long, &empty] {
        response.expect_error(401, "invalid_credentials");
        assert_eq!(response.text, wrong.text);
        let names =
            |response: &Response| response.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(names(response), names(&wrong));
        assert!(!response.header("www-authenticate").is_empty());
    }
}

#[tokio::test]
async fn an_idempotency_key_of_the_wrong_form_is_refused() {
    let client = deployment();
    let token = client.sign_in().await.refresh_token();
    for key in
        ["", "short", &"x".repeat(65), "has spaces in between it", "aaaaaaaaaaaaaaaaaaaaaa,bbbbbbbbbbbbbbbbbbbbbb"]
    {
        client.refresh_with_key(&token, key).await.expect_error(400, "invalid_request");
    }
    assert_eq!(client.refresh_with_key(&token, &"k".repeat(22)).await.status, 200);
}

#[tokio::test]
async fn the_guarded_route_asks_for_a_token() {
    let client = deployment();
    let without = client.get("/userinfo").await;
    without.expect_error(401, "invalid_token");
    assert!(without.header("www-authenticate").starts_with("Bearer"));
    assert!(!without.header("www-authenticate").contains("error="));
    let garbage = client.user_info("garbage").await;
    garbage.expect_error(401, "invalid_token");
    assert_eq!(garbage.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn neither_token_is_good_for_the_others_route() {
    let client = deployment();
    let response = client.sign_in().await;
    client.user_info(&response.refresh_token()).await.expect_error(401, "invalid_token");
    client.refresh(&response.access_token()).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_refresh_route_never_answers_401() {
    let client = deployment();
    for token in ["", "x", "a.b.c"] {
        client.refresh(token).await.expect_error(400, "invalid_grant");
    }
    client.refresh(&"x".repeat(4097)).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn after_a_sign_out_no_refresh_succeeds() {
    let client = deployment();
    let (one, two) = (client.sign_in().await.refresh_token(), client.sign_in().await.refresh_token());
    let next = client.refresh(&one).await.refresh_token();
    assert_eq!(client.sign_out(&one, false).await.status, 204);
    for token in [&one, &next] {
        client.refresh(token).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(client.refresh(&two).await.status, 200);
    assert_eq!(client.revoke(&two).await.status, 200);
    client.refresh(&two).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in_and_ends_it() {
    let client = deployment();
    let (lost, mine) = (client.sign_in().await, client.sign_in().await);
    let token = mine.access_token();
    let sid = claim(&lost.access_token(), "sid");
    let listed = client.sessions("GET", "", &token).await;
    assert!(listed.text.contains(&sid), "{listed:?}");
    assert_eq!(client.sessions("DELETE", &format!("/{sid}"), &token).await.status, 204);
    client.refresh(&lost.refresh_token()).await.expect_error(400, "invalid_grant");
    client.sessions("GET", "", &lost.access_token()).await.expect_error(401, "invalid_token");
    assert_eq!(client.refresh(&mine.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn tokens_are_not_read_from_the_query() {
    let client = deployment();
    let token = client.sign_in().await;
    let path = format!("/userinfo?access_token={}", token.access_token());
    client.get(&path).await.expect_error(401, "invalid_token");
    let refresh = token.refresh_token();
    for path in ["/refresh", "/signout"] {
        let response = client.post(&format!("{path}?refresh_token={refresh}"), &json!({})).await;
        response.expect_error(400, "invalid_request");
    }
    let path = format!("/token?grant_type=refresh_token&refresh_token={refresh}");
    client.post_form(&path, &[("grant_type", "refresh_token")]).await.expect_error(400, "invalid_request");
    client.post_form(&format!("/revoke?token={refresh}"), &[]).await.expect_error(400, "invalid_request");
    let path = format!("/signin?email={}&password=x", client.email);
    client.post(&path, &json!({})).await.expect_error(400, "invalid_request");
    assert_eq!(client.refresh(&refresh).await.status, 200, "and none was used up");
}

#[tokio::test]
async fn a_cookie_is_no_token() {
    let client = deployment();
    let token = client.sign_in().await;
    let (access, refresh) = (token.access_token(), token.refresh_token());
    let cookies = format!("access_token={access}; refresh_token={refresh}; token={refresh}");
    let send = async |method: &str, path: &str, body: &str, kind: &str| {
        let request = client.request(method, path).header("cookie", &cookies).header("content-type", kind);
        client.send(request.body(body.to_owned())).await
    };
    let form = "application/x-www-form-urlencoded";
    send("POST", "/token", "grant_type=refresh_token", form).await.expect_error(400, "invalid_request");
    send("POST", "/revoke", "token_type_hint=refresh_token", form).await.expect_error(400, "invalid_request");
    for path in ["/refresh", "/signout"] {
        send("POST", path, "{}", "application/json").await.expect_error(400, "invalid_request");
    }
    send("GET", "/userinfo", "", "text/plain").await.expect_error(401, "invalid_token");
    assert_eq!(client.refresh(&refresh).await.json()["token_type"], "Bearer", "nothing was used up");
}

#[tokio::test]
async fn the_key_set_is_public_and_verifies_the_access_token() {
    let client = deployment();
    let keys = client.get("/.well-known/jwks.json").await;
    assert_eq!(keys.status, 200);
    assert!(keys.header("cache-control").contains("max-age="));
    let header = header(&client.sign_in().await.access_token());
    assert_eq!(header["typ"], "at+jwt");
    let keys = keys.json();
    let keys = keys["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("the key that signed");
    assert_eq!(key["alg"], header["alg"]);
    assert_eq!(key["use"], "sig");
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[tokio::test]
async fn the_metadata_points_to_what_is_there() {
    let client = deployment();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = client.get(path).await;
        assert_eq!(document.status, 200);
        let document = document.json();
        let issuer = document["issuer"].as_str().unwrap();
        assert_eq!(document["jwks_uri"], format!("{issuer}/.well-known/jwks.json"));
        assert_eq!(document["response_types_supported"], json!([]));
        assert_eq!(document["revocation_endpoint"], format!("{issuer}/revoke"));
        assert_eq!(document["token_endpoint"], format!("{issuer}/token"));
        assert_eq!(document["grant_types_supported"], json!(["refresh_token"]));
    }
}

#[tokio::test]
async fn what_is_not_declared_is_not_found() {
    let client = deployment();
    for (method, path) in [
        ("POST", "/"),
        ("GET", "/signin"),
        ("PUT", "/refresh"),
        ("POST", "/signin/"),
        ("DELETE", "/userinfo"),
        ("GET", "/admin"),
    ] {
        let response = client.send(client.request(method, path)).await;
        assert!(matches!(response.status, 404 | 405), "{method} {path}: {response:?}");
    }
}

/// The form of RFC 6749 §6 is another way to the same chain.
#[tokio::test]
async fn the_token_endpoint_is_a_refresh() {
    let client = deployment();
    let first = client.sign_in().await.refresh_token();
    let second = client.refresh_by_form(&[("refresh_token", &first)]).await;
    assert_eq!((second.status, second.field("token_type").as_str()), (200, "Bearer"));
    assert_eq!(second.header("cache-control"), "no-store");
    let second = second.refresh_token();
    assert_ne!(first, second);
    assert_eq!(client.refresh(&first).await.refresh_token(), second, "a repeat, by the other route");
    assert_eq!(client.refresh_by_form(&[("refresh_token", &first)]).await.refresh_token(), second);
    assert_eq!(client.refresh_by_form(&[("refresh_token", &second)]).await.refresh_token(), second);
    client.revoke(&second).await;
    client.refresh_by_form(&[("refresh_token", &second)]).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_token_endpoint_has_one_grant_one_client_and_one_scope() {
    let client = deployment();
    let token = client.sign_in().await.refresh_token();
    let refresh_with =
        async |name: &str, value: &str| client.refresh_by_form(&[("refresh_token", &token), (name, value)]).await;
    client.post_form("/token", &[("refresh_token", &token)]).await.expect_error(400, "invalid_request");
    client
        .post_form("/token", &[("grant_type", ""), ("refresh_token", &token)])
        .await
        .expect_error(400, "invalid_request");
    for grant in ["password", "authorization_code", "client_credentials", "REFRESH_TOKEN"] {
        let response = client.post_form("/token", &[("grant_type", grant), ("refresh_token", &token)]).await;
        response.expect_error(400, "unsupported_grant_type");
    }
    refresh_with("client_id", "somebody else").await.expect_error(400, "invalid_client");
    refresh_with("scope", "everything").await.expect_error(400, "invalid_scope");
    let id = claim(&client.sign_in().await.access_token(), "client_id");
    for (name, value) in [("client_id", id.as_str()), ("client_id", ""), ("scope", ""), ("resource", "")] {
        assert_eq!(refresh_with(name, value).await.status, 200, "{name}={value}: no value is left out");
    }
    client
        .post("/token", &json!({"grant_type": "refresh_token"}))
        .await
        .expect_error(415, "unsupported_media_type");
}
