//! Each way a token can be wrong, one named test each, through HTTP on every route that takes
//! one: `/userinfo` and all of `/sessions` answer 401 `invalid_token`, so that a client refreshes;
//! `/refresh` and `/token` answer 400 `invalid_grant`, so that it signs in again; `/signout`
//! and `/revoke` answer as always, and end nothing. Which check refuses what is tested beside
//! the code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use relatch::keys::{Algorithm, Key, KeySet, Purpose, generate};
use relatch::time::Clock;
use relatch_tests::{Client, Response, claims, header, keys, local_deployment};
use serde_json::{Value, json};

/// A good token of one kind, and the route that takes it.
struct GenuineToken {
    route: Route,
    keys: KeySet,
    token: String,
    client: Client,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    UserInfo,
    Sessions,
    EndSession,
    EndOthers,
    Refresh,
    Token,
    SignOut,
    Revoke,
}

const ROUTES: [Route; 8] = [
    Route::UserInfo,
    Route::Sessions,
    Route::EndSession,
    Route::EndOthers,
    Route::Refresh,
    Route::Token,
    Route::SignOut,
    Route::Revoke,
];

impl GenuineToken {
    async fn issue_for(route: Route) -> Self {
        let client = local_deployment();
        let response = client.sign_in().await;
        let token = match route {
            Route::UserInfo | Route::Sessions | Route::EndSession | Route::EndOthers => response.access_token(),
            Route::Refresh | Route::Token | Route::SignOut | Route::Revoke => response.refresh_token(),
        };
        Self { route, keys: keys(), token, client }
    }

    fn purpose(&self) -> Purpose {
        match self.route {
            Route::UserInfo | Route::Sessions | Route::EndSession | Route::EndOthers => Purpose::Access,
            Route::Refresh | Route::Token | Route::SignOut | Route::Revoke => Purpose::Refresh,
        }
    }

    fn key(&self) -> &Key {
        self.keys.signing_key(self.purpose(), Clock::system().now()).unwrap()
    }

    fn header(&self) -> Value {
        header(&self.token)
    }

    fn claims(&self) -> Value {
        claims(&self.token)
    }

    fn now(&self) -> i64 {
        Clock::system().now().seconds()
    }

    /// A token with this header and payload, signed by the right key.
    fn sign(&self, header: impl Display, payload: impl Display) -> String {
        self.sign_with(self.key(), &header, &payload)
    }

    fn sign_with(&self, key: &Key, header: &impl Display, payload: &impl Display) -> String {
        let input = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(payload.to_string()));
        format!("{input}.{}", key.sign(input.as_bytes()).unwrap())
    }

    fn with_header(&self, field: &str, value: Value) -> String {
        let mut header = self.header();
        header[field] = value;
        self.sign(header, self.claims())
    }

    fn with_claim(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        claims[name] = value;
        self.sign(self.header(), claims)
    }

    fn without_claim(&self, name: &str) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        self.sign(self.header(), claims)
    }

    fn signature(&self) -> &str {
        self.token.rsplit_once('.').unwrap().1
    }

    fn input(&self) -> &str {
        self.token.rsplit_once('.').unwrap().0
    }

    async fn present(&self, token: &str) -> Response {
        match self.route {
            Route::UserInfo => self.client.user_info(token).await,
            Route::Sessions => self.client.sessions("GET", "", token).await,
            Route::EndSession => {
                let sid = self.claims()["sid"].as_str().unwrap().to_owned();
                self.client.sessions("DELETE", &format!("/{sid}"), token).await
            }
            Route::EndOthers => self.client.sessions("DELETE", "", token).await,
            Route::Refresh => self.client.refresh(token).await,
            Route::Token => self.client.refresh_by_form(&[("refresh_token", token)]).await,
            Route::SignOut => self.client.sign_out(token, false).await,
            Route::Revoke => self.client.revoke(token).await,
        }
    }

    /// The token is refused, and the genuine one is none the worse for it.
    async fn expect_refused(&self, token: &str) {
        let response = self.present(token).await;
        match self.route {
            Route::UserInfo | Route::Sessions | Route::EndSession | Route::EndOthers => {
                response.expect_error(401, "invalid_token");
                assert_eq!(response.header("www-authenticate"), "Bearer error=\"invalid_token\"");
            }
            Route::Refresh | Route::Token => response.expect_error(400, "invalid_grant"),
            Route::SignOut | Route::Revoke => {
                assert!([200, 204].contains(&response.status), "{response:?}");
                assert_eq!(self.client.refresh(&self.token).await.status, 200, "nothing was ended");
                return;
            }
        }
        if matches!(self.route, Route::EndSession | Route::EndOthers) {
            assert_eq!(self.client.sessions("GET", "", &self.token).await.status, 200, "nothing was ended");
            return;
        }
        assert_eq!(self.present(&self.token).await.status, 200);
    }
}

/// For each line a test of that name on each route.
macro_rules! refused {
    ($($name:ident: |$it:ident| $token:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            // A token that was good and has expired still ends its session.
            let ends = !stringify!($name).starts_with("expired");
            for route in ROUTES.into_iter().filter(|route| ends || !matches!(route, Route::SignOut | Route::Revoke)) {
                let $it = GenuineToken::issue_for(route).await;
                let token: String = $token;
                $it.expect_refused(&token).await;
            }
        }
    )+};
}

#[tokio::test]
async fn signed_again_as_it_was_it_is_accepted() {
    // Not on the one that would end the sessions of the tests beside this one.
    for route in ROUTES.into_iter().filter(|route| *route != Route::EndOthers) {
        let it = GenuineToken::issue_for(route).await;
        let status = it.present(&it.sign(it.header(), it.claims())).await.status;
        assert!([200, 204].contains(&status), "{status}");
    }
}

refused! {
    one_part: |it| it.token.replace('.', "");
    two_parts: |it| it.input().to_owned();
    four_parts: |it| format!("{}.AAAA", it.token);
    five_parts_as_an_encrypted_token_has: |_it| "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAA".to_owned();
    only_dots: |_it| "..".to_owned();
    three_kilobytes_of_dots: |_it| ".".repeat(3000);
    padded: |it| format!("{}==", it.token);
    in_standard_base64: |it| it.token.replacen("ey", "+y", 1);
    in_json_serialization: |it| json!({"payload": it.input(), "signature": it.signature()}).to_string().replace(',', "");

    header_no_json: |it| it.sign("no json", it.claims());
    header_with_a_member_twice: |it| it.sign(it.header().to_string().replacen('{', "{\"alg\":\"none\",", 1), it.claims());
    critical_extension: |it| it.with_header("crit", json!(["exp"]));
    unencoded_payload: |it| it.with_header("b64", json!(false));
    with_its_own_key: |it| it.with_header("jwk", json!({"kty": "oct", "k": "AAAA"}));
    with_the_address_of_its_key: |it| it.with_header("jku", json!("https://evil.example/jwks.json"));
    with_the_address_of_its_certificate: |it| it.with_header("x5u", json!("https://evil.example/cert.pem"));
    with_its_own_certificate: |it| it.with_header("x5c", json!(["MIIB"]));
    without_key_id: |it| { let mut header = it.header(); header.as_object_mut().unwrap().remove("kid"); it.sign(header, it.claims()) };
    unknown_key_id: |it| it.with_header("kid", json!("unknown"));
    key_id_is_a_path: |it| it.with_header("kid", json!("../../../../dev/null"));
    key_id_is_a_query: |it| it.with_header("kid", json!("x' UNION SELECT 'key';--"));
    key_id_is_a_command: |it| it.with_header("kid", json!("key; sleep 10"));
    without_type: |it| { let mut header = it.header(); header.as_object_mut().unwrap().remove("typ"); it.sign(header, it.claims()) };
    of_the_type_jwt: |it| it.with_header("typ", json!("JWT"));
    type_in_upper_case: |it| it.with_header("typ", json!(it.header()["typ"].as_str().unwrap().to_uppercase()));

    algorithm_none: |it| format!("{}.{}.", BASE64URL.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}"), BASE64URL.encode(it.claims().to_string()));
    algorithm_none_with_everything_else_right: |it| it.with_header("alg", json!("none"));
    algorithm_none_in_odd_case: |it| it.with_header("alg", json!("nOnE"));
    algorithm_of_another_length: |it| it.with_header("alg", json!("HS512"));
    algorithm_of_another_family: |it| it.with_header("alg", json!("PS256"));

    no_signature: |it| format!("{}.", it.input());
    signature_of_nothing: |it| format!("{}.{}", it.input(), it.key().sign(b"").unwrap());
    signature_cut: |it| it.token[..it.token.len() - 4].to_owned();
    signature_with_a_bit_flipped: |it| {
        let mut bytes = BASE64URL.decode(it.signature()).unwrap();
        bytes[5] ^= 1;
        format!("{}.{}", it.input(), BASE64URL.encode(bytes))
    };
    payload_of_another_token: |it| {
        let other = it.with_claim("sub", json!("eve"));
        format!("{}.{}", other.rsplit_once('.').unwrap().0, it.signature())
    };
    signed_by_a_strangers_key_with_the_same_key_id: |it| {
        let strangers = KeySet::parse(generate(Algorithm::RS256, Clock::system().now()).unwrap().expose()).unwrap();
        let key = strangers.signing_key(it.purpose(), Clock::system().now()).unwrap();
        it.sign_with(key, &it.header(), &it.claims())
    };
    signed_by_the_other_kinds_key: |it| {
        let purpose = if it.purpose() == Purpose::Access { Purpose::Refresh } else { Purpose::Access };
        let key = it.keys.signing_key(purpose, Clock::system().now()).unwrap();
        let header = json!({"alg": key.algorithm().name(), "kid": key.kid(), "typ": it.header()["typ"]});
        it.sign_with(key, &header, &it.claims())
    };

    payload_no_json: |it| it.sign(it.header(), "no json");
    payload_a_list: |it| it.sign(it.header(), json!([it.claims()]));
    claim_twice: |it| it.sign(it.header(), it.claims().to_string().replacen('{', "{\"sub\":\"eve\",", 1));
    without_issuer: |it| it.without_claim("iss");
    without_audience: |it| it.without_claim("aud");
    without_subject: |it| it.without_claim("sub");
    without_expiry: |it| it.without_claim("exp");
    without_issue_time: |it| it.without_claim("iat");

    of_another_issuer: |it| it.with_claim("iss", json!("https://evil.example"));
    issuer_with_a_slash_behind: |it| it.with_claim("iss", json!(format!("{}/", it.claims()["iss"].as_str().unwrap())));
    issuer_in_upper_case: |it| it.with_claim("iss", json!(it.claims()["iss"].as_str().unwrap().to_uppercase()));
    issuer_is_a_list: |it| it.with_claim("iss", json!([it.claims()["iss"]]));
    for_another_audience: |it| it.with_claim("aud", json!("https://other.example.com"));
    for_no_audience: |it| it.with_claim("aud", json!(""));
    audience_that_starts_alike: |it| it.with_claim("aud", json!(format!("{}/v2", it.claims()["aud"].as_str().unwrap())));
    audience_is_a_list: |it| it.with_claim("aud", json!([it.claims()["aud"], "x"]));

    expired_this_second: |it| it.with_claim("exp", json!(it.now()));
    expired_long_ago: |it| it.with_claim("exp", json!(0));
    expiry_is_a_string: |it| it.with_claim("exp", json!(it.claims()["exp"].to_string()));
    expiry_is_a_fraction: |it| it.with_claim("exp", json!(4_000_000_000.5));
    expiry_is_null: |it| it.with_claim("exp", Value::Null);
    expiry_is_negative: |it| it.with_claim("exp", json!(-1));
    expiry_is_beyond_all_numbers: |it| it.with_claim("exp", json!(1e308));
    lives_longer_than_any_setting_allows: |it| it.with_claim("exp", json!(it.now() + 31_536_100));
    issued_in_the_future: |it| it.with_claim("iat", json!(it.now() + 30));
    issue_time_is_a_string: |it| it.with_claim("iat", json!("now"));
    starts_in_the_future: |it| it.with_claim("nbf", json!(it.now() + 30));
    start_is_a_string: |it| it.with_claim("nbf", json!("never"));
}

#[tokio::test]
async fn a_token_of_the_other_kind() {
    let (access, refresh) =
        (GenuineToken::issue_for(Route::UserInfo).await, GenuineToken::issue_for(Route::Refresh).await);
    access.expect_refused(&refresh.token).await;
    refresh.expect_refused(&access.token).await;
}

/// The public key is no secret: nobody may sign with it.
#[tokio::test]
async fn signed_with_the_public_key_as_a_secret() {
    let it = GenuineToken::issue_for(Route::UserInfo).await;
    let public = it.client.get("/.well-known/jwks.json").await.json()["keys"][0].clone();
    let octets = BASE64URL.encode(public.to_string());
    let forged = json!({"keys": [{
        "purpose": "refresh", "kid": public["kid"], "kty": "oct", "alg": "HS256", "nbf": 0, "k": octets,
    }]});
    let forged = KeySet::parse(&forged.to_string()).unwrap();
    let key = forged.find(Purpose::Refresh, public["kid"].as_str().unwrap()).unwrap();
    let mut header = it.header();
    header["alg"] = json!("HS256");
    it.expect_refused(&it.sign_with(key, &header, &it.claims())).await;
}

#[tokio::test]
async fn a_refresh_token_with_a_secret_of_another_session() {
    let it = GenuineToken::issue_for(Route::Refresh).await;
    it.expect_refused(&it.with_claim("secret", json!("AAAAAAAAAAAAAAAAAAAAAA"))).await;
    it.expect_refused(&it.with_claim("secret", json!("short"))).await;
}

#[tokio::test]
async fn a_refresh_token_of_another_user() {
    let it = GenuineToken::issue_for(Route::Refresh).await;
    it.expect_refused(&it.with_claim("sub", json!("eve"))).await;
    it.expect_refused(&it.with_claim("sub", json!("not a sub"))).await;
    it.expect_refused(&it.with_claim("sub", json!(""))).await;
}

#[tokio::test]
async fn a_generation_that_is_no_number() {
    let it = GenuineToken::issue_for(Route::Refresh).await;
    for wrong in [json!("0"), json!(-1), json!(0.5), json!(null), json!(1e300)] {
        it.expect_refused(&it.with_claim("gen", wrong)).await;
    }
}

#[tokio::test]
async fn longer_than_four_kilobytes() {
    let it = GenuineToken::issue_for(Route::UserInfo).await;
    it.expect_refused(&format!("{}{}", it.token, "A".repeat(4096))).await;
    let it = GenuineToken::issue_for(Route::Refresh).await;
    let response = it.present(&format!("{}{}", it.token, "A".repeat(4096))).await;
    response.expect_error(400, "invalid_request");
}
