//! Registries over time: by https with an authority of one's own, by the clock, removed and added again,
//! and what they take back shown wherever an operator looks.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bllvm_tests::registry::Maker;
use bllvm_tests::wait::until;
use bllvm_tests::{Browser, TestServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

const REFRESH: &str = "/api/v1/registries/example.org/refresh";

/// Serves a folder by https as `localhost`; its address, and the certificate of who certified it.
async fn serve_securely(folder: PathBuf) -> (String, String) {
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&authority).unwrap().pem();
    let issuer = Issuer::new(params, authority);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![own.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, folder) = (acceptor.clone(), folder.clone());
            tokio::spawn(async move {
                // One that does not believe the certificate leaves.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut stream = BufReader::new(stream);
                let mut lines = Vec::new();
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
                    lines.push(std::mem::take(&mut line));
                }
                let path = lines[0].split(' ').nth(1).unwrap_or_default();
                let path = folder.join(path.trim_start_matches('/'));
                let (status, bytes) = match fs::read(path) {
                    Ok(bytes) => ("200 OK", bytes),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
                    bytes.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (format!("https://localhost:{port}/"), certificate)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_read_by_https_where_its_authority_is_believed() {
    let maker = Maker::new();
    maker.release(1);
    let (address, certificate) = serve_securely(maker.folder()).await;
    let file = maker.work.path().join("authority.pem");
    fs::write(&file, certificate).unwrap();
    let mut server = TestServer::start().await;
    maker.trusted(&server).await;
    maker.add(&server, &[&address]).await;

    let refused = server.rest.post(REFRESH, &json!(null)).await.refused();
    assert_eq!(refused["reason"], "registry_unreachable", "{refused}");
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("catalog.ca_file"),
        "{refused}"
    );

    server.set(&format!("catalog.ca_file={}", file.display()));
    server.restart().await;
    let read = server.rest.post(REFRESH, &json!(null)).await.done();
    assert_eq!(read["seen"]["releases"], 1);
    let install = "/api/v1/catalog/example.org/hello/install";
    let begun = server.rest.post(install, &json!({})).await.done();
    server.succeeded(&begun).await;
    assert_eq!(server.module("hello").await["trust"], "signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_authorities_without_any_keeps_the_node_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nothing.pem");
    fs::write(&file, "nothing").unwrap();
    let mut server = TestServer::builder()
        .set(&format!("catalog.ca_file={}", file.display()))
        .spawn();

    let status = server.ended().await;

    assert!(!status.success());
    let log = server.log();
    assert!(
        log.contains("catalog.ca_file") && log.contains("has no certificate"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_fetched_by_the_clock_and_what_it_takes_back_is_said_everywhere() {
    let server = TestServer::builder()
        .set("catalog.refresh=1 s")
        .start()
        .await;
    let maker = Maker::new();
    let first = maker.release(1);
    maker.trusted(&server).await;
    maker
        .add(&server, &[&maker.folder().display().to_string()])
        .await;
    let seen = async || {
        let all = server.rest.get("/api/v1/registries").await.done();
        all["items"][0]["seen"]["seq"].as_u64()
    };
    let began = until("the index to be fetched", seen).await;
    let (code, _, error) = server.cli(&["catalog", "install", "hello"]).await;
    assert_eq!(code, 0, "{error}");
    let (_, status, _) = server.cli(&["status"]).await;
    assert!(!status.contains("TAKEN BACK"), "{status}");

    maker.publish(&["--revoke", &first, "--reason", "it miscounted"]);
    until("the newer index to be fetched", async || {
        seen().await.filter(|seq| *seq > began)
    })
    .await;

    let (_, status, _) = server.cli(&["status"]).await;
    assert!(
        status.contains("TAKEN BACK: hello 0.1.0 by example.org: it miscounted"),
        "{status}"
    );
    let (code, doctor, _) = server.cli(&["doctor"]).await;
    assert_eq!(code, 1, "{doctor}");
    assert!(
        doctor.contains("release 0.1.0 was taken back by example.org: it miscounted"),
        "{doctor}"
    );
    let browser = Browser::log_in(&server).await;
    let overview = browser.get("/", &[]).await.text;
    assert!(
        overview.contains("The makers of hello took its release back: It miscounted."),
        "{overview}"
    );
    let audit = server.audit("action=refresh_registry").await;
    assert!(audit.iter().any(|row| row["actor"] == "host"), "{audit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_was_removed_and_added_again_shows_no_older_index() {
    let mut server = TestServer::start().await;
    let maker = Maker::new();
    maker.release(1);
    let folder = maker.folder();
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let old = (read("index.json"), read("index.sig"));
    maker.publish(&[]);
    let new = (read("index.json"), read("index.sig"));
    let write = |(index, signature): &(Vec<u8>, Vec<u8>)| {
        fs::write(folder.join("index.json"), index).unwrap();
        fs::write(folder.join("index.sig"), signature).unwrap();
    };
    let address = folder.display().to_string();
    maker.add(&server, &[&address]).await;
    server.rest.post(REFRESH, &json!(null)).await.done();

    let (code, _, error) = server.cli(&["catalog", "remove", "example.org"]).await;
    assert_eq!(code, 0, "{error}");
    server.restart().await;
    write(&old);
    let again = maker.add(&server, &[&address]).await;
    assert_eq!(again["seen"], Value::Null);
    let replayed = server.rest.post(REFRESH, &json!(null)).await.refused();
    assert_eq!(replayed["reason"], "index_rollback", "{replayed}");
    write(&new);
    let taken = server.rest.post(REFRESH, &json!(null)).await.done();
    assert_eq!(taken["seen"]["seq"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_held_is_offered_no_upgrade() {
    let server = TestServer::start().await;
    let maker = Maker::new();
    maker.release(1);
    maker.trusted(&server).await;
    maker
        .add(&server, &[&maker.folder().display().to_string()])
        .await;
    server.rest.post(REFRESH, &json!(null)).await.done();
    let (code, _, error) = server.cli(&["catalog", "install", "hello"]).await;
    assert_eq!(code, 0, "{error}");
    maker.release(2);
    server.rest.post(REFRESH, &json!(null)).await.done();
    let state = async || {
        let all = server.rest.get("/api/v1/catalog").await.done();
        all["items"][0]["state"].clone()
    };
    assert_eq!(state().await, "upgrade");

    let (code, _, error) = server.cli(&["module", "hold", "hello"]).await;

    assert_eq!(code, 0, "{error}");
    assert_eq!(state().await, "held");
}
