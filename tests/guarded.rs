//! The owner's own routes behind the authorizer, in both modes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use authorizer::{Authorizer, AuthorizerError};
use aws_sdk_dynamodb::types::AttributeValue;
use relatch::token::{AccessTokenVerifier, TokenError};
use relatch_tests::{Client, Fault, FaultyDatabase, ItemKey, TestStack};
use serde_json::{Value, json};

/// A stack whose `/userinfo` stands for a route of the owner's: the authorizer is in front.
async fn start_stack(mode: &str, settings: &[(&str, &str)]) -> TestStack {
    let settings = [settings, &[("AUTHORIZER_MODE", mode)]].concat();
    TestStack::start_with(&settings, |template| {
        let route = "      RouteKey: GET /userinfo\n";
        assert!(template.contains(route));
        let guarded = format!("{route}      AuthorizationType: CUSTOM\n      AuthorizerId: !Ref Authorizer\n");
        template.replace(route, &guarded)
    })
    .await
}

/// How often the authorizer was called.
fn count_authorizations(stack: &TestStack) -> usize {
    stack.log_lines().iter().filter(|line| line["function"] == "authorizer").count()
}

async fn expect_status(client: &Client, token: &str, status: u16, message: &str) {
    let response = client.user_info(token).await;
    assert_eq!((response.status, response.json()["message"].as_str().unwrap_or_default()), (status, message));
}

#[tokio::test]
async fn a_guarded_route_answers_401_after_expiry_and_200_after_a_refresh() {
    for mode in ["stateless", "checked"] {
        let it = start_stack(mode, &[("ACCESS_TOKEN_TTL", "300")]).await;
        let client = it.client();
        let first = client.sign_in().await;
        assert_eq!(client.user_info(&first.access_token()).await.status, 200, "{mode}");
        it.clock.advance(Duration::from_secs(300));
        expect_status(&client, &first.access_token(), 401, "Unauthorized").await;
        let next = client.refresh(&first.refresh_token()).await;
        assert_eq!(client.user_info(&next.access_token()).await.status, 200, "{mode}");
    }
}

#[tokio::test]
async fn a_sign_out_ends_access_at_once_in_checked_mode() {
    let it = start_stack("checked", &[]).await;
    let client = it.client();
    let session = client.sign_in().await;
    assert_eq!(client.user_info(&session.access_token()).await.status, 200);
    client.sign_out(&session.refresh_token(), false).await;
    expect_status(&client, &session.access_token(), 401, "Unauthorized").await;
    assert!(it.log_lines().iter().any(|line| line["function"] == "authorizer" && line["reason"] == "revoked"));

    let it = start_stack("stateless", &[]).await;
    let client = it.client();
    let session = client.sign_in().await;
    client.sign_out(&session.refresh_token(), false).await;
    assert_eq!(client.user_info(&session.access_token()).await.status, 200, "until it expires");
}

#[tokio::test]
async fn in_checked_mode_the_user_and_the_epoch_count() {
    let it = start_stack("checked", &[]).await;
    let client = it.client();
    for end in ["everywhere", "disabled", "gone"] {
        it.add_user(end, "the right password", 4).await;
        let session = client.sign_in_with(&format!("{end}@example.com"), "the right password").await;
        let token = session.access_token();
        assert_eq!(client.user_info(&token).await.status, 200);
        let user = ItemKey::user(end);
        match end {
            "everywhere" => drop(client.sign_out(&session.refresh_token(), true).await),
            "disabled" => it.set(&user, "status", attribute("disabled")).await,
            _ => it.delete(&user).await,
        }
        expect_status(&client, &token, 401, "Unauthorized").await;
    }
}

fn attribute(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test]
async fn a_good_token_without_the_scope_is_403() {
    for (scope, status) in [("read", 200), ("read write", 200), ("read admin", 403), ("admin", 403)] {
        let it = start_stack("stateless", &[("TOKEN_SCOPE", "read write"), ("AUTHORIZER_SCOPE", scope)]).await;
        let client = it.client();
        let token = client.sign_in().await.access_token();
        assert_eq!(client.user_info(&token).await.status, status, "{scope}");
        expect_status(&client, "x.y.z", 401, "Unauthorized").await;
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_asked() {
    let it = start_stack("stateless", &[]).await;
    let response = it.client().get("/userinfo").await;
    assert_eq!((response.status, response.json()), (401, json!({"message": "Unauthorized"})));
    assert_eq!(count_authorizations(&it), 0);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_minute_and_for_one_token() {
    let it = start_stack("stateless", &[]).await;
    it.add_user("bob", "the right password", 4).await;
    let client = it.client();
    let ada = client.sign_in().await.access_token();
    let bob = client.sign_in_with("bob@example.com", "the right password").await.access_token();
    for _ in 0..3 {
        assert_eq!(client.user_info(&ada).await.field("email"), "demo@example.com");
        assert_eq!(client.user_info(&bob).await.field("email"), "bob@example.com");
    }
    assert_eq!(count_authorizations(&it), 2);
    it.clock.advance(Duration::from_secs(60));
    client.user_info(&ada).await;
    assert_eq!(count_authorizations(&it), 3);

    let it = start_stack("checked", &[]).await;
    let client = it.client();
    let token = client.sign_in().await.access_token();
    for _ in 0..3 {
        client.user_info(&token).await;
    }
    assert_eq!(count_authorizations(&it), 3, "checked is asked each time");
}

/// In three lines, in a service of the owner's.
#[tokio::test]
async fn a_service_elsewhere_verifies_by_the_jwk_set_alone() {
    let it = TestStack::start(&[]).await;
    let client = it.client();
    let session = client.sign_in().await;
    let jwks = client.get("/.well-known/jwks.json").await.text;
    let issuer = client.get("/.well-known/openid-configuration").await.field("issuer");
    let verifier = AccessTokenVerifier::new(&issuer, "relatch-api", &jwks).unwrap();
    let verify = |token: &str| verifier.verify(token, it.clock.now()).map(|token| token.user_email.clone());
    assert_eq!(verify(&session.access_token()), Ok("demo@example.com".to_owned()));
    assert_eq!(verify(&session.refresh_token()), Err(TokenError::Type));
    it.clock.advance(Duration::from_secs(900));
    assert_eq!(verify(&session.access_token()), Err(TokenError::Expired));
    let other = AccessTokenVerifier::new(&issuer, "another-api", &jwks).unwrap();
    assert_eq!(other.verify(&session.access_token(), it.clock.now()).unwrap_err(), TokenError::Audience);
    for broken in ["", "{}", "[]", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"] {
        assert!(AccessTokenVerifier::new(&issuer, "relatch-api", broken).is_err(), "{broken}");
    }
}

/// The authorizer itself, as a REST API or anybody else asks it.
struct DirectAuthorizer {
    stack: TestStack,
    database: FaultyDatabase,
    authorizer: Authorizer,
    token: String,
}

const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/prod/GET/orders/7";

impl DirectAuthorizer {
    async fn start(mode: &str) -> Self {
        let stack = TestStack::start(&[]).await;
        let database = stack.faulty_database().await;
        let settings = [("AUTHORIZER_MODE", mode), database.setting()];
        let authorizer = stack.authorizer(&settings);
        let token = stack.client().sign_in().await.access_token();
        Self { stack, database, authorizer, token }
    }

    async fn authorize(&self, event: &Value) -> Result<Value, AuthorizerError> {
        self.authorizer.respond(&event.to_string()).await
    }

    fn rest_token_event(&self, token: &str) -> Value {
        json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": format!("Bearer {token}")})
    }

    fn rest_request_event(&self, token: &str) -> Value {
        json!({
            "version": "1.0", "type": "REQUEST", "methodArn": ARN, "httpMethod": "GET", "path": "/orders/7",
            "resource": "/orders/{id}", "headers": {"Authorization": format!("Bearer {token}")},
            "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "prod", "requestId": "id"},
        })
    }

    fn http_request_event(&self, header: &str) -> Value {
        json!({
            "version": "2.0", "type": "REQUEST", "routeKey": "GET /orders", "rawPath": "/orders",
            "routeArn": "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/$default/GET/orders",
            "identitySource": [header, "GET /orders"], "headers": {"authorization": header},
            "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}, "stage": "$default", "requestId": "id"},
        })
    }
}

#[tokio::test]
async fn a_rest_api_gets_a_policy_for_its_stage() {
    let it = DirectAuthorizer::start("checked").await;
    for event in [it.rest_token_event(&it.token), it.rest_request_event(&it.token)] {
        let response = it.authorize(&event).await.unwrap();
        let statement = &response["policyDocument"]["Statement"][0];
        let resource = "arn:aws:execute-api:eu-central-1:123456789012:abcdefghij/prod/*";
        assert_eq!((&statement["Effect"], &statement["Resource"]), (&json!("Allow"), &json!(resource)));
        assert_eq!(statement["Action"], "execute-api:Invoke");
        assert_eq!(response["principalId"], response["context"]["sub"]);
        for name in ["sub", "sid", "scope", "user_email"] {
            assert!(response["context"][name].is_string(), "{name}");
        }
    }
    let response = it.authorize(&it.http_request_event(&format!("Bearer {}", it.token))).await.unwrap();
    assert_eq!(
        (&response["isAuthorized"], &response["context"]["user_email"]),
        (&json!(true), &json!("demo@example.com"))
    );
}

#[tokio::test]
async fn the_error_is_unauthorized_to_the_letter() {
    let it = DirectAuthorizer::start("stateless").await;
    let long = "x".repeat(10_000);
    let dots = ".".repeat(10_000);
    let refresh = it.stack.client().sign_in().await.refresh_token();
    for token in
        ["", " ", "x", "x.y.z", "a b", "a,b", "\0", "🐴.🐴.🐴", &long, &dots, &refresh, &it.token.to_uppercase()]
    {
        for event in [
            it.rest_token_event(token),
            it.rest_request_event(token),
            it.http_request_event(&format!("Bearer {token}")),
        ] {
            let error = it.authorize(&event).await.unwrap_err();
            assert_eq!(error.to_string(), "Unauthorized", "{token:.30}");
        }
    }
    for header in ["", "Basic eDp5", "Bearer", &it.token] {
        assert_eq!(it.authorize(&it.http_request_event(header)).await.unwrap_err().to_string(), "Unauthorized");
    }
    assert_eq!(it.database.take_calls(), [""; 0], "nothing of it reached the database");
}

#[tokio::test]
async fn what_is_no_question_is_an_error_and_no_panic() {
    let it = DirectAuthorizer::start("stateless").await;
    let mut other_type = it.rest_token_event(&it.token);
    other_type["type"] = json!("OTHER");
    let mut no_stage = it.rest_token_event(&it.token);
    no_stage["methodArn"] = json!("arn");
    for event in [
        json!(null),
        json!({}),
        json!([]),
        json!({"type": "REQUEST"}),
        json!({"type": "TOKEN"}),
        other_type,
        no_stage,
    ] {
        let error = it.authorize(&event).await.unwrap_err();
        assert!(matches!(error, AuthorizerError::Failed), "{event}");
    }
}

/// Trouble of ours is neither 401, on which clients refresh, nor 403.
#[tokio::test]
async fn a_database_that_is_out_of_reach_is_an_error_of_its_own() {
    let it = DirectAuthorizer::start("checked").await;
    for fault in [Fault::Error("InternalServerError", 500), Fault::Error("AccessDeniedException", 400)] {
        it.database.fail("GetItem", fault, 6);
        let error = it.authorize(&it.rest_token_event(&it.token)).await.unwrap_err();
        assert!(matches!(error, AuthorizerError::Failed) && error.to_string() != "Unauthorized");
        it.database.fail("GetItem", Fault::Silence, 0);
        assert!(it.authorize(&it.rest_token_event(&it.token)).await.is_ok());
    }
}
