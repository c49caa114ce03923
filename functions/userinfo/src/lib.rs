//! `GET /userinfo`: who the access token speaks for (OpenID Connect Core 1.0 §5.3), and
//! the guarded route whose 401 sends a client to refresh.

use relatch::access::AccessTokens;
use relatch::http::{Refusal, Request, Response, StatusCode, json};
use relatch::lambda::{Context, Handler};
use relatch::store::Store;
use relatch::telemetry::{Entry, Event};
use serde::Serialize;

/// The function. It reads no user and no session: the token says it all until it expires.
#[derive(Debug)]
pub struct UserInfo {
    context: Context,
    tokens: AccessTokens,
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
        Self { tokens: AccessTokens::new(&context, &Store::new(&context.config)), context }
    }

    async fn prepare(&self) {
        self.tokens.prepare(self.context.clock.now()).await;
    }

    async fn handle(&self, request: &Request, entry: &mut Entry) -> Result<Response, Refusal> {
        request.expect("GET", "/userinfo")?;
        let unverified = request.bearer_token()?;
        let now = self.context.clock.now();
        let token = self.tokens.verify(&unverified, now, entry).await?;
        Ok(json(StatusCode::OK, &Claims { sub: &token.sub, email: &token.user_email }))
    }
}
