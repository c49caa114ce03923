//! TLS in front of the embedded database, as AWS has it in front of the real one: RSA
//! certificates of 2048 bits, one between the server's and the root's.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A running front.
#[derive(Debug)]
pub(crate) struct TlsFront {
    url: String,
    root: String,
}

impl TlsFront {
    /// Starts one before `upstream`, a URL.
    pub(crate) async fn start(upstream: &str) -> Self {
        let upstream: SocketAddr = upstream.trim_start_matches("http://").parse().unwrap();
        let (config, root) = make_server_config();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(forward(acceptor.clone(), client, upstream));
            }
        });
        Self { url, root }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The root's certificate, which a function has to trust.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }
}

async fn forward(acceptor: TlsAcceptor, client: TcpStream, upstream: SocketAddr) {
    client.set_nodelay(true).unwrap();
    // A function that ends closes its connections as it likes.
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let mut server = TcpStream::connect(upstream).await.unwrap();
    server.set_nodelay(true).unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// The server's settings, and the root's certificate.
fn make_server_config() -> (ServerConfig, String) {
    let key = || KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let (root, root_key) = (authority("root"), key());
    let root_certificate = root.self_signed(&root_key).unwrap();
    let root = Issuer::from_params(&root, &root_key);
    let (intermediate, intermediate_key) = (authority("intermediate"), key());
    let intermediate_certificate = intermediate.signed_by(&intermediate_key, &root).unwrap();
    let intermediate = Issuer::from_params(&intermediate, &intermediate_key);
    let server_key = key();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server_certificate = server.signed_by(&server_key, &intermediate).unwrap();
    let chain = vec![server_certificate.der().clone(), intermediate_certificate.der().clone()];
    let private = PrivatePkcs8KeyDer::from(server_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private.into()).unwrap();
    (config, root_certificate.pem())
}
