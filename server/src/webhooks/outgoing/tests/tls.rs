//! HTTPS: the certificate must prove the name. Authorities and keys are made for each test.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::super::client::{HttpClient, Post, Sent};
use super::AllowedAddresses;
use crate::model::{AttemptCode, UtcTime};

/// Somebody who certifies names.
struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self {
            certificate,
            issuer,
        }
    }

    /// A receiver for one connection, certified as `localhost`; its port.
    async fn serve(&self) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
                return;
            };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"POST / HTTP/1.1"));
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        });
        port
    }
}

/// Posts to a receiver that one authority certified, believing another.
async fn sent(certified_by: &Authority, believed: &Authority, host: &str) -> Sent {
    let mut roots = RootCertStore::empty();
    roots.add(believed.certificate.clone()).unwrap();
    let nets = vec!["127.0.0.1".parse().unwrap()];
    let client = HttpClient::trusting(AllowedAddresses::new(nets), roots).unwrap();
    let port = certified_by.serve().await;
    let url = Url::parse(&format!("https://{host}:{port}/")).unwrap();
    let post = Post {
        url: &url,
        headers: ["webhook-id", "webhook-timestamp", "webhook-signature"]
            .map(|name| (name, "x".to_owned())),
        body: "{}",
        timeout: Duration::from_secs(30),
        now: UtcTime::from_unix_ms(0),
    };
    client.post(post).await
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_for_the_name_is_taken() {
    let authority = Authority::new();
    let sent = sent(&authority, &authority, "localhost").await;
    assert_eq!(
        (sent.code, sent.status),
        (AttemptCode::Delivered, Some(204)),
        "{sent:?}"
    );
}

#[tokio::test]
async fn another_authority_and_another_name_are_not() {
    let (authority, other) = (Authority::new(), Authority::new());
    let stranger = sent(&authority, &other, "localhost").await;
    assert_eq!(stranger.code, AttemptCode::Tls, "{stranger:?}");
    let misnamed = sent(&authority, &authority, "127.0.0.1").await;
    assert_eq!(misnamed.code, AttemptCode::Tls, "{misnamed:?}");
}
