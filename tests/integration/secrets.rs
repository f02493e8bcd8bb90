//! A canary secret: used by the module, and found nowhere else.

use std::path::{Path, PathBuf};

use bllvm_tests::{Fixture, TestServer};
use reqwest::Method;
use serde_json::json;

const CANARY: &str = "canary-9f2c41d7e85b";

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_secret_is_found_nowhere() {
    let mut server = TestServer::start().await;
    let name = "fixture-well";
    server.run(&Fixture::new("well")).await;

    let done = server.configure(name, json!({ "secret": CANARY })).await;
    assert_eq!(done["status"], "succeeded", "{done:#}");
    let has = server.call(name, "secret", json!({})).await;
    assert_eq!(has["has_secret"], true, "the module itself gets it");
    server.logged(name, "stdout has").await;
    server.logged(name, "stderr has").await;
    server.logged(name, "the log has").await;
    // A crash keeps the last output.
    server.try_call(name, "exit", &json!({ "code": 3 })).await;
    server.run_ended(name).await;
    server.in_state(name, "running").await;
    // A refused change, a diff, a dry run and a revision that goes away.
    let path = format!("/api/v1/modules/{name}/config");
    server
        .try_configure(name, &json!({ "secret": CANARY, "port": 0 }))
        .await
        .refused();
    let dry = server
        .rest
        .request(Method::PATCH, &format!("{path}?dry_run=true"))
        .header("if-match", "*")
        .header("content-type", "application/merge-patch+json")
        .body(json!({ "secret": format!("{CANARY}-2") }).to_string());
    let dry = server.rest.send(dry).await;
    assert!(
        dry.status.is_success() && !dry.text.contains(CANARY),
        "{}",
        dry.text
    );
    server
        .configure(name, json!({ "greeting": "hello again" }))
        .await;

    for path in [
        path.clone(),
        format!("{path}/revisions"),
        format!("/api/v1/modules/{name}"),
        format!("/api/v1/modules/{name}/logs?limit=1000"),
        format!("/api/v1/modules/{name}/runs"),
        "/api/v1/events?limit=1000".to_owned(),
        "/api/v1/operations".to_owned(),
        "/api/v1/audit?limit=1000".to_owned(),
        "/metrics".to_owned(),
    ] {
        let answer = server.rest.get(&path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        assert!(!answer.text.contains(CANARY), "{path} shows it");
    }
    let has = server.call(name, "secret", json!({})).await;
    assert_eq!(has["has_secret"], true, "it survived the other changes");

    // Typed into the file by hand, it leaves the file.
    let file = server.modules_dir().join(name).join("config.toml");
    let edited = format!("greeting = \"by hand\"\nsecret = \"{CANARY}-3\"\n");
    std::fs::write(&file, edited).unwrap();
    server
        .module_is(name, "on the edited configuration", |module| {
            module["revision"].as_u64() >= Some(4)
                && module["revision"] == module["running_revision"]
        })
        .await;
    bllvm_tests::wait::until("the secret left the file", async || {
        let text = std::fs::read_to_string(&file).ok()?;
        (!text.contains(CANARY) && text.contains("by hand")).then_some(())
    })
    .await;

    server.stop().await;
    let found = holders(&server.data_dir());
    assert!(found.is_empty(), "in {found:?}");
    assert!(
        !server.log().contains(CANARY),
        "the node's own log shows it"
    );
    server.start_again().await;
    server.in_state(name, "running").await;
    let has = server.call(name, "secret", json!({})).await;
    assert_eq!(has["has_secret"], true, "it survived the restart");
}

/// Files that hold the canary, the module's own data left out.
fn holders(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if !path.ends_with("module-data") {
                    folders.push(path);
                }
            } else if let Ok(bytes) = std::fs::read(&path)
                && bytes
                    .windows(CANARY.len())
                    .any(|part| part == CANARY.as_bytes())
            {
                found.push(path);
            }
        }
    }
    found
}
