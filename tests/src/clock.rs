//! The sample block-clock, as people copy it.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::TestServer;
use crate::programs::program;

/// Its name.
pub const CLOCK: &str = "block-clock";

/// Where the samples' sources are.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../modules/examples")
}

/// The folder that a person would make: the sample's files and the program that cargo built.
fn folder(server: &TestServer) -> PathBuf {
    let folder = server.folder().join("incoming").join(CLOCK);
    let release = folder.join("target/release");
    std::fs::create_dir_all(&release).expect("the sample's folder");
    std::fs::copy(program(CLOCK), release.join(CLOCK)).expect("the sample's program");
    for file in ["module.toml", "config.schema.json"] {
        let copied = std::fs::copy(samples().join(CLOCK).join(file), folder.join(file));
        copied.expect("the sample's files");
    }
    folder
}

/// Installs and loads it on a free port; its address.
pub async fn run(server: &TestServer) -> String {
    let folder = folder(server);
    let installed = server
        .rest
        .post("/api/v1/modules", &json!({ "path": folder }))
        .await;
    server.succeeded(&installed.done()).await;
    let path = format!("/api/v1/modules/{CLOCK}/grants");
    let mut grant = server.rest.get(&path).await.done()["requested"].clone();
    grant["listeners"]["http"] = json!("127.0.0.1:0");
    let load = server
        .rest
        .post(
            &format!("/api/v1/modules/{CLOCK}/load"),
            &json!({ "grant": grant }),
        )
        .await
        .done();
    server.succeeded(&load).await;
    let module = server.module(CLOCK).await;
    let address = module["listeners"]["http"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        !address.ends_with(":0") && !address.is_empty(),
        "{module:#}"
    );
    format!("http://{address}/")
}
