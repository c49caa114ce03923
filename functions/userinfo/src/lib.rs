//! `GET /userinfo`: who the access token speaks for (OpenID Connect Core 1.0 §5.3), and
//! the guarded route whose 401 sends a client to refresh.

use relatch_lambda::access::AccessTokens;
use relatch_lambda::http::{Rejection, Request, StatusCode, json};
use relatch_lambda::telemetry::{Event, LogFields};
use relatch_lambda::{Context, Handler, Outcome};
use relatch_store::Tables;
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

    fn new(context: Context) -> Self {
        let tables = Tables::new(&context.config.aws, &context.config.tables);
        Self { tokens: AccessTokens::new(&context, &tables.public_keys), context }
    }

    async fn prepare(&self) {
        self.tokens.prepare(self.context.clock.now()).await;
    }

    async fn handle(&self, request: &Request, fields: &mut LogFields) -> Result<Outcome, Rejection> {
        request.expect("GET", "/userinfo")?;
        let unverified = request.bearer_token()?;
        let now = self.context.clock.now();
        let token = self.tokens.verify(&unverified, now, fields).await?;
        let response = json(StatusCode::OK, &Claims { sub: &token.sub, email: &token.user_email });
        Ok(Outcome::new(Event::AccessGranted, response))
    }
}
