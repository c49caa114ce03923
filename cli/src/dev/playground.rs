//! The playground: a page of the local stack that shows the protocol at work, with the client for
//! web pages. It is part of this program, not of the template, so that no deployment has it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::response::Response;

/// A file of the playground.
#[derive(Debug)]
pub struct File {
    /// Where it is served.
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the page may do: load its own files and call this stack. No script or style in a document
/// or an attribute is run, so that nothing that it shows can become one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// All files of the playground; `/relatch.js` is the client as it is in the repository.
pub static FILES: [File; 9] = [
    File { path: "/", content_type: HTML, text: include_str!("playground/index.html") },
    File { path: "/playground/style.css", content_type: CSS, text: include_str!("playground/style.css") },
    File { path: "/playground/page.js", content_type: JAVASCRIPT, text: include_str!("playground/page.js") },
    File { path: "/playground/session.js", content_type: JAVASCRIPT, text: include_str!("playground/session.js") },
    File { path: "/playground/device.js", content_type: JAVASCRIPT, text: include_str!("playground/device.js") },
    File { path: "/playground/network.js", content_type: JAVASCRIPT, text: include_str!("playground/network.js") },
    File { path: "/playground/token.js", content_type: JAVASCRIPT, text: include_str!("playground/token.js") },
    File { path: "/playground/view.js", content_type: JAVASCRIPT, text: include_str!("playground/view.js") },
    File { path: "/relatch.js", content_type: JAVASCRIPT, text: include_str!("../../../clients/js/relatch.js") },
];

impl File {
    /// Whether a request asks for this file.
    pub(super) fn is_requested(&self, method: &Method, path: &str) -> bool {
        method == Method::GET && path == self.path
    }

    /// The answer with it. It is not kept, so that a browser never runs the page of an older build.
    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.text));
        for (name, value) in [
            (CONTENT_TYPE, self.content_type),
            (CONTENT_SECURITY_POLICY, POLICY),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The origins that the playground of a listener has in a browser on this machine; none where the
/// listener is not on its loopback address, and the playground would be for others.
pub(super) fn local_origins(address: SocketAddr) -> Vec<String> {
    let own = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => "127.0.0.1",
        IpAddr::V6(Ipv6Addr::LOCALHOST) => "[::1]",
        IpAddr::V4(_) | IpAddr::V6(_) => return Vec::new(),
    };
    // As browsers write it: the port of http is left out.
    let port = if address.port() == 80 { String::new() } else { format!(":{}", address.port()) };
    [own, "localhost"].map(|host| format!("http://{host}{port}")).into()
}

/// Appends origins to a list of allowed origins, except those that it has already.
///
/// The listed origins are unchanged, so that an error in them is still reported.
pub(super) fn append_origins(listed: &str, origins: &[String]) -> String {
    let is_new = |origin: &&String| !listed.split(',').any(|other| other.trim() == origin.as_str());
    let listed = Some(listed).filter(|listed| !listed.is_empty());
    listed.into_iter().chain(origins.iter().filter(is_new).map(String::as_str)).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::demo;
    use super::*;

    #[test]
    fn only_a_loopback_address_has_origins() {
        let origins = |address: &str| local_origins(address.parse().unwrap());
        assert_eq!(origins("127.0.0.1:3000"), ["http://127.0.0.1:3000", "http://localhost:3000"]);
        assert_eq!(origins("[::1]:8080"), ["http://[::1]:8080", "http://localhost:8080"]);
        assert_eq!(origins("127.0.0.1:80"), ["http://127.0.0.1", "http://localhost"]);
        for address in ["0.0.0.0:3000", "[::]:3000", "192.0.2.1:3000", "127.0.0.2:3000", "[::ffff:127.0.0.1]:3000"]
        {
            assert_eq!(origins(address), [""; 0], "{address}");
        }
    }

    #[test]
    fn listed_origins_are_unchanged() {
        let own = ["http://127.0.0.1:1", "http://localhost:1"].map(str::to_owned);
        for (listed, all) in [
            ("", "http://127.0.0.1:1,http://localhost:1"),
            ("https://a.example", "https://a.example,http://127.0.0.1:1,http://localhost:1"),
            ("http://localhost:1, https://a.example", "http://localhost:1, https://a.example,http://127.0.0.1:1"),
            ("*", "*,http://127.0.0.1:1,http://localhost:1"),
            ("https://a.example,", "https://a.example,,http://127.0.0.1:1,http://localhost:1"),
        ] {
            assert_eq!(append_origins(listed, &own), all);
        }
        assert_eq!(append_origins("*", &[]), "*");
    }

    /// An import of one file by another, or a reference of the page's, that is not served would be a 404.
    #[test]
    fn every_referenced_file_is_served() {
        let mut count = 0;
        for file in &FILES {
            let names = file.text.split('"').filter(|text| !text.contains(char::is_whitespace));
            for name in names.filter(|text| text.ends_with(".js") || text.ends_with(".css")) {
                let path = match (name.strip_prefix("./"), file.path) {
                    // The client's own documentation speaks of itself.
                    (_, "/relatch.js") => continue,
                    (Some(sibling), _) => format!("/playground/{sibling}"),
                    (None, _) => name.to_owned(),
                };
                count += 1;
                assert!(FILES.iter().any(|file| file.path == path), "{}: {name}", file.path);
            }
        }
        assert!(count >= 7, "{count}");
    }

    #[test]
    fn no_file_needs_what_the_policy_forbids() {
        for file in &FILES {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"]
            {
                assert!(!file.text.contains(forbidden), "{}: {forbidden}", file.path);
            }
        }
        let page = FILES[0].text;
        for forbidden in ["<style", " style=", " onclick=", "javascript:", "https://", "<script>", "<img"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn the_form_has_the_demo_user() {
        for value in [demo::EMAIL, demo::PASSWORD] {
            assert!(FILES[0].text.contains(&format!("value=\"{value}\"")), "{value}");
        }
    }
}
