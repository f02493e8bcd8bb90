//! HTTPS: the certificate must prove the name.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::super::client::{HttpClient, Post, Sent};
use super::AllowedAddresses;
use crate::model::{AttemptCode, UtcTime};

const AUTHORITY: &str = include_str!("../testdata/ca.pem");
const OTHER_AUTHORITY: &str = include_str!("../testdata/other-ca.pem");
const CERTIFICATE: &str = include_str!("../testdata/localhost.pem");
/// Of the certificate above, and of nothing else.
const KEY: &str = include_str!("../testdata/localhost.key");

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// A receiver for one connection; its port.
async fn serve() -> u16 {
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate(CERTIFICATE)],
            PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
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

async fn sent(authority: &str, host: &str) -> Sent {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(authority)).unwrap();
    let nets = vec!["127.0.0.1".parse().unwrap()];
    let client = HttpClient::trusting(AllowedAddresses::new(nets), roots).unwrap();
    let url = Url::parse(&format!("https://{host}:{}/", serve().await)).unwrap();
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
    let sent = sent(AUTHORITY, "localhost").await;
    assert_eq!(
        (sent.code, sent.status),
        (AttemptCode::Delivered, Some(204)),
        "{sent:?}"
    );
}

#[tokio::test]
async fn another_authority_and_another_name_are_not() {
    let stranger = sent(OTHER_AUTHORITY, "localhost").await;
    assert_eq!(stranger.code, AttemptCode::Tls, "{stranger:?}");
    let misnamed = sent(AUTHORITY, "127.0.0.1").await;
    assert_eq!(misnamed.code, AttemptCode::Tls, "{misnamed:?}");
}
