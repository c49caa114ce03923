//! Cookie mode: a web page whose refresh token is in a cookie, in both payloads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use aws_sdk_dynamodb::types::AttributeValue;
use refresh::Refresh;
use relatch::lambda::{Function, Handler};
use relatch_tests::{Fault, FaultyDatabase, ItemKey, TestStack, claims};
use serde_json::{Value, json};
use signin::SignIn;
use signout::SignOut;

const PAGE: &str = "https://app.example.com";
const OTHER_PAGE: &str = "http://localhost:5173";
const NAME: &str = "__Host-relatch_refresh";
const FORGET: &str = "__Host-relatch_refresh=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict";
const KEY: &str = "a-key-of-the-page-with-its-length";

/// The retry window in seconds.
const W: i64 = 60;

/// The form in which a gateway hands a request to a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    HttpApi,
    RestApi,
}

const PAYLOADS: [Payload; 2] = [Payload::HttpApi, Payload::RestApi];

/// A stack behind a gateway, with a faulty way to its database.
struct Site {
    stack: TestStack,
    database: FaultyDatabase,
    sign_in: Function<SignIn>,
    refresh: Function<Refresh>,
    sign_out: Function<SignOut>,
    payload: Payload,
}

/// A request of a page's, before a gateway makes an event of it.
#[derive(Clone)]
struct Sent {
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    cookies: Vec<String>,
    body: String,
}

#[derive(Debug)]
struct Answer {
    status: u64,
    body: Value,
    headers: Value,
    set_cookie: Vec<String>,
}

impl Sent {
    fn to(path: &'static str, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned()), ("origin", PAGE.to_owned())];
        Self { path, headers, cookies: Vec::new(), body: body.to_string() }
    }

    fn with_token(mut self, token: &str) -> Self {
        self.cookies.push(format!("{NAME}={token}"));
        self
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self
    }

    fn event(&self, payload: Payload) -> Value {
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        match payload {
            Payload::HttpApi => json!({
                "version": "2.0", "routeKey": format!("POST {}", self.path), "rawPath": self.path,
                "headers": headers.collect::<Value>(), "cookies": self.cookies,
                "requestContext": {"http": {"method": "POST", "sourceIp": "192.0.2.1"}, "stage": "$default"},
                "body": self.body, "isBase64Encoded": false,
            }),
            Payload::RestApi => {
                let mut headers: Value = headers.map(|(name, value)| (name, json!([value]))).collect();
                if !self.cookies.is_empty() {
                    headers["Cookie"] = json!([self.cookies.join("; ")]);
                }
                json!({
                    "resource": self.path, "path": self.path, "httpMethod": "POST", "multiValueHeaders": headers,
                    "requestContext": {"identity": {"sourceIp": "192.0.2.1"}, "stage": "prod"},
                    "body": self.body, "isBase64Encoded": false,
                })
            }
        }
    }
}

impl Site {
    async fn start(payload: Payload, settings: &[(&str, &str)]) -> Self {
        let origins = format!("{PAGE},{OTHER_PAGE}");
        let stack = TestStack::start(&[&[("CORS_ALLOWED_ORIGINS", origins.as_str())], settings].concat()).await;
        let database = FaultyDatabase::start(stack.stack().dynamodb_url()).await;
        let through = [("AWS_ENDPOINT_URL_DYNAMODB", database.url())];
        let (sign_in, refresh, sign_out) =
            (stack.function(&through), stack.function(&through), stack.function(&through));
        Self { stack, database, sign_in, refresh, sign_out, payload }
    }

    async fn ask(&self, sent: &Sent) -> Answer {
        match sent.path {
            "/signin" => self.answer(&self.sign_in, sent).await,
            "/refresh" | "/token" => self.answer(&self.refresh, sent).await,
            "/signout" | "/revoke" => self.answer(&self.sign_out, sent).await,
            other => panic!("{other}"),
        }
    }

    async fn answer<H: Handler>(&self, function: &Function<H>, sent: &Sent) -> Answer {
        let answer = function.answer(&sent.event(self.payload).to_string()).await.unwrap();
        let answer = serde_json::to_value(answer).unwrap();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        // Each payload has its own place for cookies, and nothing in the other's.
        let (headers, set_cookie) = match self.payload {
            Payload::HttpApi => {
                assert!(answer["headers"].get("set-cookie").is_none(), "{answer}");
                (answer["headers"].clone(), texts(&answer["cookies"]))
            }
            Payload::RestApi => {
                assert!(answer.get("cookies").is_none(), "{answer}");
                let several = answer["multiValueHeaders"].as_object().unwrap();
                let headers = several.iter().map(|(name, values)| (name.clone(), values[0].clone())).collect();
                (headers, texts(&several.get("set-cookie").cloned().unwrap_or_default()))
            }
        };
        Answer {
            status: answer["statusCode"].as_u64().unwrap(),
            body: serde_json::from_str(answer["body"].as_str().unwrap()).unwrap_or_default(),
            headers,
            set_cookie,
        }
    }

    fn signing_in(&self) -> Sent {
        let client = self.stack.client();
        Sent::to("/signin", &json!({"email": client.email, "password": client.password, "cookie": true}))
    }

    /// Signs in and gives the refresh token of the cookie with an access token.
    async fn sign_in(&self) -> (String, String) {
        let answer = self.ask(&self.signing_in()).await;
        (answer.token(), answer.body["access_token"].as_str().unwrap().to_owned())
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.ask(&Sent::to("/refresh", &json!({})).with_token(token)).await
    }

    async fn sign_out(&self, token: &str, is_everywhere: bool) -> Answer {
        self.ask(&Sent::to("/signout", &json!({"everywhere": is_everywhere})).with_token(token)).await
    }

    /// Whether a refresh accepts a token; asked in body mode, without faults.
    async fn is_good(&self, token: &str) -> bool {
        self.stack.client().refresh(token).await.status == 200
    }
}

impl Answer {
    /// The refresh token in the cookie of a 200, which has all that a page needs and no more.
    #[track_caller]
    fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let members: Vec<&str> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["access_token", "expires_in", "refresh_expires_in", "token_type"]);
        let [cookie] = self.set_cookie.as_slice() else { panic!("{self:?}") };
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        let left = &self.body["refresh_expires_in"];
        assert_eq!(attributes, format!("Path=/; Max-Age={left}; HttpOnly; Secure; SameSite=Strict"));
        assert_eq!(self.headers["cache-control"], "no-store");
        assert!(cookie.len() < 4096, "{cookie}");
        pair.split_once('=').filter(|(name, _)| *name == NAME).unwrap().1.to_owned()
    }

    #[track_caller]
    fn expect_error(&self, status: u64, code: &str) {
        assert_eq!((self.status, &self.body["error"]), (status, &json!(code)), "{self:?}");
        assert_eq!(self.set_cookie, [""; 0], "{self:?}");
    }

    #[track_caller]
    fn expect_over(&self) {
        assert_eq!((self.status, &self.body["error"]), (400, &json!("invalid_grant")), "{self:?}");
        assert_eq!(self.set_cookie, [FORGET]);
    }

    #[track_caller]
    fn expect_signed_out(&self) {
        assert_eq!((self.status, &self.body), (204, &Value::Null), "{self:?}");
        assert_eq!(self.set_cookie, [FORGET]);
    }
}

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
        site.ask(&Sent::to("/refresh", &json!({}))).await.expect_error(400, "invalid_grant");
        site.ask(&Sent::to("/signout", &json!({}))).await.expect_signed_out();
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
                site.ask(&Sent::to(path, &body).with_token(token)).await,
                site.ask(&Sent::to(path, &body).with_token(token).with_token("x")).await,
                site.ask(&Sent::to(path, &body).without("origin")).await,
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
        let refreshing = Sent::to("/refresh", &json!({})).with_token(&token);
        let signing_out = Sent::to("/signout", &json!({})).with_token(&token);

        for sent in [&site.signing_in(), &refreshing, &signing_out] {
            let too_long = Sent { body: format!("{{\"x\":\"{}\"}}", "x".repeat(8192)), ..sent.clone() };
            site.ask(&too_long).await.expect_error(413, "payload_too_large");
            for body in ["", "null", "[]", "{", "{\"x\":1,\"x\":2}"] {
                let malformed = Sent { body: body.to_owned(), ..sent.clone() };
                site.ask(&malformed).await.expect_error(400, "invalid_request");
            }
            for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
                let answer = site.ask(&sent.clone().with("content-type", kind)).await;
                answer.expect_error(415, "unsupported_media_type");
            }
            let evil = sent.clone().with("origin", "https://evil.example");
            site.ask(&evil).await.expect_error(400, "invalid_request");
        }
        for sent in [&refreshing, &signing_out] {
            site.ask(&sent.clone().with("idempotency-key", "short")).await.expect_error(400, "invalid_request");
            site.ask(&sent.clone().with_token("x")).await.expect_error(400, "invalid_request");
            site.database.fail("UpdateItem", BROKEN, 3);
            let answer = site.ask(sent).await;
            answer.expect_error(503, "temporarily_unavailable");
            assert_eq!(answer.headers["retry-after"], "2");
        }
        let wrong = Sent { body: "{\"everywhere\":1}".to_owned(), ..signing_out.clone() };
        site.ask(&wrong).await.expect_error(400, "invalid_request");

        let session = ItemKey::session_of(&access);
        let generation = site.stack.item(&session).await.unwrap()["gen"].clone();
        site.stack.set(&session, "gen", AttributeValue::S("broken".to_owned())).await;
        site.ask(&refreshing).await.expect_error(500, "server_error");
        site.stack.set(&session, "gen", generation).await;

        site.database.fail("PutItem", BROKEN, 3);
        site.ask(&site.signing_in()).await.expect_error(503, "temporarily_unavailable");
        let wrong = site.signing_in().body.replace(&site.stack.client().password, "a wrong password");
        let wrong = Sent { body: wrong, ..site.signing_in() };
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

/// The origins of the list, to the letter; anything else reaches neither database nor session.
#[tokio::test]
async fn only_pages_of_the_allowed_origins_use_the_cookie() {
    for payload in PAYLOADS {
        let site = Site::start(payload, &[]).await;
        let (token, _) = site.sign_in().await;
        site.database.calls();
        let requests = [
            site.signing_in(),
            Sent::to("/refresh", &json!({})).with_token(&token),
            Sent::to("/signout", &json!({})).with_token(&token),
            Sent::to("/signout", &json!({"everywhere": true})).with_token(&token),
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
                let answer = site.ask(&sent.clone().with("origin", origin)).await;
                answer.expect_error(400, "invalid_request");
            }
            let nowhere = sent.clone().without("origin");
            site.ask(&nowhere).await.expect_error(400, "invalid_request");
            for claim in ["same-origin", "same-site", "none"] {
                site.ask(&nowhere.clone().with("sec-fetch-site", claim))
                    .await
                    .expect_error(400, "invalid_request");
            }
            site.ask(&nowhere.clone().with("referer", PAGE)).await.expect_error(400, "invalid_request");
            // From another site a browser would not keep the cookie that it is given.
            let elsewhere = sent.clone().with("sec-fetch-site", "cross-site");
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
                let sent = requests[1].clone().with("origin", origin).with("sec-fetch-site", site_of);
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
            let sent = Sent::to(path, &json!({})).with_token(&token).with("origin", origin);
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
                let sent = Sent::to(path, &json!({})).with_token(one).with_token(other);
                site.ask(&sent).await.expect_error(400, "invalid_request");
            }
        }
        // A name in another case, or one that looks alike, is another cookie.
        let mut tossed = Sent::to("/refresh", &json!({}));
        tossed.cookies =
            ["__host-relatch_refresh", "relatch_refresh", "__Secure-relatch_refresh", "local-relatch_refresh"]
                .map(|name| format!("{name}={theirs}"))
                .to_vec();
        site.ask(&tossed).await.expect_error(400, "invalid_grant");
        let answer = site.ask(&tossed.with_token(&mine)).await;
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
    let answer = site.ask(&Sent::to("/refresh", &body).with_token(&in_cookie)).await;
    assert_eq!(answer.set_cookie, [""; 0]);
    let next = answer.body["refresh_token"].as_str().unwrap();
    assert_eq!(claims(next)["secret"], claims(&in_body)["secret"]);
    let answer = site.ask(&Sent::to("/signout", &body).with_token(&in_cookie)).await;
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
            let sent = Sent { body, ..Sent::to(path, &Value::Null) };
            sent.with("content-type", "application/x-www-form-urlencoded").with_token(&cookie)
        };
        for (path, body) in [("/token", "grant_type=refresh_token"), ("/revoke", "token_type_hint=refresh_token")]
        {
            site.ask(&form(path, body.to_owned())).await.expect_error(400, "invalid_request");
            site.ask(&Sent::to(path, &json!({})).with_token(&cookie))
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
        let with_key =
            |token: &str| Sent::to("/refresh", &json!({})).with_token(token).with("idempotency-key", KEY);
        let third = site.ask(&with_key(&second)).await.token();
        site.stack.clock.advance_seconds(7200);
        let again = site.ask(&with_key(&second)).await;
        assert_eq!(again.token(), third);
        assert_eq!(claims(&third)["gen"], 2);
        // The key alone is worth nothing, nor is the token without it.
        let key_alone = Sent::to("/refresh", &json!({})).with("idempotency-key", KEY);
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
