//! `GET /userinfo`: who the access token speaks for (OpenID Connect Core 1.0 §5.3), and
//! the guarded route whose 401 sends a client to refresh.

use relatch::error::Error;
use relatch::http::{Refusal, Request, Response, StatusCode, json};
use relatch::lambda::{Context, Handler};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event};
use relatch::token::{Issuance, KeyRing, verify_access};
use serde::Serialize;

/// The function. It reads no user and no session: the token says it all until it expires.
#[derive(Debug)]
pub struct UserInfo {
    context: Context,
    issuance: Issuance,
    keys: KeyRing,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    email: &'a str,
}

impl Handler for UserInfo {
    const NAME: &'static str = "userinfo";
    const GRANTED: Event = Event::AccessGranted;

    fn new(context: Context) -> Self {
        let keys = KeyRing::of_public_keys(&context, &Store::new(&context.config));
        Self { issuance: Issuance::new(&context.config), keys, context }
    }

    async fn prepare(&self) {
        let _ = self.keys.current(self.context.clock.now()).await;
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        request.expect("GET", "/userinfo")?;
        let unverified = request.bearer_token()?;
        let now = self.context.clock.now();
        let verify = |keys: &_| verify_access(unverified.expose(), keys, &self.issuance, now);
        let token = self.keys.verify(now, verify).await?.map_err(|why| {
            entry.becomes(Event::of_access_token(why)).with("why", why.to_string());
            Error::InvalidToken
        })?;
        entry.with("sub", token.sub.as_str()).with("sid", token.sid.as_str());
        Ok(json(StatusCode::OK, &Claims { sub: &token.sub, email: &token.user_email }))
    }
}
