//! A registry whose index grows old.

use axum::http::Method;
use bllvm_manifest::Digest;
use bllvm_package::{Index, Listed, Purpose, SecretKey, Signatures};
use jiff::Timestamp;
use serde_json::json;

use super::harness::Node;
use crate::clock::Clock as _;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn an_index_that_has_expired_installs_nothing_and_says_why() {
    let node = Node::start().await;
    let now_ms = node.clock.now().unix_ms();
    let expires = Timestamp::from_millisecond(now_ms + HOUR_MS).unwrap();
    let mut index = Index::empty("example.org", expires);
    index.seq = 1;
    index.releases.push(Listed {
        module: "hello".parse().unwrap(),
        version: semver::Version::new(0, 1, 0),
        target: "any".to_owned(),
        release_seq: 1,
        publisher: "me.example".to_owned(),
        digest: Digest::of("module.toml"),
        bytes: 1,
        path: "packages/hello".to_owned(),
        description: String::new(),
        notes: String::new(),
    });
    let key = SecretKey::from_seed([7; 32]);
    let mut signatures = Signatures::default();
    let bytes = index.to_bytes();
    signatures.add(&key, Purpose::Index, &bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.json"), &bytes).unwrap();
    std::fs::write(folder.path().join("index.sig"), signatures.to_string()).unwrap();
    let registry = json!({
        "name": "example.org", "addresses": [folder.path()], "keys": [key.public()],
    });
    let added = node.admin(Method::POST, "/api/v1/registries", Some(registry));
    assert_eq!(added.await.status, 201);
    let refresh = "/api/v1/registries/example.org/refresh";
    assert_eq!(node.admin(Method::POST, refresh, None).await.status, 200);

    node.clock.advance_ms(2 * HOUR_MS);

    let install = "/api/v1/catalog/example.org/hello/install";
    let refused = node
        .admin(Method::POST, install, Some(json!({})))
        .await
        .json();
    assert_eq!(refused["reason"], "index_expired", "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&expires.to_string()), "{detail}");
    let fetched = node.admin(Method::POST, refresh, None).await.json();
    assert_eq!(fetched["reason"], "index_expired", "{fetched}");
}
