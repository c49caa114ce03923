//! Cookies that are for TLS only, without TLS.
//!
//! The functions answer as they do in AWS, with a cookie named `__Host-…` that is `Secure`.
//! Over plain http on a loopback host Firefox takes it as it is, Chromium takes `Secure` but
//! refused the name for long, and Safari neither keeps nor sends it. So the gateway, which
//! stands where TLS ends, gives it a name that says nothing of TLS, and gives that name back.
//! The functions know nothing of it, and have no setting that could be left on in AWS.

/// How a cookie's name begins when a browser takes it over TLS and from this host only.
const SECURE_PREFIX: &str = "__Host-";
/// How it begins instead.
const LOCAL_PREFIX: &str = "local-";

/// A `Set-Cookie` value of a function, as a browser is told it.
pub(super) fn to_browser(cookie: &str) -> String {
    let Some(rest) = cookie.strip_prefix(SECURE_PREFIX) else { return cookie.to_owned() };
    let kept = rest.split(';').filter(|part| !part.trim().eq_ignore_ascii_case("secure"));
    format!("{LOCAL_PREFIX}{}", kept.collect::<Vec<_>>().join(";"))
}

/// A cookie of a browser's, `name=value`, as a function is told it.
pub(super) fn to_function(cookie: &str) -> String {
    match cookie.strip_prefix(LOCAL_PREFIX) {
        Some(rest) => format!("{SECURE_PREFIX}{rest}"),
        None => cookie.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secure_cookie_is_renamed_both_ways() {
        let renamed = to_browser("__Host-x=1; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict");
        assert_eq!(renamed, "local-x=1; Path=/; Max-Age=60; HttpOnly; SameSite=Strict");
        assert_eq!(to_function("local-x=1"), "__Host-x=1");
        assert_eq!(to_browser("__Host-x=secure;secure"), "local-x=secure");
    }

    #[test]
    fn other_cookies_are_unchanged() {
        for cookie in ["x=1; Secure", "x=__Host-y", "", "x", "__Secure-x=1; Secure"] {
            assert_eq!(to_browser(cookie), cookie);
        }
        for cookie in ["x=1", "__Host-x=1", "x=local-y", "locally=1", ""] {
            assert_eq!(to_function(cookie), cookie);
        }
    }
}
