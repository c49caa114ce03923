//! The least that a refresh must do: an event is read, a MAC verified, a user read and a
//! session written at once, two tokens are signed and answered. It decides nothing and checks
//! nothing else. To `/calls` it answers after as many calls as a sign-in makes, and one signature.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::{hmac, signature};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Body, Error, Request, Response, service_fn};
use relatch_baseline::{read_user, rotate_session};
use serde::Deserialize;
use serde_json::{Value, json};

struct Baseline {
    client: Client,
    mac: hmac::Key,
    rsa: KeyPair,
    generator: SystemRandom,
}

#[derive(Deserialize)]
struct RefreshBody {
    refresh_token: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    #[serde(rename = "gen")]
    generation: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let baseline = Baseline::from_env()?;
    let baseline = &baseline;
    // As the function itself, it opens its connection before the first event.
    let key = AttributeValue::S("CONNECT".to_owned());
    baseline.client.get_item().table_name("UsersTable").key("pk", key).send().await?;
    lambda_http::run(service_fn(move |request: Request| async move { baseline.respond(&request).await })).await
}

impl Baseline {
    fn from_env() -> Result<Self, Error> {
        let variable = |name: &str| {
            #[expect(clippy::disallowed_methods, reason = "a program of its own")]
            std::env::var(name)
        };
        let credentials =
            Credentials::new(variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?, None, None, "");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(variable("AWS_REGION")?))
            .credentials_provider(credentials)
            .http_client(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https())
            .endpoint_url(variable("AWS_ENDPOINT_URL_DYNAMODB")?)
            .build();
        let decode_variable =
            |name: &str| -> Result<Vec<u8>, Error> { Ok(URL_SAFE_NO_PAD.decode(variable(name)?)?) };
        Ok(Self {
            client: Client::from_conf(config),
            mac: hmac::Key::new(hmac::HMAC_SHA256, &decode_variable("BASELINE_MAC_KEY")?),
            rsa: KeyPair::from_pkcs8(&decode_variable("BASELINE_RSA_KEY")?)?,
            generator: SystemRandom::new(),
        })
    }

    async fn respond(&self, request: &Request) -> Result<Response<Body>, Error> {
        if request.uri().path() == "/calls" {
            return self.make_calls().await;
        }
        let body: RefreshBody = serde_json::from_slice(request.body())?;
        let (message, mac) = body.refresh_token.rsplit_once('.').ok_or("no token")?;
        hmac::verify(&self.mac, message.as_bytes(), &URL_SAFE_NO_PAD.decode(mac)?)
            .map_err(|_| "the MAC is wrong")?;
        let (_, claims) = message.split_once('.').ok_or("no token")?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
        let (user, session) = tokio::try_join!(
            read_user(&self.client, &claims.sub),
            rotate_session(&self.client, &claims.sub, &claims.sid, claims.generation)
        )?;
        let email = user.get("email").and_then(|value| value.as_s().ok()).ok_or("no user")?;
        let generation = session.get("gen").and_then(|value| value.as_n().ok()).ok_or("no session")?;
        let access = json!({
            "iss": "https://auth.example.com", "aud": "https://api.example.com", "sub": claims.sub,
            "exp": 1_800_000_900, "iat": 1_800_000_000, "jti": "aaaaaaaaaaaaaaaaaaaaaa",
            "client_id": "relatch", "sid": claims.sid, "auth_time": 1_800_000_000, "user_email": email,
        });
        let refresh = json!({
            "iss": "https://auth.example.com", "aud": "https://auth.example.com/refresh", "sub": claims.sub,
            "exp": 1_800_000_900, "iat": 1_800_000_000, "sid": claims.sid,
            "gen": generation.parse::<u64>()?,
        });
        let access = self.sign(&json!({"alg": "RS256", "kid": "k", "typ": "at+jwt"}), &access, true)?;
        let refresh = self.sign(&json!({"alg": "HS256", "kid": "k", "typ": "rt+jwt"}), &refresh, false)?;
        let body = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 900, "refresh_token": refresh,
            "refresh_expires_in": 2_592_000,
        });
        let response = Response::builder().header("content-type", "application/json");
        Ok(response.body(Body::Text(body.to_string()))?)
    }

    async fn make_calls(&self) -> Result<Response<Body>, Error> {
        let unknown_user = "nobody";
        for _ in 0..3 {
            tokio::try_join!(read_user(&self.client, unknown_user), read_user(&self.client, unknown_user))?;
        }
        let token = self.sign(&json!({"alg": "RS256"}), &json!({"sub": unknown_user}), true)?;
        Ok(Response::new(Body::Text(token)))
    }

    fn sign(&self, header: &Value, claims: &Value, uses_rsa: bool) -> Result<String, Error> {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = if uses_rsa {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa
                .sign(&signature::RSA_PKCS1_SHA256, &self.generator, message.as_bytes(), &mut signature)
                .map_err(|_| "RSA refuses")?;
            URL_SAFE_NO_PAD.encode(signature)
        } else {
            URL_SAFE_NO_PAD.encode(hmac::sign(&self.mac, message.as_bytes()))
        };
        Ok(format!("{message}.{signature}"))
    }
}
