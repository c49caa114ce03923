//! Web origins (RFC 6454): the pages that may use this deployment from a browser.

/// The origins whose pages may hold their refresh token in a cookie: a list of exact texts, as
/// browsers write them in the header `Origin`.
///
/// Nothing but equality decides. A pattern, a suffix or `null` (which any page can send from a
/// sandboxed frame) would let pages in that nobody named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads origins with commas between them; an empty text has none.
    ///
    /// `None` if one of them is no origin in the form in which a browser sends it: https (http
    /// for a loopback host only, since anybody on the way can write such a page), in lower case,
    /// with nothing after the host but a port that is not the scheme's own. A browser would
    /// never send any other text, so that an entry of another form is a mistake.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let origins = text.split(',').map(str::trim);
        origins.map(|origin| is_origin(origin).then(|| origin.to_owned())).collect::<Option<_>>().map(Self)
    }

    /// Whether this is one of them, to the letter.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    let is_loopback = ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    let own_port = match scheme {
        "https" => "443",
        "http" if is_loopback => "80",
        _ => return false,
    };
    (is_loopback || is_host(host)) && port.is_none_or(|port| port != own_port && is_port(port))
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_the_form_in_which_a_browser_sends_it() {
        for good in [
            "https://app.example.com",
            "https://xn--bcher-kva.example",
            "https://app.example.com:8443",
            "https://localhost",
            "https://192.0.2.1",
            "http://localhost:5173",
            "http://127.0.0.1:3000",
            "http://[::1]:8080",
            "http://localhost",
            "http://[::1]",
        ] {
            assert!(AllowedOrigins::parse(good).is_some_and(|origins| origins.contains(good)), "{good}");
        }
        for bad in [
            " ",
            ",",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://bücher.example",
            "https://u@app.example.com",
            "https://app..example.com",
            "https://app.example.com:",
            "https://app.example.com:443",
            "https://app.example.com:0",
            "https://app.example.com:08443",
            "https://app.example.com:65536",
            "https://app.example.com:+1",
            "http://localhost:80",
            "http://app.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "https://[::2]",
            "ftp://localhost",
            "file://",
            "https://a.example,,https://b.example",
            "https://a.example,null",
        ] {
            assert_eq!(AllowedOrigins::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_origin_is_one_of_the_list_to_the_letter() {
        let origins = AllowedOrigins::parse("https://app.example.com, http://localhost:5173").unwrap();
        for listed in ["https://app.example.com", "http://localhost:5173"] {
            assert!(origins.contains(listed), "{listed}");
        }
        for other in [
            "",
            "*",
            "null",
            "https://example.com",
            "https://app.example.com.evil.example",
            "https://evilapp.example.com",
            "https://x.app.example.com",
            "https://app.example.co",
            "https://app.example.com:444",
            "https://app.example.com/",
            "https://APP.example.com",
            "http://app.example.com",
            "https://app.example.com,https://app.example.com",
            "https://app.example.com http://localhost:5173",
            "http://localhost:5174",
            "http://localhost",
            " https://app.example.com",
        ] {
            assert!(!origins.contains(other), "{other}");
        }
        assert_eq!(AllowedOrigins::parse(""), Some(AllowedOrigins::default()));
        assert!(!AllowedOrigins::default().contains(""));
    }
}
