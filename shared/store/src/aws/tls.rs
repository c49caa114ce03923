//! TLS to AWS, and whose certificates are trusted for it.
//!
//! The five roots of Amazon Trust Services are in the binary: certificates of AWS's endpoints
//! come from them. Reading the system's 140 takes longer than everything else a function does
//! while it starts. Where somebody else may have certified the endpoint, the system's are
//! trusted, or those in the file that `SSL_CERT_FILE` names: an endpoint from the settings, and
//! the regions that are not Amazon's own. An endpoint without TLS, such as the local stack's,
//! needs none.

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

/// As <https://www.amazontrust.com/repository/> published them on 25 November 2026. They are
/// valid until 2037 at least; a test holds them against what is published.
const AMAZON_ROOTS: &str = include_str!("roots.pem");

/// A client for HTTPS, in a region and perhaps to an endpoint from the settings.
pub(super) fn https_client(region: &str, endpoint: Option<&str>) -> SharedHttpClient {
    // It has no way to fail today; the default trusts the system's roots.
    let context = TlsContext::builder().with_trust_store(trust_store(region, endpoint)).build();
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context.unwrap_or_default())
        .build_https()
}

fn trust_store(region: &str, endpoint: Option<&str>) -> TrustStore {
    // China's regions are run by other companies, the isolated ones have authorities of their own.
    let is_amazons = !["cn-", "us-iso", "eu-iso"].iter().any(|foreign| region.starts_with(foreign));
    match endpoint {
        None if is_amazons => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        Some(endpoint) if endpoint.starts_with("http://") => TrustStore::empty(),
        None | Some(_) => TrustStore::default(),
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use x509_parser::pem::Pem;

    use super::*;

    /// The SHA-256 of their public keys, as Amazon Trust Services publishes them.
    const PUBLISHED: [(&str, &str); 5] = [
        ("Amazon Root CA 1", "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2"),
        ("Amazon Root CA 2", "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461"),
        ("Amazon Root CA 3", "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9"),
        ("Amazon Root CA 4", "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5"),
        (
            "Starfield Services Root Certificate Authority - G2",
            "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
        ),
    ];

    /// The list of roots of another keeper, Mozilla, has the very same certificates.
    #[test]
    fn the_roots_are_those_that_amazon_publishes() {
        let pems: Vec<Pem> = Pem::iter_from_buffer(AMAZON_ROOTS.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(pems.len(), PUBLISHED.len());
        for (pem, (name, key)) in pems.iter().zip(PUBLISHED) {
            let certificate = pem.parse_x509().unwrap();
            let subject = certificate.subject().to_string();
            assert!(subject.ends_with(&format!("CN={name}")), "{subject}");
            let digest = digest(&SHA256, certificate.public_key().raw);
            let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, key, "{name}");
            let mozillas = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().any(|root| **root == *pem.contents);
            assert!(mozillas, "{name}");
        }
    }

    #[test]
    fn amazons_roots_are_for_amazons_endpoints() {
        let trusts_the_system = |region, endpoint| {
            format!("{:?}", trust_store(region, endpoint)).contains("enable_native_roots: true")
        };
        for region in ["us-east-1", "eu-central-1", "us-gov-west-1", "eusc-de-east-1"] {
            assert!(!trusts_the_system(region, None), "{region}");
            assert!(trusts_the_system(region, Some("https://localhost:8000")), "{region}");
            assert!(!trusts_the_system(region, Some("http://localhost:8000")), "{region}");
        }
        for region in ["cn-north-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1"] {
            assert!(trusts_the_system(region, None), "{region}");
        }
    }
}
