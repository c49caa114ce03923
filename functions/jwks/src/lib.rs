//! `GET /.well-known/…`: the public keys and the metadata by which anyone verifies
//! access tokens.

use relatch::keys::PublicKeySet;
use relatch_lambda::http::{Rejection, Request, Response, StatusCode, cacheable_json};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::{Context, Handler, KeyCache, Outcome};
use relatch_store::Tables;
use serde::Serialize;

/// How long a verifier may keep what it read, in seconds.
const MAX_AGE: u32 = 300;

/// RFC 7517 §5.
const KEY_SET: &str = "/.well-known/jwks.json";
/// OpenID Connect Discovery 1.0 §4.
const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// RFC 8414 §3.
const OAUTH_SERVER: &str = "/.well-known/oauth-authorization-server";

/// The function.
#[derive(Debug)]
pub struct Jwks {
    context: Context,
    keys: KeyCache,
}

/// The members that RFC 8414 §2 and OpenID Connect Discovery 1.0 §3 share. There is no
/// authorization endpoint, so no response type is supported; the list says so, because
/// its absence would mean the contrary.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    response_types_supported: [&'a str; 0],
    grant_types_supported: [&'a str; 1],
    token_endpoint: String,
    /// Clients have no secret.
    token_endpoint_auth_methods_supported: [&'a str; 1],
    /// RFC 7009, for clients that have no secret (RFC 8414 §2).
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes_supported: Option<Vec<&'a str>>,
    #[serde(flatten)]
    openid: Option<OpenId<'a>>,
}

/// What OpenID Connect Discovery adds.
#[derive(Serialize)]
struct OpenId<'a> {
    userinfo_endpoint: String,
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: Vec<&'a str>,
    claims_supported: [&'a str; 2],
}

impl Handler for Jwks {
    const NAME: &'static str = "jwks";

    fn new(context: Context) -> Self {
        let tables = Tables::new(&context.config.aws, &context.config.tables);
        Self { keys: KeyCache::for_public_keys(&context, &tables.public_keys), context }
    }

    async fn prepare(&self) {
        let _ = self.keys.current(self.context.clock.now()).await;
    }

    async fn handle(&self, request: &Request, _: &mut LogFields) -> Result<Outcome, Rejection> {
        let path = request.path();
        if ![KEY_SET, OPENID_CONFIGURATION, OAUTH_SERVER].contains(&path) {
            return Err(Rejection::NotFound);
        }
        request.expect("GET", path)?;
        let response = if path == OAUTH_SERVER {
            self.metadata(None)
        } else {
            let keys = self.keys.current(self.context.clock.now()).await?.public();
            match path {
                KEY_SET => cacheable_json(StatusCode::OK, &keys, MAX_AGE),
                _ => self.metadata(Some(self.openid(&keys))),
            }
        };
        Ok(Outcome::new(Event::MetadataServed, response))
    }
}

impl Jwks {
    fn metadata(&self, openid: Option<OpenId<'_>>) -> Response {
        let issuer = &self.context.config.token_issuer;
        let metadata = Metadata {
            issuer: &issuer.issuer,
            jwks_uri: format!("{}{KEY_SET}", issuer.issuer),
            response_types_supported: [],
            grant_types_supported: ["refresh_token"],
            token_endpoint: format!("{}/token", issuer.issuer),
            token_endpoint_auth_methods_supported: ["none"],
            revocation_endpoint: format!("{}/revoke", issuer.issuer),
            revocation_endpoint_auth_methods_supported: ["none"],
            scopes_supported: issuer.scope.as_deref().map(|scope| scope.split(' ').collect()),
            openid,
        };
        cacheable_json(StatusCode::OK, &metadata, MAX_AGE)
    }

    fn openid<'a>(&self, keys: &PublicKeySet) -> OpenId<'a> {
        OpenId {
            userinfo_endpoint: format!("{}/userinfo", self.context.config.token_issuer.issuer),
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: keys.algorithms(),
            claims_supported: ["sub", "email"],
        }
    }
}
