//! What API Gateway asks an authorizer, and what it takes for an answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The members of an event that tell its kind. The request itself is read as functions read it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizerEvent {
    version: Option<String>,
    /// `REQUEST`, or `TOKEN` of a REST API.
    #[serde(rename = "type")]
    kind: String,
    method_arn: Option<String>,
    /// Of a `TOKEN` event: the header.
    authorization_token: Option<String>,
}

/// The form in which the answer is expected.
pub(crate) enum Form {
    /// HTTP APIs with payload 2.0.
    Simple,
    /// REST APIs: a policy, for everything under this ARN.
    Policy(String),
}

impl AuthorizerEvent {
    /// The form of the answer; `None` for an event that is no authorizer's.
    ///
    /// A policy is for the whole stage: an access token is good for every route, and a policy
    /// for one method would be found again by the next request, for another one, where API
    /// Gateway keeps results by the token alone.
    pub(crate) fn form(&self) -> Option<Form> {
        match (self.version.as_deref(), self.method_arn.as_deref()) {
            (Some("2.0"), _) if self.kind == "REQUEST" => Some(Form::Simple),
            (_, Some(arn)) if ["REQUEST", "TOKEN"].contains(&self.kind.as_str()) => {
                let mut parts = arn.splitn(3, '/');
                let (api, stage) = (parts.next()?, parts.next()?);
                Some(Form::Policy(format!("{api}/{stage}/*")))
            }
            _ => None,
        }
    }

    /// The header of a `TOKEN` event, which has no request.
    pub(crate) fn header(&self) -> Option<&str> {
        self.authorization_token.as_deref().filter(|_| self.kind == "TOKEN")
    }
}

/// Who calls, for the owner's function: `requestContext.authorizer.lambda` of an HTTP API,
/// `requestContext.authorizer` of a REST API. Texts only, since REST APIs take nothing else.
#[derive(Serialize)]
pub(crate) struct Caller {
    pub(crate) sub: String,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) user_email: String,
}

impl Form {
    /// The answer that lets a request through, with who calls.
    pub(crate) fn allow(&self, caller: &Caller) -> Value {
        self.response(true, &caller.sub, &json!(caller))
    }

    /// The answer by which API Gateway says 403.
    pub(crate) fn deny(&self, sub: &str) -> Value {
        self.response(false, sub, &Value::Object(Map::new()))
    }

    fn response(&self, is_allowed: bool, sub: &str, context: &Value) -> Value {
        match self {
            Self::Simple => json!({"isAuthorized": is_allowed, "context": context}),
            Self::Policy(resource) => json!({
                "principalId": sub,
                "policyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Action": "execute-api:Invoke",
                        "Effect": if is_allowed { "Allow" } else { "Deny" },
                        "Resource": resource,
                    }],
                },
                "context": context,
            }),
        }
    }
}
