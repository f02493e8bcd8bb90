//! A registry as its keeper makes it, with the tools that people have.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::programs::program;
use crate::{TestServer, clock};

/// A publisher and a registry, made by `cargo bllvm-module`.
#[derive(Debug)]
pub struct Maker {
    /// Where the tools run.
    pub work: tempfile::TempDir,
    /// The publisher's public key.
    pub publisher: String,
    /// The registry's.
    pub registry: String,
}

impl Default for Maker {
    fn default() -> Self {
        Self::new()
    }
}

impl Maker {
    /// New keys in a new folder.
    pub fn new() -> Self {
        let work = tempfile::tempdir().expect("a registry is made");
        let mut maker = Self {
            work,
            publisher: String::new(),
            registry: String::new(),
        };
        let public = |made: &Value| {
            made["public_key"]
                .as_str()
                .expect("a registry is made")
                .to_owned()
        };
        maker.publisher = public(&maker.tool(&["keygen", "me.key"]));
        maker.registry = public(&maker.tool(&["keygen", "registry.key"]));
        maker
    }

    /// What one of the tools answers.
    pub fn tool(&self, arguments: &[&str]) -> Value {
        let output = std::process::Command::new(program("cargo-bllvm-module"))
            .args(arguments)
            .arg("--json")
            .current_dir(self.work.path())
            .output()
            .expect("a registry is made");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).expect("a registry is made")
    }

    /// Packs a release of the sample `hello` and publishes it; gives its digest.
    pub fn release(&self, seq: u64) -> String {
        let folder = self.work.path().join(format!("hello-{seq}"));
        fs::create_dir(&folder).expect("a registry is made");
        let sample = clock::samples().join("hello");
        for file in ["module.toml", "config.schema.json"] {
            let text = fs::read_to_string(sample.join(file)).unwrap_or_default();
            if !text.is_empty() {
                let text = text.replace("version = \"0.1.0\"", &format!("version = \"0.{seq}.0\""));
                fs::write(folder.join(file), text).expect("a registry is made");
            }
        }
        let (path, number, out) = (
            folder.display().to_string(),
            seq.to_string(),
            format!("packed-{seq}"),
        );
        let binary = program("hello").display().to_string();
        let packed = self.tool(&[
            "package",
            "--path",
            &path,
            "--program",
            &binary,
            "--publisher",
            "me.example",
            "--release-seq",
            &number,
            "--key",
            "me.key",
            "--out",
            &out,
        ]);
        self.publish(&[&out, "--notes", &format!("News of {seq}.")]);
        packed["digest"]
            .as_str()
            .expect("a registry is made")
            .to_owned()
    }

    /// Publishes into the index, or changes what it says.
    pub fn publish(&self, more: &[&str]) {
        let common = [
            "publish",
            "--index",
            "index",
            "--registry",
            "example.org",
            "--key",
            "registry.key",
        ];
        self.tool(&[&common, more].concat());
    }

    /// The registry's folder.
    pub fn folder(&self) -> PathBuf {
        self.work.path().join("index")
    }

    /// Makes it known to a node.
    pub async fn add(&self, server: &TestServer, addresses: &[&str]) -> Value {
        let body = json!({
            "name": "example.org", "addresses": addresses, "keys": [self.registry],
        });
        server.rest.post("/api/v1/registries", &body).await.done()
    }

    /// Has a node trust the publisher.
    pub async fn trusted(&self, server: &TestServer) {
        let body = json!({ "name": "me.example", "keys": [self.publisher] });
        server.rest.post("/api/v1/publishers", &body).await.done();
    }
}
