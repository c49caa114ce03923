//! A request as a handler sees it, and the checks of its form.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::body::BodyFields;
use super::rejection::Rejection;
use relatch::address::Address;
use relatch::secret::Secret;
use relatch::session::IdempotencyKey;

/// The longest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 8192;

/// The form in which an event came, and so the form of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadVersion {
    /// REST APIs.
    V1,
    /// HTTP APIs and function URLs.
    V2,
}

/// A request that reached a function. It has no `Debug`: its body and headers hold
/// passwords and tokens.
pub struct Request {
    pub(super) version: PayloadVersion,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    /// Each as it was sent: `name=value`.
    pub(super) cookies: Vec<String>,
    pub(super) body: String,
    pub(super) is_base64: bool,
    pub(super) source_ip: String,
    pub(super) id: String,
}

impl Request {
    /// A request of which nothing but this `Authorization` header is known.
    pub fn from_authorization(header: &str) -> Self {
        Self {
            version: PayloadVersion::V1,
            method: String::new(),
            path: String::new(),
            headers: BTreeMap::from([("authorization".to_owned(), header.to_owned())]),
            cookies: Vec::new(),
            body: String::new(),
            is_base64: false,
            source_ip: String::new(),
            id: String::new(),
        }
    }

    /// The path of the route, such as `/signin`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The method, in upper case as sent.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The id that the gateway gave the request, at most 64 bytes of it.
    pub fn id(&self) -> &str {
        &self.id[..self.id.floor_char_boundary(64)]
    }

    /// Who calls: the peer that the gateway saw, or, behind so many proxies of the owner's,
    /// the peer that the first of them saw.
    ///
    /// Each proxy adds its peer to the end of `X-Forwarded-For`, and so does API Gateway.
    /// What stands further left came with the request and may be anything.
    pub fn address(&self, trusted_hops: usize) -> Address {
        let forwarded = self.header("x-forwarded-for").filter(|_| trusted_hops > 0).unwrap_or_default();
        let mut peers = forwarded.rsplit(',').map(str::trim).peekable();
        peers.next_if_eq(&self.source_ip.as_str());
        let client = trusted_hops.checked_sub(1).and_then(|hops| peers.nth(hops));
        Address::from_peer(client.filter(|client| !client.is_empty()).unwrap_or(&self.source_ip))
    }

    /// The values of a header, joined by commas when there are several, of `Cookie` by semicolons.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The `User-Agent`, shortened to `max` bytes, of visible characters without `"`, `\`,
    /// `<` and `>`: the text ends up in templates of others, such as EventBridge's, which
    /// put it between quotes as it is.
    pub fn user_agent(&self, max: usize) -> Option<String> {
        let visible = |c: &char| !c.is_control() && !r#""\<>"#.contains(*c);
        let mut agent: String = self.header("user-agent")?.chars().filter(visible).take(max).collect();
        while agent.len() > max {
            agent.pop();
        }
        (!agent.is_empty()).then_some(agent)
    }

    /// Refuses any path but `path` and any method but `method`.
    ///
    /// # Errors
    /// [`Rejection::NotFound`] or [`Rejection::MethodNotAllowed`].
    pub fn expect(&self, method: &'static str, path: &str) -> Result<(), Rejection> {
        if self.path != path {
            return Err(Rejection::NotFound);
        }
        if self.method != method {
            return Err(Rejection::MethodNotAllowed(method));
        }
        Ok(())
    }

    /// The members of a JSON body.
    ///
    /// # Errors
    /// [`Rejection::UnsupportedMediaType`], [`Rejection::PayloadTooLarge`] or
    /// [`Rejection::InvalidRequest`], in this order.
    pub fn json(&self) -> Result<BodyFields, Rejection> {
        if !self.header("content-type").is_some_and(|text| is_media_type(text, JSON)) {
            return Err(Rejection::UnsupportedMediaType(JSON));
        }
        BodyFields::parse(&self.body()?)
    }

    /// The members of a form (RFC 6749 §4, RFC 7009 §2.1).
    ///
    /// # Errors
    /// As [`Request::json`].
    pub fn form(&self) -> Result<BodyFields, Rejection> {
        if !self.header("content-type").is_some_and(|text| is_media_type(text, FORM)) {
            return Err(Rejection::UnsupportedMediaType(FORM));
        }
        BodyFields::parse_form(&self.body()?)
    }

    /// The `Idempotency-Key`, if there is one.
    ///
    /// # Errors
    /// [`Rejection::InvalidRequest`] when it has another form.
    pub fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Rejection> {
        let refused = || Rejection::invalid_request("the Idempotency-Key is not 22 to 64 of A-Z a-z 0-9 - _");
        let key = |text: &str| IdempotencyKey::parse(text).ok_or_else(refused);
        self.header("idempotency-key").map(key).transpose()
    }

    fn body(&self) -> Result<Vec<u8>, Rejection> {
        // base64 takes four characters for three bytes, the last group rounded up.
        let longest = if self.is_base64 { MAX_BODY_BYTES.div_ceil(3) * 4 } else { MAX_BODY_BYTES };
        if self.body.len() > longest {
            return Err(Rejection::PayloadTooLarge);
        }
        if !self.is_base64 {
            return Ok(self.body.clone().into_bytes());
        }
        let body =
            STANDARD.decode(&self.body).map_err(|_| Rejection::invalid_request("the body is not valid base64"))?;
        if body.len() > MAX_BODY_BYTES {
            return Err(Rejection::PayloadTooLarge);
        }
        Ok(body)
    }

    /// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
    ///
    /// # Errors
    /// [`Rejection::MissingToken`] without the header or with another scheme;
    /// [`Rejection::InvalidRequest`] with two headers, or two tokens in one.
    pub fn bearer_token(&self) -> Result<Secret, Rejection> {
        let header = self.header("authorization").ok_or(Rejection::MissingToken)?;
        if header.contains(',') {
            return Err(Rejection::invalid_request("more than one Authorization header"));
        }
        let (scheme, token) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Rejection::MissingToken);
        }
        let token = token.trim_start_matches(' ');
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(Rejection::invalid_request("the Authorization header is not `Bearer` and one token"));
        }
        Ok(Secret::new(token))
    }
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A media type, with no parameter but a UTF-8 charset.
fn is_media_type(content_type: &str, expected: &str) -> bool {
    let (media_type, parameter) = content_type.split_once(';').unwrap_or((content_type, ""));
    let parameter = parameter.trim().to_ascii_lowercase();
    media_type.trim().eq_ignore_ascii_case(expected)
        && matches!(parameter.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"")
}

#[cfg(test)]
mod tests;
